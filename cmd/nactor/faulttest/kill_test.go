package faulttest

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

const (
	probed     = 8               // services whose writes are probed
	writeAgain = 3 * time.Second // writes work again after the death of who was needed for them
)

// rounds is how often something is repeated.
func rounds(long, brief int) int {
	if testing.Short() {
		return brief
	}
	return long
}

// F2: the owner of services is killed; others own them, and nothing is lost.
func TestKillOwner(t *testing.T) {
	r := begin(t, "F2 kill owner", loopback{}, 3, usual)
	var times []time.Duration
	for i := range rounds(10, 2) {
		victim := r.nodes[i%3]
		r.well()
		p := r.probe(r.owned(victim, r.load.services, probed), false, r.except(victim))
		took := p.fault(victim.kill)
		t.Logf("kill %d: %v", i, newSpread(took))
		times = append(times, took...)
		r.traffic(2 * time.Second)
		victim.launch()
		victim.ready(readyTime)
		r.traffic(3 * time.Second)
	}
	r.within("writes to its services work again", times, writeAgain)
	r.end()
}

// F1: the leader of the store is killed under persistent writes.
func TestKillLeader(t *testing.T) {
	p := usual
	p.instances, p.savedIn, p.savedLife = 300, 200, [2]seconds{0.5, 2} // some 200 persistent writes a second
	r := begin(t, "F1 kill leader", loopback{}, 3, p)
	var times []time.Duration
	for i := range rounds(10, 1) {
		r.well()
		victim, term := r.leader()
		if victim == nil {
			t.Fatal("there is no leader")
		}
		through := r.except(victim)
		p := r.probe([]int{r.load.services, r.load.services + 1}, true, through)
		took := p.fault(victim.kill)
		t.Logf("kill %d, of %v in term %d: %v", i, victim, term, newSpread(took))
		times = append(times, took...)
		r.traffic(2 * time.Second)
		victim.launch()
		victim.ready(readyTime)
		r.traffic(2 * time.Second)
	}
	r.within("persistent writes work again", times, writeAgain)
	median := newSpread(times).at(0.5)
	r.expect(median <= 2*time.Second, "persistent writes work again, median", short(median).String(), "≤ 2s")
	r.end()
}

// F3: all nodes are killed at once and started again.
func TestKillAll(t *testing.T) {
	r := begin(t, "F3 kill all", loopback{}, 3, usual)
	for range rounds(3, 1) {
		r.well()
		r.load.helpless.Store(true)
		for _, n := range r.nodes {
			r.history.leaves(n.id, true)
			n.up = false
		}
		begin := time.Now()
		r.history.wiped()
		for _, n := range r.nodes {
			n.server.Kill()
		}
		r.history.wiped() // what was answered while they died died with the last one
		for _, n := range r.nodes {
			n.launch()
		}
		for _, n := range r.nodes {
			n.ready(readyTime)
		}
		ready := time.Since(begin)
		r.load.helpless.Store(false)
		back := eventually(t, 30*time.Second, "all instances that beat are back", r.complete)
		r.expect(ready <= 15*time.Second, "killed → all ready", short(ready).String(), "≤ 15s")
		r.expect(back <= 5*time.Second, "ready → all that beat listed by all", short(back).String(), "≤ 5s")
		r.traffic(2 * time.Second)
	}
	r.end()
}

// complete tells which instance that beats is not listed by some node, nil if all are.
func (r *run) complete() error {
	want := map[int][]int{}
	r.load.living.Range(func(in, _ any) bool {
		i := in.(*instance)
		if i.disabled || r.history.doubtful(i) {
			return true
		}
		want[i.service] = append(want[i.service], i.id)
		return true
	})
	for service, ids := range want {
		for _, n := range r.alive() {
			list, err := n.api.list(service)
			if err != nil {
				return fmt.Errorf("%v: %w", n, err)
			}
			for _, id := range ids {
				if !slices.ContainsFunc(list, func(s shown) bool { return s.id == id }) {
					in := r.history.instance(id)
					if _, still := r.load.living.Load(in); still {
						return fmt.Errorf("%v does not list %s", n, in.story())
					}
				}
			}
		}
	}
	return nil
}
