package simtest

import (
	"flag"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"nactor/naming"
)

var (
	seeds    = flag.Int("sim.seeds", 1, "how many random runs")
	firstOne = flag.Uint64("sim.seed", 1, "seed of the first random run")
	simFault = flag.String("sim.faults", "", "only faults whose name contains this")
	simTime  = flag.Duration("sim.time", 5*time.Minute, "virtual time of one random run")
)

const (
	simServices = 12
	simClients  = 24

	maxGoroutines = 300 // three nodes have about 100 at rest, clients and checkers one each
)

// TestSim lets a cluster serve clients while one thing after the other goes wrong.
func TestSim(t *testing.T) {
	for i := range *seeds {
		seed := *firstOne + uint64(i)
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			begun := time.Now()
			inWorld(t, seed, three, func(w *world) { w.sim(*simTime) })
			if t.Failed() {
				t.Logf("again: go test ./cmd/nactor/simtest -run 'TestSim$' -sim.seeds 1 -sim.seed %d -sim.time %v", seed, *simTime)
			}
			t.Logf("%v of virtual time took %v", *simTime, time.Since(begun).Round(time.Millisecond))
		})
	}
}

// sim is one random run.
func (w *world) sim(d time.Duration) {
	var keys []naming.Key
	for i := range simServices {
		keys = append(keys, serviceKey(fmt.Sprintf("s%d", i)))
	}
	var clients []*client
	for i := range simClients {
		clients = append(clients, w.newClient(i, keys[w.rand.IntN(len(keys))]))
	}
	w.startAll()
	w.happened()
	quiet, stop := make(chan struct{}), make(chan struct{})
	for _, c := range clients {
		w.wg.Go(func() { c.run(quiet, stop) })
	}
	o := w.newOperator()
	operating := make(chan struct{})
	go func() {
		defer close(operating)
		o.run(quiet)
	}()
	check := newChecker(w, clients)
	w.wg.Go(func() { check.run(stop) })
	defer close(stop)

	some := slices.DeleteFunc(slices.Clone(faults), func(f fault) bool { return !strings.Contains(f.name, *simFault) })
	end := time.Now().Add(d)
	for n := 0; time.Now().Before(end) && check.failures.Load() < maxFailures; n++ {
		time.Sleep(w.span(5*time.Second, 45*time.Second))
		f := some[w.rand.IntN(len(some))]
		w.trace("fault %d: %s", n, f.name)
		w.trace("fault %d, %s: %s", n, f.name, f.run(w))
	}
	w.trace("quiet from here on")
	close(quiet)
	// Those that have just crashed expire, empty services go.
	time.Sleep(naming.DefaultDeleteTimeout + expirySlack + 15*time.Second)
	<-operating
	took := w.agree(10*time.Second, append(keys, o.keys...))
	o.check()
	if n := runtime.NumGoroutine(); n > maxGoroutines {
		w.t.Errorf("I11: %d goroutines", n)
	}
	w.t.Logf("%d looks; agreement after %v; %+v", check.looks.Load(), took, w.net.Stats())
}
