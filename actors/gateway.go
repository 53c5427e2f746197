package actors

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"nactor/actors/actorpb"
	"nactor/naming"
)

// gateway carries commands to other nodes and answers back, and takes in theirs. What goes
// to one node travels together: while a message is being made the next gathers.
type gateway struct {
	*Services
	mu      sync.Mutex
	out     map[string]*outbox // by node
	ids     atomic.Uint64
	parked  chan struct{} // a token for each command that waits for its partition
	dropped atomic.Uint64 // heartbeats
	quit    chan struct{}
	wg      sync.WaitGroup
}

// outbox is what goes to one node, and who there waits for an answer.
type outbox struct {
	to string
	g  *gateway

	mu       sync.Mutex
	commands []*actorpb.Command
	replies  []*actorpb.Reply
	beats    map[naming.Key][]heard
	count    int // of beats
	waiting  map[uint64]*call
	flights  map[uint64]flight // messages of beats not taken yet
	due      bool              // a flush of beats is coming
	ripe     time.Time         // when
	wake     chan struct{}
}

// heard is a heartbeat and when it came.
type heard struct {
	naming.Addr
	at naming.Instant
}

// flight is a message of beats on its way.
type flight struct {
	sent  naming.Instant
	beats *actorpb.Beats
}

// Bounds.
const (
	maxForwarded   = 20_000 // commands that wait for one node's answer
	maxParked      = 10_000
	maxBeats       = 200_000 // heartbeats that wait for one node
	messagesAtOnce = 256
	beatPause      = 50 * time.Millisecond
	beatFlights    = 4
	beatFlightTime = 2 * time.Second
)

func newGateway(s *Services) *gateway {
	return &gateway{Services: s, out: map[string]*outbox{}, parked: make(chan struct{}, maxParked), quit: make(chan struct{})}
}

func (g *gateway) stop() {
	close(g.quit)
	g.wg.Wait()
}

// box returns the outbox to a node.
func (g *gateway) box(to string) *outbox {
	g.mu.Lock()
	defer g.mu.Unlock()
	b := g.out[to]
	if b == nil {
		b = &outbox{to: to, g: g, waiting: map[uint64]*call{}, flights: map[uint64]flight{}, wake: make(chan struct{}, 1)}
		g.out[to] = b
		g.wg.Go(b.run)
	}
	return b
}

// forward has a command carried out on another node.
func (g *gateway) forward(ctx context.Context, to string, key naming.Key, cmd naming.Command) (naming.Result, error) {
	id := g.ids.Add(1)
	pb, ok := actorpb.FromCommand(id, key, cmd)
	if !ok {
		return naming.Result{}, errMoved
	}
	b := g.box(to)
	c := g.newCall(cmd)
	b.mu.Lock()
	if len(b.waiting) >= maxForwarded {
		b.mu.Unlock()
		return naming.Result{}, naming.Unavailable("node %s is overloaded: %d requests are waiting; try again later", to, maxForwarded)
	}
	b.waiting[id] = c
	b.commands = append(b.commands, pb)
	b.mu.Unlock()
	b.poke()
	r, err := c.wait(ctx, key)
	b.mu.Lock()
	delete(b.waiting, id)
	b.mu.Unlock()
	return r, err
}

// beat passes a heartbeat on to the owner of the service. False: it has to go as a command.
func (g *gateway) beat(key naming.Key, addr naming.Addr) bool {
	return g.pass(key, heard{addr, g.Clock.Now()})
}

// pass passes on a heartbeat that came a while ago.
func (g *gateway) pass(key naming.Key, beat heard) bool {
	t := g.keeper.table.Load()
	to := t.Owner(key.Partition())
	if to == "" {
		return true // nobody's at the moment; whoever takes over grants a full time-out
	}
	if to == g.Self {
		g.credited(key, []heard{beat})
		return true
	}
	b := g.box(to)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.count >= maxBeats {
		g.dropped.Add(1)
		return true
	}
	if b.beats == nil {
		b.beats = map[naming.Key][]heard{}
	}
	b.beats[key] = append(b.beats[key], beat)
	b.count++
	if !b.due {
		b.schedule(time.Now())
	}
	return true
}

// schedule makes the beats that wait go a little later.
func (b *outbox) schedule(now time.Time) {
	b.due, b.ripe = true, now.Add(beatPause)
	time.AfterFunc(beatPause, b.poke)
}

// credited credits heartbeats that were answered elsewhere. They follow a service that
// moves: the next one may come after its time.
func (g *gateway) credited(key naming.Key, late []heard) {
	t, p := g.keeper.table.Load(), key.Partition()
	if owner := t.Owner(p); owner != g.Self {
		g.redirect(owner, key, late)
		return
	}
	if gate := t.gates[p]; gate != nil && gate.keep(key, late) {
		return
	}
	h := g.handles.find(key)
	if h == nil {
		if g.Views.View(key) == nil {
			return
		}
		h = g.handles.of(key) // the gate has just opened, and it is about to be woken
	}
	if ok, _ := h.acquire(); !ok {
		return
	}
	if pid := g.locate(h); pid != nil {
		g.place.System().Root.Send(pid, &beats{late})
	}
}

// redirect passes heartbeats on to another owner.
func (g *gateway) redirect(owner string, key naming.Key, late []heard) {
	if owner == "" || owner == g.Self {
		return
	}
	for _, b := range late {
		g.pass(key, b)
	}
}

// lost answers those who wait for a node that has gone, or whose connection broke.
func (g *gateway) lost(id string) {
	g.mu.Lock()
	b := g.out[id]
	g.mu.Unlock()
	if b == nil {
		return
	}
	b.mu.Lock()
	waiting, flights, beats := b.waiting, b.flights, b.beats
	b.waiting, b.commands, b.replies = map[uint64]*call{}, nil, nil
	b.flights, b.beats, b.count = map[uint64]flight{}, nil, 0
	b.mu.Unlock()
	// Heartbeats may be credited twice, but not never: to whoever is the owner now.
	for _, f := range flights {
		for _, s := range f.beats.Services {
			for _, beat := range beatsOf(s, f.sent) {
				g.pass(s.Key.Naming(), beat)
			}
		}
	}
	for key, late := range beats {
		for _, beat := range late {
			g.pass(key, beat)
		}
	}
	for _, c := range waiting {
		c.err = errLost
		c.answer()
	}
}

// follow lets go of the nodes that are not here any more.
func (g *gateway) follow(peers []Peer) {
	here := map[string]bool{}
	for _, p := range peers {
		here[p.ID] = !p.Doubted
	}
	g.mu.Lock()
	var gone []string
	for id := range g.out {
		if !here[id] {
			gone = append(gone, id)
		}
	}
	g.mu.Unlock()
	for _, id := range gone {
		g.lost(id)
	}
}

// receive takes what other nodes send. It is called for one message at a time.
func (g *gateway) receive(from string, message proto.Message) {
	switch m := message.(type) {
	case *actorpb.Commands:
		late := g.late(from, m.Sent) >= tooLate
		for _, c := range m.Commands {
			g.carryOut(from, c, late)
		}
	case *actorpb.Replies:
		g.box(from).answered(m.Replies)
	case *actorpb.Beats:
		made := g.Clock.Now().Add(-g.late(from, m.Sent))
		for _, s := range m.Services {
			if g.stood() {
				break
			}
			g.credited(s.Key.Naming(), beatsOf(s, made))
		}
		g.Peers.Send(from, inboxCommand, &actorpb.BeatsTaken{Id: m.Id})
	case *actorpb.BeatsTaken:
		b := g.box(from)
		b.mu.Lock()
		delete(b.flights, m.Id)
		b.mu.Unlock()
		b.poke()
	}
}

// late returns how late a message has come.
func (g *gateway) late(from string, s *actorpb.Sent) time.Duration {
	return g.mesh.inbound(from).transit.late(s, g.stopwatch.elapsed())
}

// carryOut has another node's command carried out, unless it has come late.
func (g *gateway) carryOut(from string, pb *actorpb.Command, late bool) {
	id, key, cmd := pb.Id, pb.Key.Naming(), pb.Naming()
	reply := func(r naming.Result, err error) {
		m := actorpb.FromResult(id, r, err)
		if err == errMoved { //nolint:errorlint // never wrapped
			m = &actorpb.Reply{Id: id, Moved: true}
		}
		g.box(from).reply(m)
	}
	if cmd == nil {
		reply(naming.Result{}, naming.Invalid("node %s does not know this request: it is older than %s; upgrade it", g.Self, from))
		return
	}
	gate := g.keeper.table.Load().gates[key.Partition()]
	switch {
	case late, g.stood(), gate == nil: // the sender asks again, if it waits: who stood still is no owner any more
		reply(naming.Result{}, errMoved)
	case gate.open.Load():
		g.localThen(key, cmd, reply)
	default:
		select {
		case g.parked <- struct{}{}:
		default:
			reply(naming.Result{}, naming.Unavailable("node %s is taking over service %s and %d requests are waiting; try again later", g.Self, key.Grouped(), maxParked))
			return
		}
		changed := g.keeper.change()
		g.wg.Go(func() {
			defer func() { <-g.parked }()
			timer := time.NewTimer(naming.MaxRequestTime)
			defer timer.Stop()
			select {
			case <-gate.opened:
				g.localThen(key, cmd, reply)
				return
			case <-changed:
			case <-timer.C:
			case <-g.quit:
			}
			reply(naming.Result{}, errMoved) // the sender asks again, perhaps elsewhere
		})
	}
}

// localThen is local with a function in the place of a caller that waits.
func (s *Services) localThen(key naming.Key, cmd naming.Command, then func(naming.Result, error)) {
	h, err := s.hold(key, cmd)
	if h == nil {
		then(naming.Result{}, err)
		return
	}
	pid := s.locate(h)
	if pid == nil {
		then(naming.Result{}, errMoved)
		return
	}
	c := s.newCall(cmd)
	c.then = then
	s.place.System().Root.Send(pid, c)
}

func (b *outbox) poke() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

func (b *outbox) reply(r *actorpb.Reply) {
	b.mu.Lock()
	b.replies = append(b.replies, r)
	b.mu.Unlock()
	b.poke()
}

func (b *outbox) answered(replies []*actorpb.Reply) {
	for _, r := range replies {
		b.mu.Lock()
		c := b.waiting[r.Id]
		delete(b.waiting, r.Id)
		b.mu.Unlock()
		if c == nil {
			continue // it has given up
		}
		if r.Moved {
			c.err = errMoved
		} else {
			c.result, c.err = r.Naming()
		}
		c.answer()
	}
}

// run sends what gathers.
func (b *outbox) run() {
	for {
		select {
		case <-b.wake:
		case <-b.g.quit:
			return
		}
		for b.flush() {
		}
	}
}

// flush sends some of what waits and reports whether there may be more.
func (b *outbox) flush() bool {
	b.mu.Lock()
	commands, more := shift(&b.commands)
	replies, moreReplies := shift(&b.replies)
	beats := b.takeBeats()
	b.mu.Unlock()
	if len(commands) > 0 {
		b.g.Peers.Send(b.to, inboxCommand, &actorpb.Commands{Commands: commands, Sent: b.g.stopwatch.sent()})
	}
	if len(replies) > 0 {
		b.g.Peers.Send(b.to, inboxCommand, &actorpb.Replies{Replies: replies})
	}
	if beats != nil {
		b.g.Peers.Send(b.to, inboxCommand, beats)
	}
	return more || moreReplies
}

// shift takes the first of a queue.
func shift[T any](queue *[]T) ([]T, bool) {
	all := *queue
	if len(all) <= messagesAtOnce {
		*queue = nil
		return all, false
	}
	*queue = all[messagesAtOnce:]
	return all[:messagesAtOnce:messagesAtOnce], true
}

// beatsOf returns the heartbeats of a service in a message that was made at a time.
func beatsOf(s *actorpb.ServiceBeats, made naming.Instant) []heard {
	out := make([]heard, len(s.Addrs))
	for i, a := range s.Addrs {
		out[i] = heard{a.Naming(), made}
		if i < len(s.MillisAgo) {
			out[i].at = made.Add(-time.Duration(s.MillisAgo[i]) * time.Millisecond)
		}
	}
	return out
}

// again puts heartbeats back that may have been lost on their way.
func (b *outbox) again(f flight) {
	if b.beats == nil {
		b.beats = map[naming.Key][]heard{}
	}
	for _, s := range f.beats.Services {
		key := s.Key.Naming()
		for _, beat := range beatsOf(s, f.sent) {
			newer := slices.ContainsFunc(b.beats[key], func(o heard) bool { return o.Addr == beat.Addr })
			if b.count < maxBeats && !newer {
				b.beats[key] = append(b.beats[key], beat)
				b.count++
			}
		}
	}
}

// takeBeats takes the heartbeats that wait, when the peer has taken those before.
func (b *outbox) takeBeats() *actorpb.Beats {
	now := time.Now()
	if !b.due || now.Before(b.ripe) {
		return nil
	}
	b.due = false
	at := b.g.Clock.Now()
	for id, f := range b.flights {
		if at.Since(f.sent) > beatFlightTime {
			delete(b.flights, id)
			b.again(f) // nobody may have taken them
		}
	}
	if b.count == 0 {
		return nil
	}
	if len(b.flights) >= beatFlights {
		b.schedule(now)
		return nil
	}
	out := &actorpb.Beats{Id: b.g.ids.Add(1), Sent: b.g.stopwatch.sent()}
	for key, late := range b.beats {
		s := &actorpb.ServiceBeats{Key: actorpb.FromKey(key)}
		for _, beat := range late {
			s.Addrs = append(s.Addrs, actorpb.FromAddr(beat.Addr))
			s.MillisAgo = append(s.MillisAgo, uint32(max(0, at.Since(beat.at))/time.Millisecond))
		}
		out.Services = append(out.Services, s)
	}
	b.beats, b.count = nil, 0
	b.flights[out.Id] = flight{at, out}
	return out
}
