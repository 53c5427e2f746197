package actors

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nactor/cluster"
	"nactor/naming"
)

func TestBehind(t *testing.T) {
	var b behind
	if got := b.reached(100); len(got) > 0 {
		t.Errorf("nobody waits, and %v are woken", got)
	}
	b.await(testKey(1), 7)
	b.await(testKey(1), 5) // what it knew before does not count any more
	b.await(testKey(2), 5)
	for _, step := range []struct {
		index uint64
		want  []naming.Key
	}{{4, nil}, {5, []naming.Key{testKey(2)}}, {6, nil}, {8, []naming.Key{testKey(1)}}, {9, nil}} {
		if got := b.reached(step.index); !slices.Equal(got, step.want) {
			t.Errorf("at %d %v are woken, not %v", step.index, got, step.want)
		}
	}
}

// lagging is a store that this node has read a part of.
type lagging struct {
	mu    sync.Mutex
	index uint64
	saved map[naming.Key]naming.Saved
}

func (l *lagging) read(index uint64, key naming.Key, instances ...*naming.Instance) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.index = index
	l.saved = map[naming.Key]naming.Saved{key: {Key: key, Instances: instances, Overlays: map[naming.Addr]*naming.Overlay{}}}
}

func (l *lagging) config() Config {
	return Config{
		Identity: cluster.Identity,
		Saved: func(key naming.Key) (naming.Saved, bool) {
			l.mu.Lock()
			defer l.mu.Unlock()
			sv, ok := l.saved[key]
			return sv, ok
		},
		StoreIndex: func() uint64 {
			l.mu.Lock()
			defer l.mu.Unlock()
			return l.index
		},
	}
}

// addresses returns whom a node shows.
func addresses(s *Services, key naming.Key) []string {
	var out []string
	if v := s.Views.View(key); v != nil {
		for _, in := range v.Instances {
			out = append(out, in.IP)
		}
	}
	return out
}

// A grain keeps what the owner before it had read in the store, until this node has read as
// far.
func TestGrainWaitsForTheStore(t *testing.T) {
	key := testKey(1)
	kept, added, gone := testInstance(1, false), testInstance(2, false), testInstance(3, false)
	theirs := &naming.View{
		Key: key, Revision: naming.Revision{Activation: 5, Counter: 9}, Stored: 10, Instances: []*naming.Instance{kept, added},
	}
	follow := func(t *testing.T, s *Services, store *lagging) {
		t.Helper()
		at := func(when string, want ...string) {
			t.Helper()
			time.Sleep(time.Second)
			if got := addresses(s, key); !slices.Equal(got, want) {
				t.Errorf("%s it shows %v, not %v", when, got, want)
			}
		}
		at("after the take-over", kept.IP, added.IP)
		store.read(9, key, kept, gone)
		s.Reconcile([]naming.Key{key})
		at("when the store is almost there", kept.IP, added.IP)
		store.read(10, key, kept, added)
		at("when the store is there", kept.IP, added.IP)
		store.read(11, key, added)
		s.Reconcile([]naming.Key{key})
		at("when the store has gone on", added.IP)
	}
	t.Run("awakened", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			store := &lagging{}
			store.read(5, key, kept, gone)
			s := amongOthers(t, store.config(), nil)
			run(t, s)
			s.Views.Put(theirs)
			s.Follow(ringOf(1, "a"))
			follow(t, s, store)
		})
	})
	t.Run("inherited", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			store := &lagging{}
			store.read(5, key, kept, gone)
			s := amongOthers(t, store.config(), nil)
			run(t, s)
			s.Follow(ringOf(1, "a"))
			if err := s.AwaitOpen(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.Views.Put(&naming.View{Key: key, Revision: naming.Revision{Activation: 4, Counter: 1}, Stored: 5, Instances: []*naming.Instance{kept, gone}})
			s.post(key, &rouse{})
			time.Sleep(time.Second)
			s.keeper.merge(naming.Heritage{View: theirs})
			follow(t, s, store)
		})
	})
	// Nobody tells the grain that the store is there: the node looks.
	t.Run("without a word", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			store := &lagging{}
			store.read(5, key, kept, gone)
			s := amongOthers(t, store.config(), nil)
			run(t, s)
			s.Views.Put(theirs)
			s.Follow(ringOf(1, "a"))
			time.Sleep(time.Second)
			store.read(12, key, kept)
			time.Sleep(time.Second)
			if got := addresses(s, key); !slices.Equal(got, []string{kept.IP}) {
				t.Errorf("it shows %v, and the store holds %s", got, kept.IP)
			}
		})
	})
}
