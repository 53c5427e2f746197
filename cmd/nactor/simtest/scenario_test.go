package simtest

import (
	"testing"
	"time"

	"nactor/naming"
)

var three = []string{"a", "b", "c"}

func serviceKey(name string) naming.Key {
	return naming.Key{Namespace: naming.DefaultNamespace, Group: naming.DefaultGroup, Name: name}
}

func TestStart(t *testing.T) {
	for _, order := range [][]string{{"a", "b", "c"}, {"c", "a", "b"}, {"b", "c", "a"}} {
		inWorld(t, 1, three, func(w *world) {
			for _, name := range order {
				w.start(name)
				time.Sleep(3 * time.Second)
			}
			took := w.within(10*time.Second, "all serve", func() bool { return len(w.serving()) == 3 })
			t.Logf("order %v: all serve %v after the last start", order, took+3*time.Second)
		})
	}
}
