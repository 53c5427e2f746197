package cluster

import "slices"

// Partitions is how many shares the identities are divided into. A share moves as a whole.
// All nodes of a cluster must agree on it.
const Partitions = 1024

// Ring says which node owns which partition: the one with the highest weight of all that
// are ready (rendezvous hashing), so that a node that comes or goes moves its own share
// only. Immutable; nodes that know of the same members have equal rings.
type Ring struct {
	id    uint64
	ids   []string // sorted
	owner [Partitions]uint16
}

func newRing(ids []string) *Ring {
	slices.Sort(ids)
	r := &Ring{ids: ids, id: uint64(len(ids))}
	seeds := make([]uint64, len(ids))
	for i, id := range ids {
		seeds[i] = hash(id)
		r.id = mix(r.id ^ seeds[i])
	}
	for p := range r.owner {
		var best uint64
		for i, seed := range seeds {
			if w := mix(seed ^ mix(uint64(p)+1)); i == 0 || w > best {
				best, r.owner[p] = w, uint16(i)
			}
		}
	}
	return r
}

// ID is the same on all nodes with the same ring.
func (r *Ring) ID() uint64 { return r.id }

// Owners returns the node ids that share the partitions, sorted. Do not modify.
func (r *Ring) Owners() []string { return r.ids }

// Owner returns the id of the node that owns a partition; "" when no node is ready.
func (r *Ring) Owner(partition int) string {
	if len(r.ids) == 0 {
		return ""
	}
	return r.ids[r.owner[partition]]
}

// hash is FNV-1a.
func hash(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

// mix spreads the bits of x (the finalizer of splitmix64).
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}
