package simtest

import (
	"slices"
	"testing"
	"time"
)

// What both sides of a cut have acknowledged is there, also when the owner on one side goes
// the moment the cut ends: a later life is not taken for one that knew the other side.
func TestOwnerGoesAsACutEnds(t *testing.T) {
	for _, how := range []string{"leave", "kill"} {
		t.Run(how, func(t *testing.T) {
			inWorld(t, 8, three, func(w *world) {
				w.startAll()
				all := keys(24)
				for _, key := range all {
					w.register(w.node("a"), key, "10.1.0.1")
				}
				time.Sleep(time.Second)
				w.net.Partition([]string{"a"}, []string{"b", "c"})
				w.ring("a", "a")
				w.ring("b", "b", "c")
				w.ring("c", "b", "c")
				for _, key := range all {
					w.register(w.node("a"), key, "10.1.0.2")
					w.register(w.node("b"), key, "10.1.0.3")
				}
				w.net.Heal()
				if how == "leave" {
					w.node("b").leave()
				} else {
					w.kill("b")
				}
				w.restart("b")
				for _, name := range three {
					w.ring(name, three...)
				}
				time.Sleep(3 * time.Second)
				n := 0
				for _, key := range all {
					if slices.ContainsFunc([]string{"10.1.0.1", "10.1.0.2", "10.1.0.3"}, func(ip string) bool { return !w.everywhere(key, ip) }) {
						n++
						for _, at := range w.serving() {
							w.t.Log(at.describe(key))
						}
					}
				}
				if n > 0 {
					w.t.Errorf("%d of %d services lack an instance somewhere", n, len(all))
				}
				w.agree(12*time.Second, all)
			})
		})
	}
}
