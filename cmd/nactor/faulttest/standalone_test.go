package faulttest

import (
	"testing"
	"time"
)

// A server alone keeps its promises under the load that the clusters get: the load and the
// checker are worth something.
func TestStandalone(t *testing.T) {
	c := newCluster(t, loopback{}, 1)
	c.nodes[0].spec.Mode = "standalone"
	c.nodes[0].spec.Args = c.nodes[0].spec.Args[:len(c.nodes[0].spec.Args)-2] // without members
	c.start()
	r := c.loaded(t, "standalone", usual)
	if !testing.Short() {
		r.traffic(40 * time.Second) // some expire
	}
	r.end()
}
