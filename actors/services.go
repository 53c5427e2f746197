package actors

import (
	"context"
	"iter"
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	pacluster "github.com/asynkron/protoactor-go/cluster"

	"nactor/naming"
	"nactor/naming/v2"
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

// Config is what services need of their node.
type Config struct {
	Logger *slog.Logger // naming-server.log
	Clock  Clock
	Store  Committer
	Views  *replica.Store
	Rules  *naming.Rules

	// Identity tells which service a grain is from its process id.
	Identity func(*actor.PID) string
}

// Services carries commands to the grains of services. It implements [naming.Registry].
type Services struct {
	Config
	rules    atomic.Pointer[naming.Rules]
	handles  *handles
	place    Placement
	lives    atomic.Uint64 // last activation number
	restarts atomic.Uint64
}

var _ naming.Registry = (*Services)(nil)

// NewServices returns services that wait to be placed.
func NewServices(cfg Config) *Services {
	s := &Services{Config: cfg, handles: newHandles()}
	s.rules.Store(cfg.Rules)
	// Activations of a later process are later than all of an earlier one.
	s.lives.Store(uint64(time.Now().UnixNano()))
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

// Load shows what the store holds, at start. Services with something to wait for are woken.
func (s *Services) Load(ctx context.Context, saved iter.Seq2[naming.Saved, error]) error {
	for sv, err := range saved {
		if err != nil {
			return err
		}
		state := v2.FromSaved(sv, s.Clock.Now())
		s.Views.Put(state.View(naming.Revision{Activation: s.lives.Add(1)}))
		if _, waits := state.Deadline(); waits {
			if _, err := s.Do(ctx, sv.Key, naming.Tick{}); err != nil {
				return err
			}
		}
	}
	return nil
}

// Do implements [naming.Registry].
func (s *Services) Do(ctx context.Context, key naming.Key, cmd naming.Command) (naming.Result, error) {
	h := s.handles.find(key)
	if h == nil && pointless(cmd) && s.Views.View(key) == nil {
		return naming.Result{}, nil
	}
	for {
		if h == nil {
			h = s.handles.of(key)
		}
		ok, busy := h.acquire()
		if busy {
			return naming.Result{}, naming.Unavailable("service %s is overloaded: %d requests are waiting; try again later", key.Grouped(), maxPending)
		}
		if ok {
			break
		}
		// It is retiring this very moment.
		runtime.Gosched()
		h = s.handles.of(key)
	}
	c := newCall(cmd)
	s.place.System().Root.Send(s.locate(h), c)
	if c.answered() {
		return c.release()
	}
	c.timer.Reset(naming.MaxRequestTime)
	select {
	case <-c.done:
		c.timer.Stop()
		return c.release()
	case <-c.timer.C:
		return naming.Result{}, naming.Unavailable("service %s did not answer within %v; the request may still be carried out", key.Grouped(), naming.MaxRequestTime)
	case <-ctx.Done():
		return naming.Result{}, naming.Unavailable("request to service %s given up: %w", key.Grouped(), ctx.Err())
	}
}

// locate returns the grain of a handle, brought to life if it is not.
func (s *Services) locate(h *handle) *actor.PID {
	if pid := h.pid.Load(); pid != nil {
		return pid
	}
	h.once.Do(func() { h.pid.Store(s.place.Activate(ServiceKind, h.key.String())) })
	return h.pid.Load()
}

// pointless reports whether a command does nothing to a service that nobody knows.
func pointless(cmd naming.Command) bool {
	switch c := cmd.(type) {
	case naming.Beat:
		return c.Instance == nil
	case naming.Deregister, naming.EditMetadata, naming.RemoveService, naming.Tick:
		return true
	}
	return false
}

// Stats are counters since the start, for metrics.
type Stats struct {
	Active   int64  // grains
	Restarts uint64 // grains that failed and were restarted
}

// Stats returns the present counters.
func (s *Services) Stats() Stats {
	return Stats{Active: s.handles.count.Load(), Restarts: s.restarts.Load()}
}
