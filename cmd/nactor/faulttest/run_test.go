package faulttest

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// run is one scenario: a cluster under load.
type run struct {
	*cluster
	t      testing.TB
	fault  string
	load   *load
	steady instant // since when the load is complete
	loaded bool    // there was enough traffic before the fault
	// unfailing: a client that asks one node after the other always gets an answer.
	unfailing bool
}

// enough is how many requests a second make a run count.
const enough = 100

// begin starts a cluster of n nodes with a load and returns when all is well.
func begin(t testing.TB, fault string, g ground, n int, p plan) *run {
	t.Helper()
	c := newCluster(t, g, n)
	c.start()
	return c.loaded(t, fault, p)
}

// loaded puts a load on a cluster that runs and returns when all is well.
func (c *cluster) loaded(t testing.TB, fault string, p plan) *run {
	t.Helper()
	c.await(10 * time.Second)
	c.mix(p.variety)
	r := &run{cluster: c, t: t, fault: fault}
	r.load = startLoad(t, c.history, p, c.alive())
	r.load.steady()
	r.steady = c.history.now()
	r.traffic(2 * time.Second)
	r.well()
	return r
}

// traffic lets the load work for some time.
func (r *run) traffic(d time.Duration) { pause(d, r.load.stop) }

// well checks that all is as it should be: a fault may come. The first time it also checks
// that the load is worth the name.
func (r *run) well() {
	r.t.Helper()
	r.await(10 * time.Second)
	if r.loaded {
		return
	}
	r.loaded = true
	elapsed := (r.history.now() - r.steady).Seconds()
	writes, lists := r.history.counts(r.steady)
	if perSecond := float64(writes) / elapsed; perSecond < enough {
		r.t.Fatalf("the run is void: %.0f writes/s before the fault", perSecond)
	} else {
		r.t.Logf("before the fault: %.0f writes/s, %.0f lists/s", perSecond, float64(lists)/elapsed)
	}
}

// expect notes a figure of this fault.
func (r *run) expect(ok bool, what, measured, limit string) {
	r.t.Helper()
	results.expect(r.t, ok, r.fault, what, measured, limit)
}

// within notes times, the longest of which must not exceed a limit.
func (r *run) within(what string, times []time.Duration, limit time.Duration) {
	r.t.Helper()
	s := newSpread(times)
	r.expect(len(s) > 0 && s.max() <= limit, what, s.String(), "≤ "+limit.String())
}

// end checks that the cluster is well again, that its nodes agree, and what it has shown
// since the beginning.
func (r *run) end() {
	r.t.Helper()
	r.well()
	r.load.settle()
	r.agree()
	single := r.grains(30 * time.Second)
	r.expect(single <= 10*time.Second, "one activation a service", "after "+short(single).String(), "≤ 10s")
	r.lastWrites()
	r.traffic(2 * listedAfter) // what was written last is read
	r.load.halt()
	r.t.Logf("requests: %d answered, %d of them by another node than the first, %d not at all", r.load.answers.Load(), r.load.turned.Load(), r.load.gaveUp.Load())
	r.history.check().report(r.t, r.fault, len(r.history.troubles) > 0)
	r.expect(r.load.gaveUp.Load() == 0 || !r.unfailing, "client calls that no node answered", fmt.Sprintf("%d of %d", r.load.gaveUp.Load(), r.load.answers.Load()),
		map[bool]string{true: "0"}[r.unfailing])
	if why := r.load.why.Load(); why != nil {
		r.t.Logf("the last client call that no node answered: %s", *why)
	}
}

// agree waits until all nodes show the same of each service.
func (r *run) agree() {
	r.t.Helper()
	took := time.Duration(0)
	for s := range r.load.allServices() {
		took += eventually(r.t, 10*time.Second, fmt.Sprintf("all nodes show the same of %s", serviceName(s)), func() error {
			var first []shown
			for i, n := range r.alive() {
				list, err := n.api.list(s)
				if err != nil {
					return fmt.Errorf("%v: %w", n, err)
				}
				slices.SortFunc(list, func(a, b shown) int { return a.id - b.id })
				if i == 0 {
					first = list
				} else if !slices.Equal(first, list) {
					return fmt.Errorf("%v shows %v, %v shows %v", r.alive()[0], first, n, list)
				}
			}
			return nil
		})
	}
	r.t.Logf("all nodes agree after %v", took)
}

// grains waits until no service has two activations.
func (r *run) grains(within time.Duration) time.Duration {
	r.t.Helper()
	begin := time.Now()
	for _, n := range r.alive() {
		eventually(r.t, within, "one activation a service", func() error {
			all, err := n.api.actors(10 * r.load.allServices())
			if err != nil {
				return err
			}
			at := map[string]string{}
			for _, a := range all {
				if other, twice := at[a.Identity]; twice {
					return fmt.Errorf("%s is active on %s and on %s", a.Identity, other, a.Node)
				}
				at[a.Identity] = a.Node
			}
			if len(at) == 0 {
				return fmt.Errorf("no activation at all")
			}
			return nil
		})
	}
	return time.Since(begin)
}

// lastWrites checks that each node takes writes of both kinds, which all nodes then list.
func (r *run) lastWrites() {
	r.t.Helper()
	for _, persistent := range []bool{false, true} {
		for _, n := range r.alive() {
			in := r.history.newInstance(map[bool]int{false: 0, true: r.load.services}[persistent], persistent)
			if out := r.load.attempt(in, register, n); out != acked {
				r.t.Errorf("%v does not take the last write (persistent: %v)", n, persistent)
			}
		}
	}
}
