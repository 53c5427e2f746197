package faulttest

import (
	"slices"
	"sync"
	"testing"
	"time"
)

// How long after its registration at one node the others list an instance.
func TestListedElsewhere(t *testing.T) {
	if testing.Short() {
		t.Skip("short: measurements are left out")
	}
	quiet := usual
	quiet.instances, quiet.services, quiet.lists = 300, 100, 50
	r := begin(t, "listed elsewhere", loopback{}, 3, quiet)
	var mu sync.Mutex
	var answered, listed []time.Duration
	for i := range 600 {
		from := r.nodes[i%3]
		in := r.history.newInstance(i%quiet.services, false)
		begin := time.Now()
		var wg sync.WaitGroup
		for _, n := range r.except(from) {
			wg.Go(func() {
				tick := time.NewTicker(time.Millisecond)
				defer tick.Stop()
				for time.Since(begin) < 5*time.Second {
					list, err := n.api.list(in.service)
					if err == nil && slices.ContainsFunc(list, func(s shown) bool { return s.id == in.id }) {
						break
					}
					<-tick.C
				}
				mu.Lock()
				defer mu.Unlock()
				listed = append(listed, time.Since(begin))
			})
		}
		if r.load.attempt(in, register, from) != acked {
			t.Errorf("%v does not take a registration", from)
		}
		answered = append(answered, time.Since(begin))
		wg.Wait()
		r.load.attempt(in, deregister, from)
	}
	a, l := newSpread(answered), newSpread(listed)
	r.expect(a.at(0.99) <= time.Second, "registration at A → answered", p50p99(a), "p99 ≤ 1s")
	r.expect(l.at(0.99) <= 50*time.Millisecond, "registration at A → listed by B, C", p50p99(l), "p99 ≤ 50ms")
	r.end()
}

func p50p99(s spread) string {
	return "p50 " + short(s.at(0.5)).String() + ", p99 " + short(s.at(0.99)).String()
}
