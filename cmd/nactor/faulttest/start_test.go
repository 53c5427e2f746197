package faulttest

import (
	"fmt"
	"testing"
	"time"
)

// Three nodes form a cluster in whichever order they start, also when a late one comes long
// after the others, and none serves alone.
func TestStartOrders(t *testing.T) {
	var times []time.Duration
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			c := newCluster(t, loopback{}, 3)
			c.nodes[order[0]].launch()
			c.nodes[order[1]].launch()
			// The first start of a cluster needs all of its nodes: until then 503.
			c.refuses(order[0], order[1])
			begin := time.Now()
			c.nodes[order[2]].launch()
			for _, n := range c.nodes {
				n.ready(readyTime)
			}
			c.await(10 * time.Second)
			times = append(times, time.Since(begin))
			c.writable()
		})
	}
	s := newSpread(times)
	results.expect(t, len(s) == 6 && s.max() <= 10*time.Second, "start", "6 orders: last node started → all ready and agreed", s.String(), "≤ 10s")
}

// refuses checks that nodes answer, and say that they are not ready.
func (c *cluster) refuses(nodes ...int) {
	c.t.Helper()
	for _, i := range nodes {
		n := c.nodes[i]
		eventually(c.t, 10*time.Second, "the node answers", func() error {
			err := n.api.do("GET", "/v1/console/health/readiness", nil, readTime, nil)
			switch {
			case err == nil:
				c.t.Fatalf("%v is ready without the others", n)
			case unsent(err):
				return err
			}
			return nil
		})
	}
}

// writable checks that each node takes both kinds of registrations, and that all list them.
func (c *cluster) writable() {
	c.t.Helper()
	for i, n := range c.alive() {
		for _, persistent := range []bool{false, true} {
			in := c.history.newInstance(i, persistent)
			if err := n.api.register(in); err != nil {
				c.t.Errorf("%v: register, persistent %v: %v", n, persistent, err)
				continue
			}
			for _, other := range c.alive() {
				eventually(c.t, listedAfter, fmt.Sprintf("%v lists what %v took", other, n), func() error {
					list, err := other.api.list(i)
					for _, s := range list {
						if s.id == in.id {
							return nil
						}
					}
					return fmt.Errorf("%v %v", list, err)
				})
			}
		}
	}
}

// All nodes but the last form the cluster; more join and leave again under load.
func TestGrowAndShrink(t *testing.T) {
	r := begin(t, "grow, shrink", loopback{}, 3, usual)
	r.unfailing = true
	var joins, leaves []time.Duration
	more := 2
	if testing.Short() {
		more = 1
	}
	for range more {
		n := r.join(r.nodes[0])
		begin := time.Now()
		n.ready(readyTime)
		r.await(10 * time.Second)
		joins = append(joins, time.Since(begin))
		r.load.add(n)
		r.traffic(5 * time.Second)
	}
	for range more {
		n := r.nodes[len(r.alive())-1]
		// Its clients are told of its end before it comes, as an operator would.
		r.load.remove(n)
		leaves = append(leaves, n.stop(20*time.Second))
		r.await(10 * time.Second)
		r.traffic(5 * time.Second)
	}
	r.within("a node joins: started → ready and known to all", joins, 15*time.Second)
	r.within("a node leaves: SIGTERM → exit 0", leaves, 15*time.Second)
	r.end()
}
