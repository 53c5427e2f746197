package naming

import (
	"cmp"
	"slices"
)

// Revision numbers the views of a service. Activation grows with each life of the
// service's grain, Counter with each change within one life.
type Revision struct{ Activation, Counter uint64 }

// Loaded is the activation of views that no grain has shown yet: each node reads them from
// its own store, which may be behind the others'. No life holds less.
const Loaded = 1

// Compare orders revisions.
func (r Revision) Compare(o Revision) int {
	return cmp.Or(cmp.Compare(r.Activation, o.Activation), cmp.Compare(r.Counter, o.Counter))
}

// Lineage says what a view holds beyond its own life: the last revision of each life that
// this one went on from, or that was merged into it. The latest life comes first. Immutable.
type Lineage []Revision

// maxLineage bounds how many lives are told apart. Parts of a cluster that went on by
// themselves for longer than that many lives of a service are taken for one.
const maxLineage = 8

// Follows reports whether a view at revision r with this lineage holds all that a view at o
// did, as far as revisions can tell.
func (r Revision) Follows(l Lineage, o Revision) bool {
	switch {
	case o.Activation == r.Activation:
		return r.Counter >= o.Counter
	case o.Activation <= Loaded:
		return true
	}
	for _, known := range l {
		if known.Activation == o.Activation {
			return known.Counter >= o.Counter
		}
	}
	return len(l) == maxLineage && o.Activation < l[maxLineage-1].Activation
}

// With returns the lineage of a life that holds this and a view of another life.
func (l Lineage) With(r Revision, of Lineage) Lineage {
	all := append(slices.Clone(l), of...)
	if r.Activation > Loaded {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b Revision) int { return b.Compare(a) })
	all = slices.CompactFunc(all, func(a, b Revision) bool { return a.Activation == b.Activation })
	return slices.Clip(all[:min(len(all), maxLineage)])
}

// Equal reports whether both say the same.
func (l Lineage) Equal(o Lineage) bool { return slices.Equal(l, o) }
