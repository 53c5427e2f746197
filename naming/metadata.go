package naming

import (
	"slices"
	"strings"
)

// Pair is one entry of [Metadata].
type Pair struct{ Key, Value string }

// Metadata is a set of string pairs, sorted by key and without duplicates. A sorted slice
// takes a fifth of a small map's memory and renders in a stable order. The zero value is
// empty. Immutable.
type Metadata []Pair

// MetadataOf returns m as Metadata.
func MetadataOf(m map[string]string) Metadata {
	if len(m) == 0 {
		return nil
	}
	md := make(Metadata, 0, len(m))
	for k, v := range m {
		md = append(md, Pair{k, v})
	}
	slices.SortFunc(md, comparePairs)
	return md
}

func comparePairs(a, b Pair) int { return strings.Compare(a.Key, b.Key) }

// Get returns the value of key and whether it is there.
func (m Metadata) Get(key string) (string, bool) {
	// Linear: metadata is small, and this is on the heartbeat path.
	for i := range m {
		if m[i].Key == key {
			return m[i].Value, true
		}
	}
	return "", false
}

// Map returns m as a new map, never nil.
func (m Metadata) Map() map[string]string {
	out := make(map[string]string, len(m))
	for _, p := range m {
		out[p.Key] = p.Value
	}
	return out
}

// Merge returns m with over's entries put over it.
func (m Metadata) Merge(over Metadata) Metadata {
	if len(over) == 0 {
		return m
	}
	if len(m) == 0 {
		return over
	}
	out := make(Metadata, 0, len(m)+len(over))
	i, j := 0, 0
	for i < len(m) && j < len(over) {
		switch c := strings.Compare(m[i].Key, over[j].Key); {
		case c < 0:
			out = append(out, m[i])
			i++
		case c > 0:
			out = append(out, over[j])
			j++
		default:
			out = append(out, over[j])
			i, j = i+1, j+1
		}
	}
	out = append(out, m[i:]...)
	return append(out, over[j:]...)
}

// Without returns m without the keys of drop.
func (m Metadata) Without(drop Metadata) Metadata {
	out := make(Metadata, 0, len(m))
	for _, p := range m {
		if _, ok := drop.Get(p.Key); !ok {
			out = append(out, p)
		}
	}
	return out
}

// Equal reports whether both hold the same pairs.
func (m Metadata) Equal(o Metadata) bool { return slices.Equal(m, o) }
