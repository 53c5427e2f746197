package actors

import (
	"sync"
	"time"

	"nactor/actors/actorpb"
	"nactor/naming"
	"nactor/replica"
)

// feed is the log of what changed in the services of this node, for the replicas on other
// nodes. Each link reads it at its own pace; one that falls behind the oldest entry has to
// compare notes instead (see repair.go).
type feed struct {
	mu      sync.Mutex
	entries []*change // a ring; the entry of number n is at n % feedLength
	head    uint64    // number of the last entry; 0: none
	first   uint64    // number of the oldest that is kept
	seen    uint64    // number of the newest that was read
	bytes   int       // of the entries that were encoded before anybody read them
	readers int
	live    int               // readers that are not doubted; they will be in sync if they are not
	acked   map[string]uint64 // by the peers whose acknowledgements count
	minAcks int
	waiting []feedWaiter // by number
	alone   uint64       // answers given without the replicas that were asked for

	onAppend func()
	now      func() time.Time
}

// feedLength is how many changes a peer may be behind, and feedBytes how much. Changes that
// nobody has read are encoded once there are feedLazy of them: until then they hold the
// views.
const (
	feedLength = 1 << 15
	feedBytes  = 64 << 20
	feedLazy   = 256
)

// ackPatience is how long a caller waits for a replica that is believed to be there.
const ackPatience = 3 * time.Second

// change is one entry.
type change struct {
	base, next *naming.View
	key        naming.Key
	gone       naming.Revision // with next nil

	once  sync.Once
	bytes []byte
	size  int // as far as it counts in feed.bytes
}

type feedWaiter struct {
	number uint64
	since  time.Time
	done   func()
}

func newFeed(minAcks int) *feed {
	return &feed{
		entries: make([]*change, feedLength), acked: map[string]uint64{}, minAcks: minAcks,
		onAppend: func() {}, now: time.Now,
	}
}

// encoded returns the change as it travels; nil when it cannot be encoded.
func (c *change) encoded() []byte {
	c.once.Do(func() {
		d := &replica.Delta{Key: c.key, Next: c.gone, Gone: true}
		if c.next != nil {
			d = replica.Diff(c.base, c.next)
		}
		// Text that is no UTF-8 is refused by the front; what comes by other ways is
		// repaired by whole views, which would fail too: it stays on this node.
		c.bytes, _ = actorpb.EncodeDelta(d)
		c.base, c.next = nil, nil
	})
	return c.bytes
}

// append adds a change and calls done when enough replicas have it, perhaps at once.
func (f *feed) append(c *change, done func()) {
	f.mu.Lock()
	if f.readers == 0 {
		// A link that begins compares notes first.
		if f.minAcks > 0 && done != nil {
			f.alone++
		}
		f.mu.Unlock()
		if done != nil {
			done()
		}
		return
	}
	f.head++
	if old := f.entries[f.head%feedLength]; old != nil {
		f.bytes -= old.size
		f.first = max(f.first, f.head-feedLength+1)
	}
	f.entries[f.head%feedLength] = c
	if f.head-f.seen > feedLazy {
		c.size = len(c.encoded())
		f.bytes += c.size
		f.shorten()
	}
	if done != nil && f.need() < f.minAcks {
		f.alone++
	}
	if done != nil && f.need() > 0 {
		f.waiting = append(f.waiting, feedWaiter{f.head, f.now(), done})
		done = nil
	}
	f.mu.Unlock()
	f.onAppend()
	if done != nil {
		done()
	}
}

// shorten lets go of the oldest changes when they take too much memory. The lock is held.
func (f *feed) shorten() {
	for ; f.bytes > feedBytes && f.first < f.head; f.first++ {
		if old := f.entries[f.first%feedLength]; old != nil {
			f.bytes -= old.size
			f.entries[f.first%feedLength] = nil
		}
	}
}

// need returns how many acknowledgements a change needs: of a peer that is not in sync yet
// they are waited for too, if there are not enough others.
func (f *feed) need() int { return min(f.minAcks, f.live) }

// read returns up to max changes from number on. False: they are no longer there.
func (f *feed) read(number uint64, limit int) ([]*change, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if number < f.first {
		return nil, false
	}
	var out []*change
	for ; number <= f.head && len(out) < limit; number++ {
		out = append(out, f.entries[number%feedLength])
	}
	f.seen = max(f.seen, number-1)
	return out, true
}

// last returns the number of the newest change.
func (f *feed) last() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.head
}

// open makes the feed keep what is appended, for one more reader.
func (f *feed) open() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.readers++
	f.live++
}

// expect says whether one of the readers is waited for.
func (f *feed) expect(waited bool) {
	f.mu.Lock()
	if waited {
		f.live++
	} else {
		f.live--
	}
	f.release()
}

// close ends what open began.
func (f *feed) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.readers--
}

// join makes a peer one whose acknowledgements count, from number on.
func (f *feed) join(peer string, number uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.acked[peer] = max(f.acked[peer], number)
}

// ack notes that a peer holds all up to number.
func (f *feed) ack(peer string, number uint64) {
	f.mu.Lock()
	if old, ok := f.acked[peer]; !ok || old >= number {
		f.mu.Unlock()
		return
	}
	f.acked[peer] = number
	f.release()
}

// leave forgets a peer: nobody waits for it any more.
func (f *feed) leave(peer string) {
	f.mu.Lock()
	delete(f.acked, peer)
	f.release()
}

// sweep lets go of those who have waited too long.
func (f *feed) sweep() {
	f.mu.Lock()
	f.release()
}

// release answers whom it can, in order. It unlocks.
func (f *feed) release() {
	need, now := f.need(), f.now()
	n := 0
	for _, w := range f.waiting {
		late := now.Sub(w.since) > ackPatience
		if f.count(w.number) < need && !late {
			break
		}
		if late {
			f.alone++
		}
		n++
	}
	ready := f.waiting[:n:n]
	f.waiting = f.waiting[n:]
	if len(f.waiting) == 0 {
		f.waiting = nil
	}
	f.mu.Unlock()
	for _, w := range ready {
		w.done()
	}
}

func (f *feed) count(number uint64) int {
	n := 0
	for _, acked := range f.acked {
		if acked >= number {
			n++
		}
	}
	return n
}

// unreplicated returns how many changes were answered with fewer replicas than asked for.
func (f *feed) unreplicated() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.alone
}
