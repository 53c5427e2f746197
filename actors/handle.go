package actors

import (
	"sync"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"

	"nactor/naming"
)

// maxPending bounds how many unanswered calls a service may have; more are refused, so
// that a flooded service costs a bounded amount of memory.
const maxPending = 10_000

// handle is the way to a service's grain on this node. It counts the calls under way, so
// that a grain never retires with one in its mailbox.
type handle struct {
	key     naming.Key
	part    int          // partition of key
	pending atomic.Int64 // unanswered calls; retired: a large negative number
	once    sync.Once
	pid     atomic.Pointer[actor.PID] // set once the grain has been found

	// batch is the commit under way, nil if none. It belongs to the grain but outlives a
	// restart of it: what is durable must be shown.
	batch *batch
}

const retired = -1 << 40

// acquire announces a call. busy: too many are under way; gone: the grain has retired, ask
// for the handle again.
func (h *handle) acquire() (ok, busy bool) {
	switch n := h.pending.Add(1); {
	case n <= 0:
		h.pending.Add(-1)
		return false, false
	case n > maxPending:
		h.pending.Add(-1)
		return false, true
	}
	return true, false
}

// retire reports whether no call is under way and none will come any more.
func (h *handle) retire() bool { return h.pending.CompareAndSwap(0, retired) }

// handles finds the handles of the services that are active here.
type handles struct {
	shards [64]handleShard
	count  atomic.Int64
}

type handleShard struct {
	sync.RWMutex
	by map[naming.Key]*handle
}

func newHandles() *handles { return &handles{} }

func (hs *handles) shard(partition int) *handleShard { return &hs.shards[partition%len(hs.shards)] }

// find returns the handle of an active service, or nil.
func (hs *handles) find(key naming.Key) *handle {
	sh := hs.shard(key.Partition())
	sh.RLock()
	defer sh.RUnlock()
	return sh.by[key]
}

// active reports whether a service has a grain here, or is about to.
func (hs *handles) active(key naming.Key) bool { return hs.find(key) != nil }

// partition returns the handles of the active services of a partition.
func (hs *handles) partition(p int) []*handle {
	sh := hs.shard(p)
	sh.RLock()
	defer sh.RUnlock()
	var out []*handle
	for _, h := range sh.by {
		if h.part == p {
			out = append(out, h)
		}
	}
	return out
}

// of returns the handle of a service, a new one if there is none.
func (hs *handles) of(key naming.Key) *handle {
	if h := hs.find(key); h != nil {
		return h
	}
	p := key.Partition()
	sh := hs.shard(p)
	sh.Lock()
	defer sh.Unlock()
	h := sh.by[key]
	if h == nil {
		if sh.by == nil {
			sh.by = map[naming.Key]*handle{}
		}
		h = &handle{key: key, part: p}
		sh.by[key] = h
		hs.count.Add(1)
	}
	return h
}

// drop removes a retired handle.
func (hs *handles) drop(h *handle) {
	sh := hs.shard(h.part)
	sh.Lock()
	defer sh.Unlock()
	if sh.by[h.key] == h {
		delete(sh.by, h.key)
		hs.count.Add(-1)
	}
}

// all returns the handles of all active services.
func (hs *handles) all() []*handle {
	out := make([]*handle, 0, hs.count.Load())
	for i := range hs.shards {
		sh := &hs.shards[i]
		sh.RLock()
		for _, h := range sh.by {
			out = append(out, h)
		}
		sh.RUnlock()
	}
	return out
}
