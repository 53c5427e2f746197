package simtest

import (
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	pacluster "github.com/asynkron/protoactor-go/cluster"
)

// place keeps the grains of one node, as the cluster's identity lookup does, in an actor
// system that has no ports.
type place struct {
	system *actor.ActorSystem
	spawn  *actor.RootContext
	kinds  map[string]*actor.Props
	owned  func(identity string) bool

	mu     sync.Mutex
	pids   map[string]*actor.PID // by kind and identity
	closed bool
}

func newPlace(kinds []*pacluster.Kind, owned func(string) bool, log *slog.Logger) *place {
	p := &place{owned: owned, kinds: map[string]*actor.Props{}, pids: map[string]*actor.PID{}}
	p.system = actor.NewActorSystemWithConfig(actor.Configure(
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return log }),
	))
	restart := actor.NewOneForOneStrategy(10, 10*time.Second, func(any) actor.Directive { return actor.RestartDirective })
	p.spawn = p.system.Root.Copy().WithGuardian(restart)
	for _, k := range kinds {
		p.kinds[k.Kind] = k.Props.Configure(actor.WithReceiverMiddleware(openToLooks))
	}
	return p
}

// System implements actors.Placement.
func (p *place) System() *actor.ActorSystem { return p.system }

// Activate implements actors.Placement.
func (p *place) Activate(kind, identity string) *actor.PID {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := kind + "/" + identity
	if pid := p.pids[key]; pid != nil {
		return pid
	}
	if p.closed || !p.owned(identity) {
		return nil
	}
	pid := p.spawn.SpawnPrefix(p.kinds[kind], kind+":"+url.QueryEscape(identity))
	p.pids[key] = pid
	return pid
}

// Retire implements actors.Placement.
func (p *place) Retire(kind, identity string, pid *actor.PID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if key := kind + "/" + identity; pid.Equal(p.pids[key]) {
		delete(p.pids, key)
	}
}

// has reports whether an identity is active here.
func (p *place) has(kind, identity string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pids[kind+"/"+identity] != nil
}

// stop ends all grains.
func (p *place) stop() {
	p.mu.Lock()
	p.closed = true
	pids := p.pids
	p.pids = map[string]*actor.PID{}
	p.mu.Unlock()
	for _, pid := range pids {
		p.system.Root.Stop(pid)
	}
	p.system.Shutdown()
}
