package persistence

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"
	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"nactor/naming"
)

// machine is the state machine: the database, changed by log entries. How far it is stands
// in it, so an entry that comes a second time is known. Raft calls it from one goroutine.
//
// Its records are in the bucket of settings:
//
//	raft/applied          index and term of the last entry, 8 bytes big endian each
//	raft/configuration    index of its entry, 8 bytes; raft's encoding of the members
//	raft/origin/<node>    the node's last command: start and number, 8 bytes each; a bit for
//	                      each batch, set when it conflicted
type machine struct {
	dir, path string
	id        *identity
	start     uint64 // of this node: what has another one is not from this process
	options   bbolt.Options
	fatal     func(error) // called once, after failed is set
	changed   func(applied)
	logger    interface{ Error(string, ...any) }

	db      atomic.Pointer[bbolt.DB]
	index   atomic.Uint64 // of the last entry
	failed  atomic.Pointer[error]
	pending atomic.Int64 // bytes applied since the last snapshot
	old     sync.WaitGroup
}

var _ raft.BatchingFSM = (*machine)(nil)

// applied tells what a transaction did.
type applied struct {
	commands []outcome
	restored bool // by a snapshot: commands tells nothing
	members  bool
	keys     []naming.Key
	settings bool
	names    []string // of documents
}

// outcome is what became of a command's batches.
type outcome struct {
	origin  origin
	results []error
}

// entry is a place in the log.
type entry struct{ index, term uint64 }

// mapped is how much of the database may be mapped before a writer has to wait for readers:
// address space, not memory. A snapshot may read for long, and raft's main loop wait for it.
const mapped = 8 << 30

func openMachine(m *machine) error {
	o := m.options
	db, err := openBoltWith(m.path, &o)
	if err != nil {
		return err
	}
	m.db.Store(db)
	return m.view(func(tx *bbolt.Tx) error {
		at, err := readApplied(tx)
		m.index.Store(at.index)
		return err
	})
}

func readApplied(tx *bbolt.Tx) (e entry, err error) {
	v := tx.Bucket(bucketSettings).Get(keyApplied)
	if v == nil {
		return e, nil
	}
	b, err := unseal(bucketSettings, keyApplied, v)
	if err != nil {
		return e, err
	}
	if len(b) != 16 {
		return e, damaged("record %s/%s is %d bytes long instead of 16", bucketSettings, keyApplied, len(b))
	}
	return entry{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}, nil
}

func originKey(node string) []byte { return append(bytes.Clone(originPrefix), node...) }

// readOutcome returns what became of a node's last command.
func readOutcome(tx *bbolt.Tx, node string) (o outcome, err error) {
	o.origin.node = node
	key := originKey(node)
	v := tx.Bucket(bucketSettings).Get(key)
	if v == nil {
		return o, nil
	}
	b, err := unseal(bucketSettings, key, v)
	if err != nil {
		return o, err
	}
	r := reader{rest: b}
	if h := r.take(16); h != nil {
		o.origin.start, o.origin.number = binary.BigEndian.Uint64(h), binary.BigEndian.Uint64(h[8:])
	}
	if n := r.number(); n <= uint64(len(r.rest))*8 {
		o.results = make([]error, n)
	} else {
		r.fail("%d results in %d bytes", n, len(r.rest))
	}
	for i := range o.results {
		if i/8 >= len(r.rest) {
			r.fail("cut short")
			break
		}
		if r.rest[i/8]&(1<<(i%8)) != 0 {
			o.results[i] = ErrConflict
		}
	}
	if r.err != nil {
		return o, damaged("record %s/%q: %w", bucketSettings, key, r.err)
	}
	return o, nil
}

func (o outcome) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, o.origin.start)
	b = binary.BigEndian.AppendUint64(b, o.origin.number)
	b = binary.AppendUvarint(b, uint64(len(o.results)))
	bits := make([]byte, (len(o.results)+7)/8)
	for i, err := range o.results {
		if err != nil {
			bits[i/8] |= 1 << (i % 8)
		}
	}
	return append(b, bits...)
}

// Apply implements [raft.FSM].
func (m *machine) Apply(e *raft.Log) any { return m.ApplyBatch([]*raft.Log{e})[0] }

// ApplyBatch implements [raft.BatchingFSM]: one transaction for all. An answer is nil, or
// the error that keeps this node from working.
func (m *machine) ApplyBatch(entries []*raft.Log) []any {
	answers := make([]any, len(entries))
	if err := m.applyAll(entries); err != nil {
		for i := range answers {
			answers[i] = err
		}
	}
	return answers
}

func (m *machine) applyAll(entries []*raft.Log) error {
	// After a failure nothing is applied: a later entry without an earlier one would make
	// another database of it.
	if err := m.failed.Load(); err != nil {
		return *err
	}
	if last := entries[len(entries)-1].Index; last <= m.index.Load() {
		return nil // known from before the restart
	}
	var did applied
	err := update(m.db.Load(), func(tx *bbolt.Tx) error {
		did = applied{}
		books, err := openLedger(tx)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if e.Index <= m.index.Load() {
				continue
			}
			if err := m.applyEntry(books, e, &did); err != nil {
				return fmt.Errorf("entry %d: %w", e.Index, err)
			}
		}
		last := entries[len(entries)-1]
		b := binary.BigEndian.AppendUint64(nil, last.Index)
		if err := books.put(bucketSettings, keyApplied, binary.BigEndian.AppendUint64(b, last.Term)); err != nil {
			return err
		}
		return books.close()
	})
	if err != nil {
		return m.fail(fmt.Errorf("write to the database %s: %w", m.path, err))
	}
	m.index.Store(entries[len(entries)-1].Index)
	for _, e := range entries {
		m.pending.Add(int64(len(e.Data)))
	}
	m.changed(did)
	return nil
}

func (m *machine) applyEntry(books *ledger, e *raft.Log, did *applied) error {
	switch e.Type {
	case raft.LogConfiguration:
		did.members = true
		return books.put(bucketSettings, keyConfiguration, append(logKey(e.Index), e.Data...))
	case raft.LogCommand:
	default:
		return nil
	}
	c, err := decodeCommand(e.Data)
	var newer newerCommand
	switch {
	case errors.As(err, &newer):
		return err
	case err != nil:
		// Nobody lets such an entry into the log. All nodes read it alike, so all skip it.
		m.logger.Error("a log entry cannot be read and is skipped", "index", e.Index, "err", err)
		return nil
	}
	last, err := readOutcome(books.tx, c.origin.node)
	if err != nil {
		return err
	}
	if !c.origin.after(last.origin) {
		return nil // it was sent twice
	}
	o := outcome{c.origin, make([]error, len(c.batches))}
	for i, b := range c.batches {
		if o.results[i], err = books.apply(b); err != nil {
			return err
		}
		if o.results[i] == nil {
			did.note(b.changes, c.origin.node != m.id.Store || c.origin.start != m.start)
		}
	}
	did.commands = append(did.commands, o)
	return books.put(bucketSettings, originKey(c.origin.node), o.encode())
}

// note takes down what changes touched: services, if another process sent them.
func (a *applied) note(changes []change, foreign bool) {
	for _, c := range changes {
		switch string(c.bucket) {
		case string(bucketNamespaces):
			a.settings = true
		case string(bucketSettings):
			if name, ok := bytes.CutPrefix(c.key, []byte(documentPrefix)); ok {
				a.names = append(a.names, string(name))
			} else {
				a.settings = true
			}
		default:
			if !foreign {
				continue
			}
			if k, ok, _ := touched(c.bucket, c.key); ok && (len(a.keys) == 0 || a.keys[len(a.keys)-1] != k) {
				a.keys = append(a.keys, k)
			}
		}
	}
}

// fail latches the first failure, and returns it.
func (m *machine) fail(err error) error {
	if m.failed.CompareAndSwap(nil, &err) {
		m.fatal(err)
	}
	return *m.failed.Load()
}

// view reads. A snapshot may replace the database meanwhile: then the new one is read.
func (m *machine) view(f func(*bbolt.Tx) error) error {
	for {
		db := m.db.Load()
		err := db.View(f)
		switch {
		case !errors.Is(err, berrors.ErrDatabaseNotOpen):
			return err
		case db == m.db.Load():
			return errClosed()
		}
	}
}

// Snapshot implements [raft.FSM].
func (m *machine) Snapshot() (raft.FSMSnapshot, error) {
	if err := m.failed.Load(); err != nil {
		return nil, *err
	}
	tx, err := m.db.Load().Begin(false)
	if err != nil {
		return nil, fmt.Errorf("read %s for a snapshot: %w", m.path, err)
	}
	m.pending.Store(0)
	return &snapshot{tx}, nil
}

// Restore implements [raft.FSM]: another database takes the place of this one. Until it
// has done so, in one step, the old one stays.
func (m *machine) Restore(from io.ReadCloser) error {
	defer from.Close() // it was only read
	if err := m.failed.Load(); err != nil {
		return *err
	}
	if err := m.restore(from); err != nil {
		return fmt.Errorf("restore %s from a snapshot: %w", m.path, err)
	}
	return nil
}

func (m *machine) restore(from io.Reader) error {
	path, err := buildFromSnapshot(from, m.dir, m.id)
	if err != nil {
		return err // the old database is as it was
	}
	o := m.options
	db, err := openBoltWith(path, &o)
	if err != nil {
		return err
	}
	if err := errors.Join(os.Rename(path, m.path), syncDir(filepath.Dir(m.path))); err != nil {
		// Which one the next start would find is not known.
		return m.fail(errors.Join(err, db.Close()))
	}
	before := m.db.Swap(db)
	keys := map[naming.Key]bool{} // also those that are no more
	for _, d := range []*bbolt.DB{before, db} {
		if err := d.View(func(tx *bbolt.Tx) error { return collectKeys(tx, keys) }); err != nil {
			return m.fail(err)
		}
	}
	var at entry
	if err := db.View(func(tx *bbolt.Tx) error { at, err = readApplied(tx); return err }); err != nil {
		return m.fail(err)
	}
	// Who reads the old one does so to the end. A snapshot among them may wait for raft's
	// main loop, which waits for this call.
	m.old.Go(func() { _ = before.Close() })
	m.index.Store(at.index)
	m.pending.Store(0)
	did := applied{restored: true, settings: true}
	for k := range keys {
		did.keys = append(did.keys, k)
	}
	slices.SortFunc(did.keys, naming.Key.Compare)
	if err := m.view(func(tx *bbolt.Tx) error {
		return eachWith(tx.Bucket(bucketSettings), []byte(documentPrefix), func(k, _ []byte) error {
			did.names = append(did.names, string(k[len(documentPrefix):]))
			return nil
		})
	}); err != nil {
		return m.fail(err)
	}
	m.changed(did)
	return nil
}

// collectKeys gathers the services that have records.
func collectKeys(tx *bbolt.Tx, into map[naming.Key]bool) error {
	for _, bucket := range [][]byte{bucketServices, bucketInstances, bucketOverlays} {
		if err := tx.Bucket(bucket).ForEach(func(k, _ []byte) error {
			key, _, err := touched(bucket, k)
			into[key] = true
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

func (m *machine) close() error {
	err := m.db.Load().Close()
	m.old.Wait()
	if err != nil {
		return fmt.Errorf("close the database %s: %w", m.path, err)
	}
	return nil
}
