package faulttest

import (
	"fmt"
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

// The same of a cluster and the load of the upgrade, with contents that change.
func TestUpgradeLoad(t *testing.T) {
	needsUpgrade(t, true)
	c := newCluster(t, loopback{}, 3)
	c.start()
	r := c.loaded(t, "mixed load", mixture)
	r.unfailing = true
	r.traffic(3 * time.Second)
	u := &upgrade{run: r}
	u.describe()
	resume := r.load.quiet(t)
	r.agree()
	eventually(t, 5*time.Second, "all instances are listed", r.complete)
	u.keepsDisabled()
	u.described()
	resume()
	r.traffic(3 * time.Second)
	edits := 0
	for _, in := range r.history.instances {
		least, _ := in.edited()
		edits += least
	}
	r.expect(edits > 20, "edits acknowledged", fmt.Sprint(edits), "> 20")
	r.end()
}
