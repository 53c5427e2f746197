package faulttest

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nactor/bench"
	"nactor/naming"
)

// beating is a fleet that beats as clients do, every five seconds, and is watched on all
// nodes.
type beating struct {
	fleet
	u    *upgrade
	last []atomic.Int64 // instant at which a beat that was acknowledged was sent, by instance
	quit chan struct{}
	wg   sync.WaitGroup

	beats, unanswered, lists, flaps atomic.Int64
	late                            atomic.Int64 // beats that came so late that the instance may be unhealthy
	why                             atomic.Pointer[string]
}

// params names instance i.
func (b *beating) params(i int) string {
	return fmt.Sprintf("serviceName=DEFAULT_GROUP%%40%%40beating-%d&ip=10.201.0.%d&port=8080", i%b.services, i/b.services+1)
}

func (b *beating) begin(t *testing.T) {
	b.last, b.quit = make([]atomic.Int64, b.size()), make(chan struct{})
	load := bench.Load{Addr: b.u.nodes[0].addr, Connections: 16, Count: b.size(), Request: func(i int) []byte {
		body := b.params(i)
		b.last[i].Store(int64(b.u.history.now()))
		return fmt.Appendf(nil, "POST /nacos/v1/ns/instance HTTP/1.1\r\nHost: fleet\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}}
	if o, err := load.Run(context.Background()); err != nil || o.Errors > 0 {
		t.Fatalf("%d of %d registrations failed: %v %v", o.Errors, o.Requests, err, o.FirstError)
	}
	const clients = 32
	for c := range clients {
		b.wg.Go(func() {
			period := naming.DefaultBeatInterval
			for next := time.Now(); ; next = next.Add(period) {
				for i := c; i < b.size(); i += clients {
					due := next.Add(period * time.Duration(i) / time.Duration(b.size()))
					if !pause(time.Until(due), b.quit) {
						return
					}
					b.beat(i)
				}
			}
		})
	}
	t.Cleanup(b.stop)
	b.u.traffic(2 * listedAfter) // all nodes must know of all by now
	for _, n := range b.u.nodes {
		b.wg.Go(func() { b.watch(n) })
	}
}

func (b *beating) stop() {
	select {
	case <-b.quit:
	default:
		close(b.quit)
	}
	b.wg.Wait()
}

// beat beats through one node after the other until one answers.
func (b *beating) beat(i int) {
	nodes := b.u.nodes
	for j := range nodes {
		call := b.u.history.now()
		err := nodes[(i+j)%len(nodes)].api.do(http.MethodPut, "/v1/ns/instance/beat?"+b.params(i), []byte{}, writeTime, nil)
		if err == nil {
			b.beats.Add(1)
			b.last[i].Store(int64(call))
			return
		}
	}
	b.unanswered.Add(1)
}

// watch lists all services at a node, again and again. Each instance must be there, and be
// healthy, unless its beats were late.
func (b *beating) watch(n *node) {
	tick := time.NewTicker(4 * time.Millisecond)
	defer tick.Stop()
	for s := 0; ; s = (s + 1) % b.services {
		select {
		case <-tick.C:
		case <-b.quit:
			return
		}
		var list struct {
			Hosts []struct{ Healthy bool }
		}
		begun := b.u.history.now()
		if err := n.api.get(fmt.Sprintf("/v1/ns/instance/list?serviceName=beating-%d", s), &list); err != nil {
			if !pause(50*time.Millisecond, b.quit) { // it is being replaced; the load judges that
				return
			}
			continue
		}
		b.lists.Add(1)
		well := 0
		for _, h := range list.Hosts {
			if h.Healthy {
				well++
			}
		}
		if well == b.instances {
			continue
		}
		for i := s; i < b.size(); i += b.services {
			if begun-instant(b.last[i].Load()) > naming.DefaultBeatTimeout-margin {
				b.late.Add(1)
				well++
			}
		}
		if well < b.instances {
			b.flaps.Add(1)
			why := fmt.Sprintf("%v at %v: service %d has %d instances, %d of %d well or late", n, begun, s, len(list.Hosts), well, b.instances)
			b.why.Store(&why)
		}
	}
}

// 14,000 instances beat while the cluster is upgraded, taken back, and upgraded again: not
// one of them vanishes or becomes unhealthy.
func TestUpgradeFleet(t *testing.T) {
	needsUpgrade(t, false)
	quiet := mixture
	quiet.services, quiet.instances, quiet.saved, quiet.savedIn, quiet.lists = 40, 300, 5, 20, 50
	u := beginUpgrade(t, "14,000 beating instances", loopback{}, 3, true, quiet)
	b := &beating{fleet: fleet{1400, 10}, u: u}
	b.begin(t)
	u.traffic(10 * time.Second)
	stage := func(name string, f func()) {
		u.stage(name, func() { f(); u.traffic(10 * time.Second) })
	}
	stage("up", func() {
		for _, n := range u.nodes {
			u.replace(n, false)
		}
		u.switched()
	})
	stage("one back", func() { u.replace(u.nodes[1], true); u.downgraded() })
	stage("up again", func() { u.replace(u.nodes[1], false); u.switched() })
	stage("closed", func() { u.close(u.nodes[0]) })
	b.stop()
	if why := b.why.Load(); why != nil {
		t.Log(*why)
	}
	u.expect(b.flaps.Load() == 0, "lists in which an instance that beats is missing or unhealthy", fmt.Sprintf("%d of %d", b.flaps.Load(), b.lists.Load()), "0")
	u.expect(b.unanswered.Load() == 0, "beats that no node answered", fmt.Sprintf("%d of %d", b.unanswered.Load(), b.beats.Load()), "0")
	u.expect(b.late.Load()*100 < b.lists.Load(), "lists excused because the test itself beat late", fmt.Sprint(b.late.Load()), "< 1%")
	u.finish()
}
