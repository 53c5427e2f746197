package actors

import (
	"sync"

	"nactor/naming"
)

// A grain may know of changes in the store that its node has not read yet: the node that it
// took the service over from had. What this node reads of the store would undo them, so the
// grain waits until it has read as far.

// behind knows which services wait for how far in the store's log.
type behind struct {
	mu   sync.Mutex
	want map[naming.Key]uint64
}

// await has a service reconciled once this node has read the store's log up to index.
func (b *behind) await(key naming.Key, index uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.want == nil {
		b.want = map[naming.Key]uint64{}
	}
	b.want[key] = max(b.want[key], index)
}

// reached returns the services that wait no longer.
func (b *behind) reached(index uint64) []naming.Key {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []naming.Key
	for key, want := range b.want {
		if want <= index {
			out = append(out, key)
			delete(b.want, key)
		}
	}
	return out
}

// wakeBehind reconciles the services whose wait is over.
func (s *Services) wakeBehind() {
	if s.StoreIndex == nil {
		return
	}
	if keys := s.behind.reached(s.StoreIndex()); len(keys) > 0 {
		s.Reconcile(keys)
	}
}
