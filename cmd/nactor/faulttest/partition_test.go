package faulttest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// healed is how soon after a cut all must be known to all.
const healed = 10 * time.Second

// cutOff cuts the network, until heal is called.
func (r *run) cutOff(side map[int]int) (heal func()) {
	r.t.Helper()
	over := r.history.begin(trouble{side: side, settle: healed})
	r.ground.cut(r.t, side)
	r.history.effective()
	return func() {
		r.t.Helper()
		r.ground.heal(r.t)
		over()
	}
}

// split cuts the network for a time, with the load on, and waits until all is well.
func (r *run) split(side map[int]int, d time.Duration) {
	r.t.Helper()
	heal := r.cutOff(side)
	r.traffic(d)
	heal()
	begin := time.Now()
	r.await(3 * healed)
	agreed := time.Since(begin)
	r.grains(3 * healed)
	single := time.Since(begin)
	r.expect(agreed <= healed, "healed → members agree", short(agreed).String(), "≤ 10s")
	r.expect(single <= healed, "healed → one activation a service", short(single).String(), "≤ 10s")
	r.traffic(healed + 4*time.Second - time.Since(begin)) // lists that must be complete are read
}

// F14: two parts of the network go on by themselves and merge without a restart.
func TestPartition(t *testing.T) {
	if testing.Short() {
		t.Skip("short: cuts are left out")
	}
	for _, c := range []struct {
		name  string
		nodes int
		side  map[int]int
		time  time.Duration
	}{
		{"1|2 20 s", 3, map[int]int{2: 1}, 20 * time.Second},
		{"3|2 10 s", 5, map[int]int{3: 1, 4: 1}, 10 * time.Second},
		{"2|2 10 s", 4, map[int]int{2: 1, 3: 1}, 10 * time.Second},
		{"1|2 90 s", 3, map[int]int{0: 1}, 90 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			fault := "F14 partition " + c.name
			r := begin(t, fault, newNamespaces(t, fault), c.nodes, usual)
			if c.nodes == 4 {
				r.load.helpless.Store(true) // for what needs a majority there is nobody
			}
			r.split(c.side, c.time)
			r.load.helpless.Store(false)
			r.end()
		})
	}
}

// F12: the leader of the store is alone. The others find another one; it promises nothing.
func TestCutLeader(t *testing.T) {
	const fault = "F12 leader | 2"
	if testing.Short() {
		t.Skip("short: cuts are left out")
	}
	r := begin(t, fault, newNamespaces(t, fault), 3, usual)
	victim, term := r.leader()
	if victim == nil {
		t.Fatal("there is no leader")
	}
	side := map[int]int{victim.id: 1}
	majority := r.except(victim)
	p := r.probe([]int{r.load.services, r.load.services + 1}, true, majority)
	var heal func()
	took := p.fault(func() { heal = r.cutOff(side) })
	cut := time.Now()
	r.within("majority: persistent writes work again", took, writeAgain)

	// The minority is asked for both, all the time, until the cut ends.
	var saved, ephemeral tries
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() { saved.run(r, victim, true, stop) })
		wg.Go(func() { ephemeral.run(r, victim, false, stop) })
	}
	r.traffic(15*time.Second - time.Since(cut))
	leads, newTerm := r.leader()
	// What the majority has taken meanwhile has to reach the minority.
	in := r.history.newInstance(r.load.services, true)
	if r.load.attempt(in, register, majority[0]) != acked {
		t.Errorf("%v takes no persistent instance during the cut", majority[0])
	}
	close(stop)
	wg.Wait()
	heal()
	healedAt := time.Now()
	caught := eventually(t, 3*healed, "the minority lists what the majority took", func() error {
		list, err := victim.api.list(in.service)
		if err != nil || !slices.ContainsFunc(list, func(s shown) bool { return s.id == in.id }) {
			return fmt.Errorf("%d instances, %v", len(list), err)
		}
		return nil
	})
	r.expect(saved.acked == 0, "minority: persistent writes acknowledged", fmt.Sprintf("%d of %d", saved.acked, saved.all), "0")
	r.expect(ephemeral.acked > 0, "minority: ephemeral registrations acknowledged", fmt.Sprintf("%d of %d", ephemeral.acked, ephemeral.all), "> 0")
	r.expect(caught <= time.Second, "healed → the minority has caught up", short(caught).String(), "≤ 1s")
	r.await(3 * healed)
	r.traffic(healed + 4*time.Second - time.Since(healedAt))
	still, lastTerm := r.leader()
	r.expect(newTerm > term && leads == still && lastTerm == newTerm, "leader changes by the rejoiner",
		fmt.Sprintf("term %d cut, %d before the heal, %d after", term, newTerm, lastTerm), "0")
	r.end()
}

// tries counts writes to one node.
type tries struct {
	mu         sync.Mutex
	all, acked int
}

func (c *tries) run(r *run, n *node, persistent bool, stop chan struct{}) {
	service := 0
	if persistent {
		service = r.load.services
	}
	for pause(50*time.Millisecond, stop) {
		out := r.load.attempt(r.history.newInstance(service, persistent), register, n)
		c.mu.Lock()
		c.all++
		if out == acked {
			c.acked++
		}
		c.mu.Unlock()
	}
}
