package actors

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"iter"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	pacluster "github.com/asynkron/protoactor-go/cluster"

	"nactor/naming"
	"nactor/naming/dual"
	"nactor/replica"
)

// ServiceKind is the grain kind of a service; its identity is [naming.Key.String].
const ServiceKind = "service"

// Placement is where grains live. Package cluster implements it.
type Placement interface {
	System() *actor.ActorSystem
	Activate(kind, identity string) *actor.PID
	Retire(kind, identity string, pid *actor.PID)
}

// Committer makes records durable. Package persistence implements it.
type Committer interface {
	// Commit writes a batch as a whole and calls done once, from any goroutine, possibly
	// before it returns. It never blocks.
	Commit(batch []naming.Record, done func(error))
}

// Health checks the instances of services whose clients send no heartbeats. Package probe
// implements it. Both methods return at once.
type Health interface {
	// Watch shows it the newest view of a service that lives here.
	Watch(*naming.View)
	// Forget tells that the service no longer lives here.
	Forget(naming.Key)
}

// Config is what services need of their node.
type Config struct {
	Logger *slog.Logger // naming-server.log
	Clock  Clock
	Store  Committer
	Views  *replica.Store
	Rules  *naming.Rules

	// Identity tells which service a grain is from its process id.
	Identity func(*actor.PID) string

	Health Health // nil: nothing is checked

	// Begin is what services go by until Relayout says otherwise.
	Begin dual.Layout

	// The rest is for a node that is not alone.

	Self    string // id of this node
	Peers   Peers  // nil: standalone
	MinAcks int    // other replicas that must have a change before it is acknowledged

	// Silent is told when a node stops acknowledging, and when it does so again. It must
	// return at once. nil: nobody wants to know.
	Silent func(id string, silent bool)

	// Stood is told when this node has stood still, see [SteadyClock], for so long that others
	// may have taken over from it. It reports whether the node gives up what it owns, by a
	// change of the membership that is soon followed, and joins anew. It must return at once.
	// nil: never.
	Stood func(time.Duration) bool

	// Saved returns what the store holds of a service; it must be quick. A grain that wakes
	// goes by it: its replica may be behind.
	Saved func(naming.Key) (naming.Saved, bool)
	// StoreIndex returns how far this node has read the store's log. A replica may know more:
	// then Saved has to wait. nil: Saved is never behind.
	StoreIndex func() uint64
}

// Services carries commands to the grains of services. It implements [naming.Registry].
type Services struct {
	Config
	calls     *sync.Pool // of *call
	rules     atomic.Pointer[naming.Rules]
	handles   *handles
	place     Placement
	lives     atomic.Uint64 // last activation number
	tag       uint64        // of all of them
	stamps    atomic.Uint64 // last stamp
	mesh      *mesh         // nil: standalone
	keeper    *keeper
	gateway   *gateway
	asker     *asker
	graves    graves
	serving   atomic.Bool // this node has been in service
	restarts  atomic.Uint64
	layout    atomic.Pointer[dual.Layout]
	backlog   backlog
	behind    behind
	stopwatch stopwatch
	steady    *SteadyClock              // nil: this node's clock is another
	rejoins   bool                      // after it stood still; Run's
	present   func(process string) bool // nil: standalone

	connected atomic.Pointer[Clients] // nil: not yet
}

var _ naming.Registry = (*Services)(nil)

// NewServices returns services that wait to be placed.
func NewServices(cfg Config) *Services {
	s := &Services{Config: cfg, calls: newCalls(), handles: newHandles(), stopwatch: stopwatch{time.Now()}}
	s.rules.Store(cfg.Rules)
	s.layout.Store(&cfg.Begin)
	// Activations of a later process are later than all of an earlier one.
	s.lives.Store(uint64(s.stopwatch.began.UnixNano()))
	s.tag = tagOf(cfg.Self, s.stopwatch.began)
	if cfg.Peers != nil {
		s.mesh = newMesh(s)
		s.keeper = newKeeper(s.mesh)
		s.gateway = newGateway(s)
		s.asker = newAsker(s)
		s.steady, _ = cfg.Clock.(*SteadyClock)
		s.present = func(process string) bool { return s.keeper.table.Load().processes[process] }
	}
	return s
}

// Kinds returns the grain kinds to start the cluster with.
func (s *Services) Kinds() []*pacluster.Kind {
	// Not NewKind: its middleware wraps each message in an envelope to tell grains their
	// identity, which ours read off their process id.
	return []*pacluster.Kind{{
		Kind:  ServiceKind,
		Props: actor.PropsFromProducer(func() actor.Actor { return &service{Services: s} }, actor.WithMailbox(newMailbox)),
	}}
}

// Place tells where the grains live. To be called once, before any other method below.
func (s *Services) Place(p Placement) { s.place = p }

// SetRules changes the rules for all services from their next step on.
func (s *Services) SetRules(r naming.Rules) { s.rules.Store(&r) }

// Load shows what the store holds, at start. Alone, services with something to wait for are
// woken; with others here that is for their owner to do, once it is known.
func (s *Services) Load(ctx context.Context, saved iter.Seq2[naming.Saved, error]) error {
	for sv, err := range saved {
		if err != nil {
			return err
		}
		state := dual.FromSaved(sv, s.Clock.Now(), s.Layout())
		rev := naming.Revision{Activation: naming.Loaded}
		if s.mesh == nil {
			rev.Activation = s.activation(0)
		}
		s.Views.Put(state.View(rev))
		if _, waits := state.Deadline(); s.mesh == nil && (waits || s.Health != nil && state.Len() > 0) {
			if _, err := s.local(ctx, sv.Key, naming.Tick{}); err != nil {
				return err
			}
		}
	}
	return nil
}

// Do implements [naming.Registry].
func (s *Services) Do(ctx context.Context, key naming.Key, cmd naming.Command) (naming.Result, error) {
	if s.mesh == nil {
		return s.local(ctx, key, cmd)
	}
	if s.stood() {
		return naming.Result{}, errStill
	}
	return s.route(ctx, key, cmd)
}

// errMoved answers a call that was not carried out because the service is moving to another
// node.
var errMoved = errors.New("the service is moving to another node")

// local has a command carried out by the service's grain on this node.
func (s *Services) local(ctx context.Context, key naming.Key, cmd naming.Command) (naming.Result, error) {
	h, err := s.hold(key, cmd)
	if h == nil {
		return naming.Result{}, err
	}
	pid := s.locate(h)
	if pid == nil {
		return naming.Result{}, errMoved
	}
	c := s.newCall(cmd)
	s.place.System().Root.Send(pid, c)
	return c.wait(ctx, key)
}

// hold returns the handle of a service, with one more call announced; nil when there is
// nothing to do, or an error says why not.
func (s *Services) hold(key naming.Key, cmd naming.Command) (*handle, error) {
	h := s.handles.find(key)
	if h == nil && pointless(cmd) && s.Views.View(key) == nil {
		return nil, nil
	}
	for {
		if h == nil {
			h = s.handles.of(key)
		}
		ok, busy := h.acquire()
		if busy {
			return nil, naming.Unavailable("service %s is overloaded: %d requests are waiting; try again later", key.Grouped(), maxPending)
		}
		if ok {
			return h, nil
		}
		// It is retiring this very moment.
		runtime.Gosched()
		h = s.handles.of(key)
	}
}

// locate returns the grain of a handle, brought to life if it is not. Nil: it cannot live
// here any more; the call that was announced is taken back.
func (s *Services) locate(h *handle) *actor.PID {
	if pid := h.pid.Load(); pid != nil {
		return pid
	}
	h.once.Do(func() { h.pid.Store(s.place.Activate(ServiceKind, h.key.String())) })
	pid := h.pid.Load()
	if pid == nil {
		h.pending.Add(-1)
		if h.retire() {
			s.handles.drop(h)
		}
	}
	return pid
}

// post sends a message to the service's grain, which is brought to life if it is not, and
// has no answer.
func (s *Services) post(key naming.Key, message any) {
	h, err := s.hold(key, nil)
	if err != nil {
		return // overloaded: what is posted is repeated or repaired
	}
	if pid := s.locate(h); pid != nil {
		s.place.System().Root.Send(pid, message)
	}
}

// stamp returns the stamp of a step, later than all before.
func (s *Services) stamp() uint64 {
	now := uint64(time.Now().UnixNano())
	for {
		last := s.stamps.Load()
		next := max(now, last+1)
		if s.stamps.CompareAndSwap(last, next) {
			return next
		}
	}
}

// A life's number ends with a tag of its process: two nodes that go on from the same view,
// which do not hear of each other, must not take the same number.
const tagBits = 16

// tagOf returns the tag of a process.
func tagOf(node string, began time.Time) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %d", node, began.UnixNano())
	sum := h.Sum64()
	return (sum ^ sum>>32) & (1<<tagBits - 1)
}

// activation returns the number of a life that follows on one of number after.
func (s *Services) activation(after uint64) uint64 {
	for {
		last := s.lives.Load()
		next := (max(last, after)>>tagBits+1)<<tagBits | s.tag
		if s.lives.CompareAndSwap(last, next) {
			return next
		}
	}
}

// pointless reports whether a command does nothing to a service that nobody knows.
func pointless(cmd naming.Command) bool {
	switch c := cmd.(type) {
	case naming.Beat:
		return c.Instance == nil
	case naming.Deregister, naming.EditMetadata, naming.RemoveService, naming.Tick, naming.Show:
		return true
	}
	return false
}

// Stats are counters since the start, for metrics.
type Stats struct {
	Active   int64  // grains
	Restarts uint64 // grains that failed and were restarted

	Alone        uint64 // changes acknowledged with fewer replicas than asked for
	BeatsDropped uint64 // heartbeats for other nodes, at full queues
}

// Stats returns the present counters.
func (s *Services) Stats() Stats {
	st := Stats{Active: s.handles.count.Load(), Restarts: s.restarts.Load()}
	if s.mesh != nil {
		st.Alone, st.BeatsDropped = s.mesh.feed.unreplicated(), s.gateway.dropped.Load()
	}
	return st
}
