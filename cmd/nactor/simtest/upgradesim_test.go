package simtest

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"nactor/naming"
	"nactor/naming/upgrade/switchover"
)

const (
	upgradeServices = 8
	upgradeClients  = 12

	switchTime    = 40 * time.Second // from the last fault to the switch, with all nodes of 2.X
	downgradeTime = 20 * time.Second
)

// hasty is for those who look into what two faults at once do: the owner of a service goes
// before both sides of a cut have been merged.
var hasty = flag.Bool("sim.hasty", false, "let the next step of an upgrade begin the moment a fault ends")

// TestSimUpgrade takes a cluster of 1.X to 2.0, back and up again, and closes double write,
// while clients go on. Of one seed in four nothing else goes wrong; of the others things do,
// between the steps and at the worst moments of a step.
func TestSimUpgrade(t *testing.T) {
	for i := range max(*seeds/2, 1) {
		seed := *firstOne + uint64(i)
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			begun := time.Now()
			var took time.Duration
			inWorld(t, seed, three, func(w *world) {
				w.simUpgrade(seed%4 != 0)
				took = time.Since(w.began)
			})
			if t.Failed() {
				t.Logf("again: go test ./cmd/nactor/simtest -run 'TestSimUpgrade$' -sim.seeds 1 -sim.seed %d", seed)
			}
			t.Logf("%v of virtual time took %v", took.Round(time.Second), time.Since(begun).Round(time.Millisecond))
		})
	}
}

// simUpgrade is one random upgrade.
func (w *world) simUpgrade(rough bool) {
	keys := keys(upgradeServices)
	var clients []*client
	for i := range upgradeClients {
		clients = append(clients, w.newClient(i, keys[w.rand.IntN(len(keys))]))
	}
	w.upgrades = true
	for _, name := range w.names {
		w.versions[name] = oldVersion
	}
	w.judge = newReferee(w, clients)
	s := &saga{world: w, rough: rough}
	for _, name := range w.names {
		s.start(name)
	}
	w.within(20*time.Second, "all nodes serve", func() bool { return len(w.serving()) == len(w.names) })
	w.happened()
	quiet, stop := make(chan struct{}), make(chan struct{})
	defer close(stop)
	hush := func() {
		if !closed(quiet) {
			close(quiet)
		}
	}
	defer hush()
	for _, c := range clients {
		w.wg.Go(func() { c.run(quiet, stop) })
	}
	o := w.newOperator()
	operating := make(chan struct{})
	w.wg.Go(func() {
		defer close(operating)
		o.run(quiet)
	})
	check := newChecker(w, clients)
	w.wg.Go(func() { check.run(stop) })
	w.wg.Go(func() { w.judge.run(stop) })

	s.tell()
	w.trace("quiet from here on")
	hush()
	time.Sleep(naming.DefaultDeleteTimeout + expirySlack + 15*time.Second)
	<-operating
	all := append(keys, o.keys...)
	w.agree(10*time.Second, all)
	even := w.judge.settled(evenIn, all)
	o.check()
	if n := runtime.NumGoroutine(); n > maxGoroutines {
		w.t.Errorf("I11: %d goroutines", n)
	}
	last := w.judge.newest()
	w.t.Logf("%d decisions, %d switches, the slowest followed after %v; double write closed: %v; %d looks; settled after %v; %d traps sprang",
		last.Epoch, w.judge.switches, w.judge.slowest, last.Closed(), check.looks.Load(), even, s.sprung)
}

// saga is the story of one upgrade.
type saga struct {
	*world
	rough  bool
	sprung int
}

// tell tells the story.
func (s *saga) tell() {
	time.Sleep(s.span(5*time.Second, 20*time.Second))
	s.closeTooEarly()
	s.up()
	for range s.rand.IntN(2) + 1 {
		s.down()
		s.up()
	}
	if s.rand.IntN(3) > 0 {
		s.closeDoubleWrite()
		s.comeTooLate()
	}
}

// up replaces what runs 1.X, node by node, and waits for the switch.
func (s *saga) up() {
	for _, i := range s.rand.Perm(len(s.names)) {
		if s.version(s.names[i]) == oldVersion {
			s.replace(s.names[i], newVersion)
			s.meanwhile()
		}
	}
	s.await(switchover.V2, switchTime)
}

// down has a node of 1.X come back, and waits until the cluster goes by it.
func (s *saga) down() {
	s.replace(s.anyNode(), oldVersion)
	s.await(switchover.V1, downgradeTime)
	s.meanwhile()
}

// replace ends a node and starts it as another version.
func (s *saga) replace(name, version string) {
	s.trace("replace %s by %s", name, version)
	s.happened()
	if s.rough && s.rand.IntN(3) == 0 {
		s.kill(name)
	} else {
		s.node(name).leave()
	}
	s.happened()
	time.Sleep(s.span(10*time.Millisecond, 3*time.Second))
	s.mu.Lock()
	s.versions[name] = version
	s.mu.Unlock()
	s.start(name)
	s.happened()
	s.within(30*time.Second, name+" serves as "+version, func() bool { return s.node(name).serving.Load() })
	s.happened()
}

// meanwhile lets something go wrong.
func (s *saga) meanwhile() {
	time.Sleep(s.span(0, 8*time.Second))
	if !s.rough || s.rand.IntN(2) == 0 {
		return
	}
	f := faults[s.rand.IntN(len(faults))]
	s.trace("fault %s", f.name)
	s.trace("fault %s: %s", f.name, f.run(s.world))
	if !*hasty {
		time.Sleep(mergedAfter)
	}
}

// await waits until all nodes go by a mode, and has something go wrong on the way.
func (s *saga) await(mode switchover.Mode, limit time.Duration) {
	s.t.Helper()
	arrived := func() bool {
		last := s.judge.newest()
		return last.Mode == mode && len(s.serving()) == len(s.names) && !slices.ContainsFunc(s.all(), func(n *node) bool {
			return !n.upgrade.State().Same(last.State)
		})
	}
	var t *trap
	if s.rough && s.rand.IntN(4) > 0 {
		t = s.setTrap()
		begun := time.Now()
		for !arrived() && time.Since(begun) < limit && len(t.sprung) == 0 {
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(100 * time.Millisecond) // for what comes last
		s.spring(t)
	}
	begun := time.Now()
	for !arrived() {
		if time.Since(begun) > limit {
			s.t.Fatalf("upgrade: not in mode %v after %v: %s", mode, limit, s.judge.explain())
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.trace("all go by %v", mode)
	time.Sleep(s.span(0, 12*time.Second))
}

// spring ends the fault of a trap, if it has sprung.
func (s *saga) spring(t *trap) {
	if s.disarm(t) {
		return
	}
	s.sprung++
	s.trace("trap: %s", s.release(t, <-t.sprung))
}

// closeTooEarly asks for what cannot be done yet.
func (s *saga) closeTooEarly() {
	n := s.node(s.anyNode())
	err := n.upgrade.Close(context.Background())
	if kind := naming.KindOf(err); err == nil || kind != naming.KindInvalid && kind != naming.KindUnavailable {
		s.t.Errorf("upgrade: double write of a cluster of 1.X closes: %v", err)
	}
}

// closeDoubleWrite closes double write through any node, while something goes wrong.
func (s *saga) closeDoubleWrite() {
	var t *trap
	if s.rough && s.rand.IntN(2) == 0 {
		t = s.setTrap()
	}
	begun := time.Now()
	for {
		nodes := s.serving()
		if len(nodes) == 0 {
			s.t.Fatal("no node serves")
		}
		n := nodes[s.rand.IntN(len(nodes))]
		ctx, cancel := context.WithTimeout(context.Background(), requestTime)
		err := n.upgrade.Close(ctx)
		cancel()
		if t != nil && len(t.sprung) > 0 {
			s.spring(t)
			t = nil
		}
		if err == nil && n.life.Err() == nil {
			if !n.upgrade.State().Closed() {
				s.t.Errorf("upgrade: %s has closed double write, and does not go by it", n.name)
			}
			break
		}
		s.trace("close through %s: %v", n.name, err)
		if naming.KindOf(err) == naming.KindInvalid || time.Since(begun) > switchTime {
			s.t.Fatalf("upgrade: double write does not close through %s after %v: %v", n.name, time.Since(begun), err)
		}
		time.Sleep(time.Second)
	}
	time.Sleep(s.span(0, 5*time.Second))
	if t != nil {
		s.spring(t)
	}
}

// comeTooLate starts a node of 1.X after the close: it is refused, and changes nothing.
func (s *saga) comeTooLate() {
	name := s.anyNode()
	s.trace("replace %s by %s, too late", name, oldVersion)
	s.happened()
	s.node(name).leave()
	s.happened()
	s.versions[name] = oldVersion
	n := s.start(name)
	s.within(20*time.Second, name+" is refused", func() bool { return n.refusal.Load() != nil || n.serving.Load() })
	if n.serving.Load() {
		s.t.Errorf("upgrade: %s serves as %s after the close", name, oldVersion)
	}
	s.kill(name)
	s.mu.Lock()
	s.versions[name] = newVersion
	s.mu.Unlock()
	s.start(name)
	s.within(30*time.Second, name+" serves again", func() bool { return s.node(name).serving.Load() })
	s.happened()
}
