package simtest

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"nactor/naming"
	"nactor/naming/namingtest"
)

// ledger is what the nodes have agreed to write down: a log of batches that a node may add
// to while it reaches a majority, and that every node reads in order. It stands for the
// store that the nodes share.
type ledger struct {
	w  *world
	mu sync.Mutex

	batches []entry
	disks   map[string]*disk
	newest  document   // version of what the nodes share
	rand    *rand.Rand // of answers that are lost
}

type entry struct {
	by       string
	records  []naming.Record
	document *document
}

// document is what the nodes share besides services; there is one.
type document struct {
	name    string
	value   []byte
	version uint64
}

// disk is what one host has read of the ledger. It outlives the host's processes.
type disk struct {
	applied  int
	state    namingtest.Ledger
	document document
}

const (
	commitTime     = 2 * time.Millisecond
	commitPatience = time.Second
	readEvery      = 250 * time.Millisecond
)

func newLedger(w *world) *ledger {
	return &ledger{w: w, disks: map[string]*disk{}, rand: rand.New(rand.NewPCG(w.seed, 600))}
}

// store is the ledger as one node sees it. It implements actors.Committer.
type store struct {
	*ledger
	n *node
}

// Commit implements actors.Committer.
func (s store) Commit(batch []naming.Record, done func(error)) {
	time.AfterFunc(commitTime, func() {
		if !s.n.host.Alive() {
			return
		}
		if !s.w.majority(s.n.name) {
			time.AfterFunc(commitPatience, func() { done(naming.Unavailable("the store has no leader; try again later")) })
			return
		}
		s.mu.Lock()
		s.batches = append(s.batches, entry{by: s.n.name, records: slices.Clone(batch)})
		for _, r := range batch {
			s.w.trace("%s writes down %s %s, gone: %v", s.n.name, r.Key.Name, r.Addr.IP, r.Delete)
		}
		s.mu.Unlock()
		s.read()
		done(nil)
	})
}

// disk returns the disk of the node. The lock is held.
func (s store) disk() *disk {
	d := s.disks[s.n.name]
	if d == nil {
		d = &disk{state: namingtest.Ledger{}}
		s.disks[s.n.name] = d
	}
	return d
}

// read takes over what was written since, when the node can know of it.
func (s store) read() {
	if !s.n.host.Alive() || !s.w.majority(s.n.name) {
		return
	}
	var others []naming.Key
	news := false
	s.mu.Lock()
	d := s.disk()
	for _, e := range s.batches[d.applied:] {
		d.state.Write(e.records)
		if e.document != nil {
			d.document, news = *e.document, true
		}
		if e.by == s.n.name {
			continue
		}
		for _, r := range e.records {
			if !slices.Contains(others, r.Key) {
				others = append(others, r.Key)
			}
		}
	}
	d.applied = len(s.batches)
	now := d.document
	s.mu.Unlock()
	if tell := s.n.onDocument.Load(); news && tell != nil {
		(*tell)(now.name, now.value, now.version)
	}
	if len(others) > 0 {
		s.n.services.Reconcile(others)
	}
}

// index returns how far the node has read.
func (s store) index() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return uint64(s.disk().applied)
}

// behind reports whether there is more to read.
func (s store) behind() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.disk().applied < len(s.batches)
}

// Document implements upgrade.Store.
func (s store) Document(string) ([]byte, uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.disk().document
	return d.value, d.version, nil
}

// OnDocument implements upgrade.Store.
func (s store) OnDocument(f func(name string, value []byte, version uint64)) {
	s.n.onDocument.Store(&f)
}

var errConflict = errors.New("the document has another version")

// PutDocument implements upgrade.Store. Now and then it writes and says that it may not
// have.
func (s store) PutDocument(ctx context.Context, name string, version uint64, value []byte) (uint64, error) {
	time.Sleep(commitTime)
	if !s.n.host.Alive() || !s.w.majority(s.n.name) {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	s.mu.Lock()
	if s.newest.version != version {
		s.mu.Unlock()
		return 0, errConflict
	}
	s.newest = document{name, slices.Clone(value), version + 1}
	s.w.judge.decided(s.n, s.newest)
	d := s.newest
	s.batches = append(s.batches, entry{by: s.n.name, document: &d})
	lost := s.rand.IntN(8) == 0
	s.mu.Unlock()
	s.read()
	if lost {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	return version + 1, nil
}

// follow reads on until the node ends.
func (s store) follow() {
	t := time.NewTicker(readEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			s.read()
		case <-s.n.life.Done():
			return
		}
	}
}

// saved returns what the node's disk holds of a service.
func (s store) saved(key naming.Key) (naming.Saved, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sv := s.disk().state.Saved(key)
	return sv, sv.Meta != nil || len(sv.Instances) > 0 || len(sv.Overlays) > 0
}

// written lists the persistent instances of a service on the node's disk.
func (s store) written(key naming.Key) []string {
	sv, _ := s.saved(key)
	var out []string
	for _, in := range sv.Instances {
		out = append(out, in.IP)
	}
	return out
}

// all returns everything that the node's disk holds.
func (s store) all() iter.Seq2[naming.Saved, error] {
	s.mu.Lock()
	var keys []naming.Key
	for key := range s.disk().state {
		keys = append(keys, key)
	}
	s.mu.Unlock()
	slices.SortFunc(keys, naming.Key.Compare)
	return func(yield func(naming.Saved, error) bool) {
		for _, key := range keys {
			if sv, ok := s.saved(key); ok && !yield(sv, nil) {
				return
			}
		}
	}
}
