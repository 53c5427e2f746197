package replica

import (
	"context"
	"math/bits"

	"nactor/naming"
)

// Sum returns a digest of what is held of a partition: two stores that hold the same
// revisions have the same sum.
func (s *Store) Sum(partition int) uint64 {
	sh := &s.shards[partition]
	sh.RLock()
	defer sh.RUnlock()
	return sh.sum
}

// Partition returns the views of a partition, in no particular order.
func (s *Store) Partition(partition int) []*naming.View {
	sh := &s.shards[partition]
	sh.RLock()
	defer sh.RUnlock()
	out := make([]*naming.View, 0, len(sh.entries))
	for _, e := range sh.entries {
		if e.view != nil {
			out = append(out, e.view)
		}
	}
	return out
}

// Replace publishes v in the place of base. It reports false, and does nothing, when base
// is not the view that is held.
func (s *Store) Replace(base, v *naming.View) bool { return s.put(v, base) }

// sum is a view's share of its partition's sum.
func sum(v *naming.View) uint64 {
	x := v.Key.Hash() ^ bits.RotateLeft64(v.Revision.Activation*0x9e3779b97f4a7c15, 31) ^ v.Revision.Counter*0xbf58476d1ce4e5b9
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	return x ^ x>>32
}

// waiting is somebody who waits for a revision.
type waiting struct {
	rev  naming.Revision
	done chan struct{}
}

// Await waits until the view of a service at rev, or a later one, is shown here, or the
// service is gone by then; with absent, one that is not shown at all will do. It reports
// false when ctx ended first.
func (s *Store) Await(ctx context.Context, key naming.Key, rev naming.Revision, absent bool) bool {
	sh := s.shard(key)
	sh.Lock()
	e := sh.entries[key]
	shown := e != nil && e.view != nil
	if shown && e.view.Revision.Compare(rev) >= 0 || !shown && absent {
		sh.Unlock()
		return true
	}
	if sh.waiting == nil {
		sh.waiting = map[naming.Key][]waiting{}
	}
	w := waiting{rev, make(chan struct{})}
	sh.waiting[key] = append(sh.waiting[key], w)
	sh.Unlock()
	select {
	case <-w.done:
		return true
	case <-ctx.Done():
	}
	sh.Lock()
	defer sh.Unlock()
	list := sh.waiting[key]
	for i := range list {
		if list[i] == w {
			sh.keep(key, append(list[:i:i], list[i+1:]...))
			break
		}
	}
	return false
}

// tell wakes those who wait for rev or an earlier revision.
func (sh *shard) tell(key naming.Key, rev naming.Revision) {
	list := sh.waiting[key]
	if len(list) == 0 {
		return
	}
	var rest []waiting
	for _, w := range list {
		if rev.Compare(w.rev) >= 0 {
			close(w.done)
		} else {
			rest = append(rest, w)
		}
	}
	sh.keep(key, rest)
}

func (sh *shard) keep(key naming.Key, list []waiting) {
	if len(list) == 0 {
		delete(sh.waiting, key)
	} else {
		sh.waiting[key] = list
	}
}
