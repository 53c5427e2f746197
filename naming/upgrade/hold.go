package upgrade

import (
	"cmp"
	"slices"
	"strings"

	"nactor/naming"
	"nactor/naming/v1"
)

// V2Saved returns what the 2.0 structure can hold of what is saved of a service, or was
// taken from a view of either structure, and the instances that it cannot hold: where 1.x
// saved an ip:port in several clusters, all but one. The one that is held already stays.
func V2Saved(saved naming.Saved, held func(naming.Addr, bool) *naming.BeatClock) (kept naming.Saved, lost []*naming.Instance) {
	if v1.Implied(saved.Meta) {
		saved.Meta = nil
	}
	if len(saved.Instances) < 2 {
		return saved, nil
	}
	all := slices.SortedFunc(slices.Values(saved.Instances), func(a, b *naming.Instance) int {
		return cmp.Or(strings.Compare(a.IP, b.IP), cmp.Compare(a.Port, b.Port), strings.Compare(a.Cluster, b.Cluster))
	})
	one := oneEach(all, func(addr naming.Addr, ephemeral bool) *naming.BeatClock {
		if held(addr, ephemeral) == nil {
			return nil
		}
		return &naming.BeatClock{Last: 1} // later than those that are not there
	})
	if len(one) == len(all) {
		return saved, nil
	}
	saved.Instances = one
	return saved, Without(all, one)
}

// Without returns those of all that are not among kept; both are sorted by address.
func Without(all, kept []*naming.Instance) (lost []*naming.Instance) {
	for _, in := range all {
		if len(kept) > 0 && kept[0].Addr() == in.Addr() && kept[0].Ephemeral == in.Ephemeral {
			kept = kept[1:]
		} else {
			lost = append(lost, in)
		}
	}
	return lost
}

// V2Heritage returns what the 2.0 structure can take over of a heritage, which may have
// been left by either structure.
func V2Heritage(h naming.Heritage) naming.Heritage {
	all := h.View.Instances
	one := oneEach(all, func(addr naming.Addr, ephemeral bool) *naming.BeatClock {
		for i, in := range all {
			if i < len(h.Silent) && in.Addr() == addr && in.Ephemeral == ephemeral {
				return &naming.BeatClock{Last: naming.Instant(-h.Silent[i])}
			}
		}
		return nil
	})
	if len(one) == len(all) {
		return h
	}
	out := naming.Heritage{View: V2View(h.View, nobody), Removed: h.Removed}
	out.View.Instances = one
	for i, rest := 0, one; i < len(all) && len(rest) > 0; i++ {
		if all[i] == rest[0] {
			rest = rest[1:]
			if i < len(h.Silent) {
				out.Silent = append(out.Silent, h.Silent[i])
			}
			if i < len(h.Granted) {
				out.Granted = append(out.Granted, h.Granted[i])
			}
		}
	}
	return out
}

// nobody was ever heard of.
func nobody(naming.Addr, bool) *naming.BeatClock { return nil }
