package upgrade

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"nactor/actors"
	"nactor/actors/actorpb"
	"nactor/naming"
	"nactor/naming/dual"
	"nactor/naming/upgrade/switchover"
)

// Inbox is the name under which other nodes send the messages of the upgrade.
const Inbox = "upgrade"

// Store is where decisions are written. Package persistence implements it.
type Store interface {
	Document(name string) (value []byte, version uint64, err error)
	PutDocument(ctx context.Context, name string, version uint64, value []byte) (uint64, error)
	OnDocument(f func(name string, value []byte, version uint64))
}

// document is the name of the decision in the store.
const document = "upgrade"

// Services is what is upgraded. [*actors.Services] implements it.
type Services interface {
	// Relayout has all services of this node go by a layout. It returns when they do, or
	// with the error of ctx or of one that cannot. halfway is called in between.
	Relayout(ctx context.Context, to dual.Layout, halfway func()) error
	// DoubleWrite tells how far the two structures of this node's services are apart.
	DoubleWrite() actors.DoubleWrite
}

// Config is what the upgrade needs of its node.
type Config struct {
	Logger  *slog.Logger // naming-server.log
	Clock   actors.Clock
	Self    string // id of this node
	Process string // of this life of it
	Version string // of Nacos, as it presents itself: below 2.0 it has no vote
	Rules   switchover.Rules
	Delay   time.Duration // of the double write
	// Without1X: this node is told that a new cluster has nothing to do with 1.X.
	Without1X bool
	Store     Store
	Services  Services
	Peers     actors.Peers
	Place     actors.Placement
	// Topology tells who is here. It is asked several times a second.
	Topology func() *Topology
	// Lacks tells what this node waits for besides its services, a sentence each.
	Lacks func() []string
	// Announce tells the other nodes whether this one is ready (nil: it does not say), and
	// that double write is closed.
	Announce func(ready *bool, closed bool)
	// Reached is called at points of the way at which tests make a node fail. nil: nothing.
	Reached func(point string)
}

// Topology is what the upgrade needs to know of the cluster. Immutable.
type Topology struct {
	Members []Member
	Owner   string // id of the node that has the coordinator; "": none
}

// Member is a node, and what it says of itself.
type Member struct {
	switchover.Member
	Ready *bool // readyToUpgrade; nil: does not say
}

// Upgrade is one node's part in the upgrade.
type Upgrade struct {
	Config
	questions *actors.Questions
	topology  atomic.Pointer[Topology]
	stored    atomic.Pointer[stored]           // newest decision in the store
	applied   atomic.Pointer[switchover.State] // that this node goes by
	wake      chan struct{}                    // capacity 1: something has changed
	round     atomic.Uint64                    // newest question that was asked
	nudged    atomic.Bool                      // a coordinator has not heard yet what this node goes by
	refused   map[string]bool                  // processes of 1.X that were refused; Run's
	news      chan announcement                // capacity 1: what to tell the others
}

// announcement is what a node says of itself to all others.
type announcement struct {
	ready  *bool
	closed bool
}

// stored is a decision as the store has it.
type stored struct {
	switchover.State
	version uint64 // of the document
}

// tickEvery is how often the coordinator looks at the time.
const tickEvery = 200 * time.Millisecond

// New returns a node's part in the upgrade, which goes by nothing before Begin.
func New() *Upgrade {
	u := &Upgrade{questions: actors.NewQuestions(), wake: make(chan struct{}, 1), news: make(chan announcement, 1), refused: map[string]bool{}}
	u.topology.Store(&Topology{})
	return u
}

// Configure tells what the upgrade needs of its node. To be called once, before any method
// below.
func (u *Upgrade) Configure(cfg Config) {
	u.Config = cfg
	if u.Reached == nil {
		u.Reached = func(string) {}
	}
	u.topology.Store(u.Topology())
}

// Begin takes up what the store says, which must have caught up with the other nodes'. It
// returns when the services of this node go by it.
func (u *Upgrade) Begin(ctx context.Context) error {
	u.Store.OnDocument(u.onDocument)
	value, version, err := u.Store.Document(document)
	if err != nil {
		return err
	}
	if err := u.note(value, version); err != nil {
		return err
	}
	state := u.stored.Load().State
	if err := u.Services.Relayout(ctx, u.layout(state), nil); err != nil {
		return err
	}
	u.applied.Store(&state)
	u.Logger.Info("goes by what the cluster has decided", "mode", state.Mode, "epoch", state.Epoch, "doubleWrite", state.DoubleWrite, "cause", state.Cause)
	u.announce(announcement{nil, state.Closed()})
	return nil
}

// layout returns how a service is kept under a decision. A 1.X node has the 1.x structure,
// whatever was decided.
func (u *Upgrade) layout(s switchover.State) dual.Layout {
	switch {
	case switchover.Old(u.Version):
		return dual.Layout{Serves: dual.V1}
	case s.Mode == switchover.V1:
		return dual.Layout{Serves: dual.V1, DoubleWrite: s.DoubleWrite, Delay: u.Delay}
	}
	return dual.Layout{Serves: dual.V2, DoubleWrite: s.DoubleWrite, Delay: u.Delay}
}

// State returns what this node goes by.
func (u *Upgrade) State() switchover.State {
	if s := u.applied.Load(); s != nil {
		return *s
	}
	return switchover.Initial()
}

// Stored returns the last decision that this node has heard of.
func (u *Upgrade) Stored() switchover.State {
	if s := u.stored.Load(); s != nil {
		return s.State
	}
	return switchover.Initial()
}

func (u *Upgrade) onDocument(name string, value []byte, version uint64) {
	if name != document {
		return
	}
	if err := u.note(value, version); err != nil {
		u.Logger.Error("what the store says of the upgrade is not understood: this node stays as it is", "err", err)
	}
}

// note keeps the newest decision. Nothing goes back.
func (u *Upgrade) note(value []byte, version uint64) error {
	state, err := switchover.Decode(value)
	if err != nil {
		return err
	}
	next := &stored{state, version}
	for {
		old := u.stored.Load()
		if old != nil && old.version >= version {
			return nil
		}
		if u.stored.CompareAndSwap(old, next) {
			u.poke()
			return nil
		}
	}
}

func (u *Upgrade) poke() {
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

// Changed tells that who is here has changed.
func (u *Upgrade) Changed() { u.poke() }

// announce has the others told; only the newest counts.
func (u *Upgrade) announce(a announcement) {
	select {
	case <-u.news:
	default:
	}
	u.news <- a
}

// Run checks, votes and follows until ctx ends. Begin must have returned.
func (u *Upgrade) Run(ctx context.Context) {
	t := time.NewTicker(tickEvery)
	defer t.Stop()
	var telling sync.WaitGroup
	defer telling.Wait()
	telling.Go(func() { u.tellMembers(ctx) })
	v := newVoter(u)
	for {
		u.topology.Store(u.Topology())
		u.follow(ctx)
		v.look(time.Now())
		u.coordinate()
		select {
		case <-t.C:
		case <-u.wake:
		case <-ctx.Done():
			return
		}
	}
}

// tellMembers carries announcements, which wait for somebody to hear them.
func (u *Upgrade) tellMembers(ctx context.Context) {
	for {
		select {
		case a := <-u.news:
			u.Announce(a.ready, a.closed)
		case <-ctx.Done():
			return
		}
	}
}

// follow makes the services go by the newest decision.
func (u *Upgrade) follow(ctx context.Context) {
	next, now := u.stored.Load().State, *u.applied.Load()
	u.refuse(next)
	if next.Epoch <= now.Epoch {
		return
	}
	began := time.Now()
	if err := u.Services.Relayout(ctx, u.layout(next), func() { u.Reached("upgrade.mid-flip") }); err != nil {
		u.Logger.Error("services do not follow a decision of the cluster; it is tried again", "epoch", next.Epoch, "err", err)
		return
	}
	u.applied.Store(&next)
	took := time.Since(began)
	u.Logger.Info("follows a decision of the cluster", "mode", next.Mode, "epoch", next.Epoch, "doubleWrite", next.DoubleWrite, "cause", next.Cause, "took", took)
	u.poke()
}

// refuse tells of 1.X nodes that come too late.
func (u *Upgrade) refuse(s switchover.State) {
	if !s.Closed() {
		return
	}
	for _, m := range u.topology.Load().Members {
		if m.Up && switchover.Old(m.Version) && !u.refused[m.Process] {
			u.refused[m.Process] = true
			u.Logger.Warn("a 1.X node is refused: double write is closed, a downgrade is no longer possible",
				"node", m.Address, "version", m.Version, "closed", s.DecidedAt, "cause", s.Cause)
		}
	}
}

// coordinate wakes the coordinator if it belongs here, or lets it know that it no longer
// does.
func (u *Upgrade) coordinate() { u.tell(&tick{u.topology.Load(), u.stored.Load()}) }

func (u *Upgrade) owner() string { return u.topology.Load().Owner }

// tell sends a message to the coordinator if it is on this node.
func (u *Upgrade) tell(message any) bool {
	pid := u.Place.Activate(Kind, Identity)
	if pid == nil {
		return false
	}
	u.Place.System().Root.Send(pid, message)
	return true
}

// Inboxes returns what takes the messages of other nodes.
func (u *Upgrade) Inboxes() map[string]func(from string, message proto.Message) {
	return map[string]func(string, proto.Message){Inbox: u.receive}
}

// receive takes messages of other nodes, and this node's to itself. Those for a coordinator
// that is not here are dropped: whoever sent them finds out who has it.
func (u *Upgrade) receive(from string, message proto.Message) {
	if u.applied.Load() == nil {
		return // not begun; what matters is sent again
	}
	switch m := message.(type) {
	case *actorpb.UpgradeReport:
		if report, err := fromReport(from, m); err == nil {
			u.tell(&report)
		}
	case *actorpb.UpgradeAsk:
		u.asked(m)
	case *actorpb.UpgradeExplain:
		u.tell(&explain{func(e switchover.Explanation) { u.send(from, toExplanation(m.Id, e)) }})
	case *actorpb.UpgradeClose:
		u.tell(&closing{func(err error) { u.send(from, toAnswer(m.Id, err)) }})
	case *actorpb.UpgradeAnswer:
		u.questions.Answer(m.Id, m)
	}
}

// send sends a message to a node, also to this one.
func (u *Upgrade) send(to string, message proto.Message) {
	if to == u.Self {
		u.receive(to, message)
		return
	}
	u.Peers.Send(to, Inbox, message)
}

// asked takes note of a question of the coordinator.
func (u *Upgrade) asked(m *actorpb.UpgradeAsk) {
	if m.Round != 0 {
		u.round.Store(m.Round)
	} else {
		u.nudged.Store(true)
	}
	u.poke()
}

// Explain returns where the upgrade stands, as the coordinator sees it. Kind
// [naming.KindUnavailable] when that does not answer.
func (u *Upgrade) Explain(ctx context.Context) (switchover.Explanation, error) {
	a, err := u.ask(ctx, func(id uint64) proto.Message { return &actorpb.UpgradeExplain{Id: id} })
	if err != nil {
		return switchover.Explanation{}, err
	}
	return fromExplanation(a)
}

// Close closes double write for good, and returns when that is decided and this node goes by
// it. Kinds: [naming.KindInvalid] when it cannot be closed now, with the reason;
// [naming.KindUnavailable] when nobody could decide in time.
func (u *Upgrade) Close(ctx context.Context) error {
	if _, err := u.ask(ctx, func(id uint64) proto.Message { return &actorpb.UpgradeClose{Id: id} }); err != nil {
		return err
	}
	t := time.NewTicker(tickEvery / 20)
	defer t.Stop()
	for !u.State().Closed() {
		select {
		case <-t.C:
		case <-ctx.Done():
			return naming.Unavailable("double write has been closed, but this node has not followed yet: %w", ctx.Err())
		}
	}
	return nil
}

// ask puts a question to the coordinator.
func (u *Upgrade) ask(ctx context.Context, question func(id uint64) proto.Message) (*actorpb.UpgradeAnswer, error) {
	to := u.owner()
	if to == "" {
		return nil, naming.Unavailable("no node is ready to coordinate the upgrade; try again later")
	}
	m, err := u.questions.Ask(ctx, to, func(id uint64) { u.send(to, question(id)) })
	if err != nil {
		return nil, err
	}
	a, ok := m.(*actorpb.UpgradeAnswer)
	if !ok {
		return nil, naming.Unavailable("node %s answered something else than was asked", to)
	}
	if a.Error != "" {
		return nil, &naming.Error{Kind: naming.Kind(a.Kind), Message: a.Error}
	}
	return a, nil
}

// firstQuestion returns the number that a coordinator's questions are counted from: not one
// that another coordinator is likely to have used.
func firstQuestion() uint64 { return rand.Uint64() >> 1 }
