package replica_test

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"nactor/naming"
	"nactor/naming/namingtest"
	"nactor/naming/v2"
	"nactor/replica"
)

// evolve returns the views of a service under random commands.
func evolve(t *rapid.T) []*naming.View {
	rules := naming.DefaultRules()
	s := v2.New(naming.Key{Namespace: "public", Group: "g", Name: "s"})
	var views []*naming.View
	var now naming.Instant
	n := rapid.IntRange(1, 30).Draw(t, "commands")
	for i := range n {
		now = now.Add(namingtest.Pauses().Draw(t, "pause"))
		s.Step(naming.Env{Now: now, Rules: &rules, Stamp: uint64(i)}, namingtest.Commands(namingtest.Addrs()).Draw(t, "command"))
		if s.Exists() {
			views = append(views, s.View(naming.Revision{Activation: 7, Counter: uint64(i + 1)}))
		}
	}
	return views
}

func sameView(a, b *naming.View) bool {
	return a.Revision == b.Revision && a.Lineage.Equal(b.Lineage) && a.Ephemeral == b.Ephemeral && a.Meta == b.Meta &&
		slices.Equal(a.Instances, b.Instances) && maps.Equal(a.Overlays, b.Overlays)
}

// A replica that is told every difference shows what the owner shows.
func TestDeltasLeadToTheView(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		views := evolve(t)
		var held *naming.View
		store := replica.New(func() naming.Instant { return 0 }, nil)
		for i, v := range views {
			var before *naming.View
			if i > 0 {
				before = views[i-1]
			}
			d := replica.Diff(before, v)
			held = d.Apply(held)
			if !sameView(held, v) {
				t.Fatalf("%+v\nwant %+v", held, v)
			}
			if got := store.Apply(d); got != replica.Applied {
				t.Fatalf("outcome %v", got)
			}
			if got := store.Apply(d); got != replica.Known {
				t.Fatalf("the second time: outcome %v", got)
			}
			if !sameView(store.View(v.Key), v) {
				t.Fatal("the store shows something else")
			}
		}
	})
}

func TestDeltaAfterAGap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		views := evolve(t)
		if len(views) < 3 {
			t.Skip()
		}
		store := replica.New(func() naming.Instant { return 0 }, nil)
		store.Put(views[0])
		if got := store.Apply(replica.Diff(views[1], views[2])); got != replica.Gap {
			t.Fatalf("outcome %v", got)
		}
		if store.View(views[0].Key) != views[0] {
			t.Fatal("it was applied all the same")
		}
	})
}

// Sums tell stores apart, and nothing but what is held counts.
func TestSums(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		views := evolve(t)
		if len(views) == 0 {
			t.Skip()
		}
		last := views[len(views)-1]
		p := last.Key.Partition()
		a, b := replica.New(func() naming.Instant { return 0 }, nil), replica.New(func() naming.Instant { return 0 }, nil)
		for _, v := range views {
			a.Put(v)
		}
		if empty := b.Sum(p); a.Sum(p) == empty {
			t.Fatal("an empty partition has the same sum")
		}
		b.Put(last)
		if a.Sum(p) != b.Sum(p) {
			t.Fatal("the way to a state shows in its sum")
		}
		a.Drop(last.Key, last.Revision)
		if a.Sum(p) != 0 {
			t.Fatal("something is left of a service that is gone")
		}
	})
}
