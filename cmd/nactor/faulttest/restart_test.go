package faulttest

import (
	"testing"
	"time"
)

// F5: each node in turn is asked to end and started again, under load.
func TestRollingRestart(t *testing.T) {
	p := usual
	p.instances = 1000 // some 500 writes a second
	r := begin(t, "F5 rolling restart", loopback{}, 3, p)
	r.unfailing = true
	var drains, starts []time.Duration
	for range rounds(3, 1) {
		for _, n := range r.nodes {
			drains = append(drains, n.stop(20*time.Second))
			n.launch()
			starts = append(starts, n.ready(readyTime))
			r.well()
			r.traffic(2 * time.Second)
		}
	}
	r.within("SIGTERM → exit 0", drains, 5*time.Second)
	r.within("start → ready", starts, 15*time.Second)
	r.end()
}
