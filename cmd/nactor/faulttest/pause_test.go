package faulttest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// F4: a node stands still for a while. A short stall changes nothing; after a long one
// others have taken over, and the node finds its place again.
func TestPause(t *testing.T) {
	if testing.Short() {
		t.Skip("short: stalls are left out")
	}
	for _, c := range []struct {
		stall  time.Duration
		settle time.Duration
		rounds int
	}{
		{500 * time.Millisecond, listedAfter, 4},
		{2 * time.Second, listedAfter, 3},
		{10 * time.Second, 10 * time.Second, 2},
	} {
		t.Run(c.stall.String(), func(t *testing.T) {
			r := begin(t, "F4 stall "+c.stall.String(), loopback{}, 3, usual)
			changed := 0
			var times []time.Duration
			for i := range c.rounds {
				r.well()
				victim := r.nodes[i%3]
				if leads, _ := r.leader(); i == 0 && leads != nil {
					victim = leads
				}
				owned := r.owned(victim, r.load.services, probed)
				before := r.activations(owned)
				p := r.probe(owned, false, r.except(victim))
				var over sync.WaitGroup
				took := p.fault(func() {
					resume := victim.pause(c.settle)
					over.Go(func() {
						time.Sleep(c.stall) // how long it lasts is what this is about
						resume()
					})
				})
				over.Wait()
				t.Logf("stall %d, of %v: writes to its services: %v", i, victim, newSpread(took))
				times = append(times, took...)
				for s, life := range r.activations(owned) {
					if before[s] != life {
						changed++
					}
				}
				r.traffic(c.settle + 3*time.Second)
			}
			if c.stall <= 2*time.Second {
				r.expect(changed == 0, "services that changed their owner", fmt.Sprint(changed), "0")
				r.within("writes to its services work again", times, c.stall+time.Second)
			} else {
				r.within("writes to its services work again", times, writeTime)
			}
			r.end()
		})
	}
}

// activations returns which life of its grain each service is in, and where.
func (r *run) activations(services []int) map[int]string {
	r.t.Helper()
	out := map[int]string{}
	for _, s := range services {
		eventually(r.t, healed, serviceName(s)+" is active", func() error { // it may be on its way to its owner
			a, err := r.alive()[0].api.actor(s)
			if err == nil {
				life, _, _ := strings.Cut(a.Revision, ".")
				out[s] = a.Node + " " + life
			}
			return err
		})
	}
	return out
}
