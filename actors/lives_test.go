package actors

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"nactor/naming"
)

// The lives of a service have numbers that grow, and no two nodes that do not hear of each
// other give one the same: readers would take two views for one.
func TestLivesAreTold(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		nodes := []*Services{amongOthers(t, Config{}, nil), amongOthers(t, Config{}, nil)}
		for i, s := range nodes {
			s.tag = tagOf([]string{"a", "b"}[i], time.Unix(0, rapid.Int64Range(0, 1<<62).Draw(rt, "start")))
			s.lives.Store(rapid.Uint64Range(naming.Loaded, 1<<62).Draw(rt, "life"))
		}
		if nodes[0].tag == nodes[1].tag {
			rt.Skip("one in 65536")
		}
		seen := map[uint64]bool{}
		for after := uint64(naming.Loaded); len(seen) < 20; {
			next := [2]uint64{nodes[0].activation(after), nodes[1].activation(after)}
			for _, n := range next {
				if n <= after || seen[n] {
					rt.Fatalf("%d after %d", n, after)
				}
				seen[n] = true
			}
			after = next[rapid.IntRange(0, 1).Draw(rt, "goes on")]
		}
	})
}
