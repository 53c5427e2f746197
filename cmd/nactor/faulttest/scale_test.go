package faulttest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"nactor/bench"
)

// fleet is a large number of instances that need not beat often.
type fleet struct{ services, instances int }

func (f fleet) size() int { return f.services * f.instances }

// params names instance i: neighbours belong to different services.
func (f fleet) params(i int) string {
	s, n := i%f.services, i/f.services
	return fmt.Sprintf("serviceName=DEFAULT_GROUP%%40%%40fleet-%d&ip=10.200.0.%d&port=8080", s, n+1)
}

// register is the registration of instance i as it goes over the wire.
func (f fleet) register(i int) []byte {
	body := f.params(i) + "&metadata=" + url.QueryEscape(`{"preserved.heart.beat.timeout":"600000","preserved.ip.delete.timeout":"600000"}`)
	return fmt.Appendf(nil, "POST /nacos/v1/ns/instance HTTP/1.1\r\nHost: fleet\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// A node joins a cluster that holds a lot. Heartbeats go on meanwhile.
func TestJoinLargeCluster(t *testing.T) {
	if testing.Short() {
		t.Skip("short: measurements are left out")
	}
	const fault = "join, 20,000 × 5"
	f := fleet{20_000, 5}
	c := newCluster(t, loopback{}, 3)
	c.start()
	c.await(10 * time.Second)
	begin := time.Now()
	var wg sync.WaitGroup
	for i, n := range c.nodes {
		part := f.size() / len(c.nodes)
		first := i * part
		if i == len(c.nodes)-1 {
			part = f.size() - first
		}
		wg.Go(func() {
			load := bench.Load{Addr: n.addr, Connections: 16, Count: part, Request: func(i int) []byte { return f.register(first + i) }}
			o, err := load.Run(context.Background())
			if err != nil || o.Errors > 0 {
				t.Errorf("%v: %d of %d registrations failed: %v %v", n, o.Errors, o.Requests, err, o.FirstError)
			}
		})
	}
	wg.Wait()
	t.Logf("%d registrations in %v, %.0f/s", f.size(), short(time.Since(begin)), float64(f.size())/time.Since(begin).Seconds())
	r := c.loaded(t, fault, usual)
	memory := func() string {
		var out []string
		for _, n := range r.alive() {
			out = append(out, fmt.Sprintf("%.0f", n.resident(t)))
		}
		return strings.Join(out, ", ") + " MiB"
	}
	beats := r.beater(f)
	r.traffic(10 * time.Second)
	before := beats.take()
	results.add(row{fault, "VmRSS before, of 3 nodes", memory(), "", passed})

	n := r.join(r.nodes[0])
	begin = time.Now()
	n.ready(time.Minute)
	ready := time.Since(begin)
	settled := eventually(t, 2*time.Minute, "the new node owns its share", func() error {
		own, err := r.nodes[0].api.grainsOn(n.addr)
		if share := f.services / 4; err == nil && own < share*8/10 {
			return fmt.Errorf("%d grains on %v, of %d", own, n, share)
		}
		return err
	})
	moved := ready + settled
	during := beats.take()
	r.load.add(n)
	r.expect(ready <= 30*time.Second, "started → ready", short(ready).String(), "≤ 30s")
	r.expect(moved <= time.Minute, "started → owns its share", short(moved).String(), "≤ 60s")
	r.expect(len(before) > 0, "heartbeat before", fmt.Sprintf("%s (%d)", p50p99(before), len(before)), "")
	r.expect(during.at(0.99) <= 100*time.Millisecond, "heartbeat during the move", fmt.Sprintf("%s, max %v (%d)", p50p99(during), short(during.max()), len(during)), "p99 ≤ 100ms")
	r.expect(beats.errors() == 0, "heartbeats that failed", fmt.Sprint(beats.errors()), "0")
	r.traffic(5 * time.Second)
	results.add(row{fault, "VmRSS after, of 4 nodes", memory(), "", passed})
	took := n.stop(30 * time.Second)
	r.load.remove(n)
	leave := beats.take()
	r.expect(took <= 15*time.Second, "leaves: SIGTERM → exit 0", short(took).String(), "≤ 15s")
	r.expect(leave.at(0.99) <= 100*time.Millisecond, "heartbeat while it leaves", fmt.Sprintf("%s, max %v (%d)", p50p99(leave), short(leave.max()), len(leave)), "p99 ≤ 100ms")
	beats.stop()
	r.end()
}

// grainsOn returns how many grains are active on the node with an address.
func (e *endpoint) grainsOn(addr string) (int, error) {
	var v struct{ Data struct{ Count int } }
	err := e.get("/v1/core/ops/actors?pageNo=1&pageSize=1&node="+addr, &v)
	return v.Data.Count, err
}

// beater beats for a fleet through the nodes that there are at its beginning, and measures.
type beater struct {
	quit chan struct{}
	wg   sync.WaitGroup

	mu     sync.Mutex
	times  []time.Duration
	failed int
}

// beatsPerSecond is far below what the nodes can do: how long one beat takes is measured.
const beatsPerSecond = 800

func (r *run) beater(f fleet) *beater {
	b := &beater{quit: make(chan struct{})}
	nodes := r.alive()
	const clients = 8
	for range clients {
		b.wg.Go(func() {
			tick := time.NewTicker(time.Second * clients / beatsPerSecond)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
				case <-b.quit:
					return
				}
				n := nodes[rand.IntN(len(nodes))]
				begin := time.Now()
				err := n.api.do(http.MethodPut, "/v1/ns/instance/beat?"+f.params(rand.IntN(f.size())), []byte{}, writeTime, func(body []byte) error {
					if !strings.Contains(string(body), "10200") {
						return fmt.Errorf("answer %s", body)
					}
					return nil
				})
				b.mu.Lock()
				b.times = append(b.times, time.Since(begin))
				if err != nil {
					b.failed++
				}
				b.mu.Unlock()
			}
		})
	}
	r.t.Cleanup(b.stop)
	return b
}

func (b *beater) stop() {
	select {
	case <-b.quit:
	default:
		close(b.quit)
	}
	b.wg.Wait()
}

// take returns the times since it was last asked.
func (b *beater) take() spread {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := newSpread(b.times)
	b.times = nil
	return out
}

func (b *beater) errors() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failed
}
