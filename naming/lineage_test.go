package naming

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestFollows(t *testing.T) {
	r := Revision{50, 3}
	long := Lineage{{40, 2}, {39, 1}, {38, 1}, {37, 1}, {36, 1}, {35, 1}, {34, 1}, {33, 1}}
	for name, c := range map[string]struct {
		l    Lineage
		o    Revision
		want bool
	}{
		"itself":                             {nil, Revision{50, 3}, true},
		"its past":                           {nil, Revision{50, 2}, true},
		"its future":                         {nil, Revision{50, 4}, false},
		"what it went on from":               {Lineage{{40, 2}}, Revision{40, 2}, true},
		"what that did afterwards":           {Lineage{{40, 2}}, Revision{40, 3}, false},
		"the other side of a cut":            {Lineage{{40, 2}}, Revision{39, 1}, false},
		"the other side of a cut, merged":    {Lineage{{40, 2}, {39, 1}}, Revision{39, 1}, true},
		"a later life":                       {Lineage{{40, 2}}, Revision{60, 1}, false},
		"what was only loaded":               {nil, Revision{Loaded, 7}, true},
		"nothing":                            {nil, Revision{}, true},
		"one before all that are remembered": {long, Revision{20, 9}, true},
		"one among those":                    {long, Revision{36, 2}, false},
	} {
		if got := r.Follows(c.l, c.o); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// What two views hold, one that merges them holds, whatever the order.
func TestLineageWith(t *testing.T) {
	lineages := rapid.Custom(func(t *rapid.T) Lineage {
		var l Lineage
		for range rapid.IntRange(0, 3).Draw(t, "lives") {
			l = l.With(Revision{rapid.Uint64Range(0, 9).Draw(t, "life"), rapid.Uint64Range(1, 5).Draw(t, "counter")}, nil)
		}
		return l
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := lineages.Draw(t, "a"), lineages.Draw(t, "b")
		r := Revision{rapid.Uint64Range(10, 12).Draw(t, "life"), 1}
		l := a.With(r, b)
		if len(l) > maxLineage || !slices.IsSortedFunc(l, func(x, y Revision) int { return y.Compare(x) }) {
			t.Fatalf("%v", l)
		}
		for _, o := range slices.Concat(a, b, Lineage{r}) {
			if !(Revision{100, 1}).Follows(l, o) {
				t.Fatalf("%v does not hold %v", l, o)
			}
		}
		if other := b.With(r, a); !other.Equal(l) {
			t.Fatalf("%v or %v", l, other)
		}
	})
}
