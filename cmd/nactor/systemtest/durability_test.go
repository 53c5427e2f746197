package systemtest

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nactor/cmd/nactor/proctest"
)

// Every persistent registration that was acknowledged before kill -9 is there afterwards.
func TestAcknowledgedSurvivesKill(t *testing.T) {
	const (
		perSecond = 1000
		services  = 20
		workers   = 32
	)
	rounds := 3
	if testing.Short() {
		rounds = 1
	}
	home := t.TempDir()
	var mu sync.Mutex
	acked := map[string]map[int]bool{}
	next := 0
	for round := range rounds {
		server := proctest.Start(t, home)
		c := newClient(t, server.Addr)
		for service, want := range acked {
			have := map[string]bool{}
			for _, h := range c.list(service) {
				have[h.IP] = true
			}
			for i := range want {
				if ip := instance(service, i).Get("ip"); !have[ip] {
					t.Errorf("round %d: %s of %s was acknowledged and is gone", round, ip, service)
				}
			}
		}
		var count atomic.Int64
		var stop atomic.Bool
		jobs := make(chan int, perSecond)
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for i := range jobs {
					service := fmt.Sprintf("durable-%d", i%services)
					code, _, err := c.do(http.MethodPost, "/nacos/v1/ns/instance", instance(service, i, "ephemeral", "false"))
					if err != nil || code != http.StatusOK {
						if !stop.Load() {
							t.Errorf("registration %d: %d %v", i, code, err)
						}
						continue
					}
					count.Add(1)
					mu.Lock()
					if acked[service] == nil {
						acked[service] = map[int]bool{}
					}
					acked[service][i] = true
					mu.Unlock()
				}
			})
		}
		// A steady stream; the kill comes in the middle of it.
		begin := time.Now()
		tick := time.NewTicker(10 * time.Millisecond)
		for killed := false; !killed || len(jobs) > 0; {
			<-tick.C
			for n := int(time.Since(begin).Seconds()*perSecond) - (next - round*1_000_000); n > 0 && !killed; n-- {
				select {
				case jobs <- next:
					next++
				default: // the server does not keep up: the stream is as fast as it is
					n = 0
				}
			}
			if !killed && time.Since(begin) > 2*time.Second {
				stop.Store(true)
				server.Kill()
				killed = true
			}
		}
		tick.Stop()
		close(jobs)
		wg.Wait()
		rate := float64(count.Load()) / 2
		t.Logf("round %d: %d acknowledged before the kill, %.0f/s", round, count.Load(), rate)
		if count.Load() < 100 {
			t.Errorf("too little traffic to prove anything")
		}
		next = (round + 1) * 1_000_000
	}
	server := proctest.Start(t, home)
	c := newClient(t, server.Addr)
	total := 0
	for service, want := range acked {
		if got := len(c.list(service)); got < len(want) {
			t.Errorf("%s has %d instances, %d were acknowledged", service, got, len(want))
		}
		total += len(want)
	}
	t.Logf("%d acknowledged registrations survived %d kills", total, rounds)
}
