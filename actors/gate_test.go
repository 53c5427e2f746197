package actors

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	pacluster "github.com/asynkron/protoactor-go/cluster"
	"google.golang.org/protobuf/proto"

	"nactor/actors/actorpb"
	"nactor/cluster"
	"nactor/naming"
)

// grains are where the grains of a node under test live, in a system without ports.
type grains struct {
	system *actor.ActorSystem
	kind   *pacluster.Kind
	mu     sync.Mutex
	pids   map[string]*actor.PID
}

// System implements Placement.
func (g *grains) System() *actor.ActorSystem { return g.system }

// Activate implements Placement.
func (g *grains) Activate(kind, identity string) *actor.PID {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pids[identity] == nil {
		g.pids[identity] = g.system.Root.SpawnPrefix(g.kind.Props, kind+":"+url.QueryEscape(identity))
	}
	return g.pids[identity]
}

// Retire implements Placement.
func (g *grains) Retire(_, identity string, pid *actor.PID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if pid.Equal(g.pids[identity]) {
		delete(g.pids, identity)
	}
}

// run lets the services of a node run until the test ends.
func run(t *testing.T, s *Services) {
	t.Helper()
	quiet := actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) })
	g := &grains{system: actor.NewActorSystemWithConfig(actor.Configure(quiet)), kind: s.Kinds()[0], pids: map[string]*actor.PID{}}
	s.Place(g)
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() { s.Run(ctx); close(over) }()
	t.Cleanup(func() {
		cancel()
		<-over
		for _, pid := range g.pids {
			g.system.Root.Stop(pid)
		}
		g.system.Shutdown()
		time.Sleep(time.Minute)
	})
}

// ringOf is a topology with these other nodes, in which one node owns everything.
func ringOf(ring uint64, owner string, others ...string) Topology {
	t := Topology{Ring: ring, Owner: func(int) string { return owner }}
	for _, id := range others {
		t.Peers = append(t.Peers, Peer{ID: id, Process: id + "1"})
	}
	return t
}

func testKey(i int) naming.Key {
	return naming.Key{Namespace: "n", Group: "g", Name: fmt.Sprint("s", i)}
}

func testInstance(i int, ephemeral bool) *naming.Instance {
	return &naming.Instance{
		IP: fmt.Sprintf("10.0.0.%d", i), Port: 80, Cluster: naming.DefaultCluster, Weight: 1, Enabled: true, Healthy: true, Ephemeral: ephemeral,
	}
}

// show has a node hold a view of an owner before it.
func show(s *Services, key naming.Key, instances ...*naming.Instance) {
	s.Views.Put(&naming.View{Key: key, Ephemeral: true, Revision: naming.Revision{Activation: 5, Counter: 1}, Instances: instances})
}

// The heartbeats that come while a node takes a service over are its instances' first there.
func TestBeatsWaitAtTheGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := amongOthers(t, Config{Identity: cluster.Identity}, nil)
		run(t, s)
		in := testInstance(1, true)
		for i := range 50 {
			show(s, testKey(i), in)
		}
		s.Follow(ringOf(1, "a", "b")) // b never answers
		time.Sleep(time.Second)
		for i := range 50 {
			s.gateway.credited(testKey(i), []heard{{in.Addr(), s.Clock.Now()}})
		}
		if _, partitions := s.keeper.owned(); len(partitions) > 0 {
			t.Fatal("a gate is open")
		}
		if err := s.AwaitOpen(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for i := range 50 {
			info, err := s.inspectHere(t.Context(), testKey(i).String())
			if err != nil || info.LastBeat < 0 {
				t.Errorf("service %d has heard its last beat %v ago: %v", i, info.LastBeat, err)
			}
		}
	})
}

// Those at a gate that never opens follow the service to its new owner, each once.
func TestBeatsAtAGateThatNeverOpens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		arrived := map[naming.Key]int{}
		var s *Services
		s = amongOthers(t, Config{Identity: cluster.Identity}, func(to, inbox string, message proto.Message) {
			m, ok := message.(*actorpb.Beats)
			if !ok {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			for _, of := range m.Services {
				if to != "b" || inbox != inboxCommand {
					t.Errorf("beats go to %s of %s", inbox, to)
				}
				arrived[of.Key.Naming()] += len(of.Addrs)
			}
			time.AfterFunc(time.Millisecond, func() { s.gateway.receive(to, &actorpb.BeatsTaken{Id: m.Id}) })
		})
		run(t, s)
		s.Follow(ringOf(1, "a", "b"))
		const services, each = 200, 3
		for i := range services {
			for j := range each {
				s.gateway.credited(testKey(i), []heard{{testInstance(j, true).Addr(), s.Clock.Now()}})
			}
		}
		time.Sleep(time.Second)
		s.Follow(ringOf(2, "b", "b"))
		time.Sleep(5 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		for i := range services {
			if n := arrived[testKey(i)]; n != each {
				t.Errorf("%d of %d beats of service %d arrive", n, each, i)
			}
		}
	})
}

// Beats that come at the very moment at which the gate opens are kept or pass, none is lost.
func TestBeatsAsTheGateOpens(t *testing.T) {
	for range 50 {
		g := &gate{opened: make(chan struct{})}
		var wg sync.WaitGroup
		var mu sync.Mutex
		passed := 0
		for i := range 4 {
			wg.Go(func() {
				for range 100 {
					if !g.keep(testKey(i), []heard{{}}) {
						mu.Lock()
						passed++
						mu.Unlock()
					}
				}
			})
		}
		kept := 0
		wg.Go(func() {
			g.unlock()
			for _, addrs := range g.give() {
				kept += len(addrs)
			}
		})
		wg.Wait()
		if passed+kept != 400 || len(g.give()) > 0 {
			t.Fatalf("%d passed and %d were kept, of 400", passed, kept)
		}
	}
}

// A gate that stays closed does not fill the memory.
func TestGateIsBounded(t *testing.T) {
	g := &gate{opened: make(chan struct{})}
	for i := range 3 * maxKept {
		if !g.keep(testKey(i), []heard{{}}) {
			t.Fatal("it is open")
		}
	}
	kept := 0
	for _, addrs := range g.give() {
		kept += len(addrs)
	}
	if kept != maxKept {
		t.Errorf("%d beats are kept, not %d", kept, maxKept)
	}
}

// Heartbeats are heard from the moment at which the gate is open.
func TestBeatsRightAfterTheGateOpened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := amongOthers(t, Config{Identity: cluster.Identity}, nil)
		run(t, s)
		in := testInstance(1, true)
		s.Follow(ringOf(1, "a"))
		if err := s.AwaitOpen(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		// Shown here after the services of the partition were woken, as one is between the
		// opening of the gate and its turn.
		show(s, testKey(1), in)
		s.gateway.credited(testKey(1), []heard{{in.Addr(), s.Clock.Now()}})
		synctest.Wait()
		info, err := s.inspectHere(t.Context(), testKey(1).String())
		if err != nil || info.LastBeat < 0 {
			t.Errorf("it has heard its last beat %v ago: %v", info.LastBeat, err)
		}
	})
}
