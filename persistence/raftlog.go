package persistence

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"
	"go.etcd.io/bbolt"
)

// raftFile is the log of a member of a cluster, with its term and vote.
const raftFile = "raft.db"

var (
	bucketLog    = []byte("log")
	bucketStable = []byte("stable")

	raftBuckets = [][]byte{bucketLog, bucketStable}
)

// raftLog is raft's [raft.LogStore] and [raft.StableStore] in one bbolt file of the same
// make as the database (doc.go). Safe for concurrent use.
//
// The first failed write is the last: from then on nothing is acknowledged. Raft panics
// when its term cannot be saved or an entry cannot be read, which would end the process
// before it can say why; such a call does not return then (halt).
type raftLog struct {
	path  string
	db    *bbolt.DB
	fatal func(error) // called once, after failed is set

	first, last atomic.Uint64 // 0: the log is empty
	bytes       atomic.Int64  // of the entries stored since the process started

	failed   atomic.Pointer[error]
	released chan struct{}
	release  sync.Once
}

var (
	_ raft.LogStore          = (*raftLog)(nil)
	_ raft.StableStore       = (*raftLog)(nil)
	_ raft.MonotonicLogStore = (*raftLog)(nil)
)

// openRaftLog opens the log beside the database of a locked directory, or makes one when
// there never was one. Errors: as [OpenRaft], without the file's name.
func openRaftLog(dir string, id *identity, openFile openFunc, fatal func(error)) (*raftLog, error) {
	l := &raftLog{path: filepath.Join(dir, raftFile), fatal: fatal, released: make(chan struct{})}
	info, err := os.Stat(l.path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !id.Member:
		if err := createFile(dir, raftFile, id, raftBuckets); err != nil {
			return nil, fmt.Errorf("make a new log: %w", err)
		}
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %s tells that there was a log of a member of a cluster", ErrLost, identityFile)
	case err != nil:
		return nil, fmt.Errorf("open the log: %w", err)
	case info.Size() == 0:
		return nil, fmt.Errorf("%w: the file is empty", ErrLost)
	}
	found, err := verifyFile(l.path, raftBuckets)
	if err != nil {
		return nil, err
	}
	if found.Store != id.Store {
		return nil, damaged("it belongs to node %s, and the database beside it to %s", found.Store, id.Store)
	}
	if !id.Member {
		id.Member = true
		if err := id.write(dir); err != nil {
			return nil, err
		}
	}
	if l.db, err = openBolt(l.path, openFile); err != nil {
		return nil, err
	}
	if err := l.db.View(l.scan); err != nil {
		return nil, errors.Join(err, l.db.Close())
	}
	return l, nil
}

// scan checks that the log has no hole and that each entry can be read.
func (l *raftLog) scan(tx *bbolt.Tx) error {
	var first, last uint64
	err := tx.Bucket(bucketLog).ForEach(func(k, v []byte) error {
		var e raft.Log
		if err := decodeLog(k, v, &e); err != nil {
			return err
		}
		if first == 0 {
			first = e.Index
		} else if e.Index != last+1 {
			return damaged("entry %d follows entry %d", e.Index, last)
		}
		last = e.Index
		return nil
	})
	l.first.Store(first)
	l.last.Store(last)
	return err
}

// IsMonotonic tells raft that the log has no holes.
func (l *raftLog) IsMonotonic() bool { return true }

// FirstIndex implements [raft.LogStore].
func (l *raftLog) FirstIndex() (uint64, error) { return l.first.Load(), nil }

// LastIndex implements [raft.LogStore].
func (l *raftLog) LastIndex() (uint64, error) { return l.last.Load(), nil }

// GetLog implements [raft.LogStore].
func (l *raftLog) GetLog(index uint64, out *raft.Log) error {
	err := l.entry(index, out)
	if err != nil && !errors.Is(err, raft.ErrLogNotFound) {
		l.halt()
	}
	return err
}

// entry is GetLog that always returns.
func (l *raftLog) entry(index uint64, out *raft.Log) error {
	err := l.read(func(tx *bbolt.Tx) error {
		k := logKey(index)
		v := tx.Bucket(bucketLog).Get(k)
		if v == nil {
			return raft.ErrLogNotFound
		}
		return decodeLog(k, v, out)
	})
	if err != nil && !errors.Is(err, raft.ErrLogNotFound) {
		return l.fail(err)
	}
	return err
}

// StoreLog implements [raft.LogStore].
func (l *raftLog) StoreLog(e *raft.Log) error { return l.StoreLogs([]*raft.Log{e}) }

// StoreLogs implements [raft.LogStore]. Entries that do not follow the last one come after
// a snapshot, which stands for all that is stored.
func (l *raftLog) StoreLogs(entries []*raft.Log) error {
	if len(entries) == 0 {
		return nil
	}
	first, last := l.first.Load(), l.last.Load()
	next := entries[0].Index
	switch {
	case last != 0 && next <= last:
		return fmt.Errorf("store log entry %d: the log holds it already, up to %d", next, last)
	case last != 0 && next > last+1:
		if err := l.DeleteRange(first, last); err != nil {
			return err
		}
		last = 0
	}
	size := 0
	err := l.write(func(b *ledger) error {
		b.tx.Bucket(bucketLog).FillPercent = 0.95 // entries are appended
		for i, e := range entries {
			if e.Index != next+uint64(i) {
				return fmt.Errorf("entry %d stands where %d should", e.Index, next+uint64(i))
			}
			payload := encodeLog(e)
			size += len(payload)
			if err := b.put(bucketLog, logKey(e.Index), payload); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	l.bytes.Add(int64(size))
	if last == 0 {
		l.first.Store(next)
	}
	l.last.Store(next + uint64(len(entries)) - 1)
	return nil
}

// deleteStep bounds a transaction that deletes entries.
const deleteStep = 512

// DeleteRange implements [raft.LogStore]: from the beginning or to the end of the log.
func (l *raftLog) DeleteRange(low, high uint64) error {
	first, last := l.first.Load(), l.last.Load()
	low, high = max(low, first), min(high, last)
	if last == 0 || low > high {
		return nil
	}
	if low != first && high != last {
		return fmt.Errorf("delete log entries %d to %d: they are in the middle of the log, %d to %d", low, high, first, last)
	}
	// From the end: what is left has no hole whenever the process ends. A log's beginning
	// is deleted from its beginning, for the same reason.
	for low <= high {
		from, to := low, min(high, low+deleteStep-1)
		if low != first {
			from, to = max(low, high-min(high, deleteStep-1)), high
		}
		if err := l.write(func(b *ledger) error {
			for i := from; i <= to; i++ {
				if err := b.delete(bucketLog, logKey(i)); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
		switch {
		case from == first && to == last:
			l.first.Store(0)
			l.last.Store(0)
			return nil
		case from == first:
			first, low = to+1, to+1
			l.first.Store(first)
		default:
			last, high = from-1, from-1
			l.last.Store(last)
		}
	}
	return nil
}

// Set implements [raft.StableStore].
func (l *raftLog) Set(key, value []byte) error {
	return l.write(func(b *ledger) error { return b.put(bucketStable, key, append([]byte{}, value...)) })
}

// Get implements [raft.StableStore].
func (l *raftLog) Get(key []byte) (value []byte, err error) {
	err = l.read(func(tx *bbolt.Tx) error {
		v := tx.Bucket(bucketStable).Get(key)
		if v == nil {
			return nil
		}
		payload, err := unseal(bucketStable, key, v)
		value = append([]byte{}, payload...)
		return err
	})
	return value, err
}

// SetUint64 implements [raft.StableStore]. It does not return without success: raft panics
// when its term cannot be saved.
func (l *raftLog) SetUint64(key []byte, value uint64) error {
	err := l.Set(key, binary.BigEndian.AppendUint64(nil, value))
	if err != nil {
		l.halt()
	}
	return err
}

// GetUint64 implements [raft.StableStore].
func (l *raftLog) GetUint64(key []byte) (uint64, error) {
	v, err := l.Get(key)
	if err != nil || len(v) == 0 {
		return 0, err
	}
	if len(v) != 8 {
		return 0, damaged("%s/%s is %d bytes long instead of 8", bucketStable, key, len(v))
	}
	return binary.BigEndian.Uint64(v), nil
}

// write is one transaction with one fsync.
func (l *raftLog) write(f func(*ledger) error) error {
	if err := l.failed.Load(); err != nil {
		return *err
	}
	err := update(l.db, func(tx *bbolt.Tx) error {
		b, err := openLedger(tx)
		if err != nil {
			return err
		}
		if err := f(b); err != nil {
			return err
		}
		return b.close()
	})
	if err != nil {
		return l.fail(fmt.Errorf("write to the log %s: %w", l.path, err))
	}
	return nil
}

func (l *raftLog) read(f func(*bbolt.Tx) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = damaged("%v", p)
		}
	}()
	if err := l.failed.Load(); err != nil {
		return *err
	}
	if err := l.db.View(f); err != nil {
		if errors.Is(err, raft.ErrLogNotFound) {
			return err
		}
		return fmt.Errorf("read the log %s: %w", l.path, err)
	}
	return nil
}

// fail latches the first failure, and returns it.
func (l *raftLog) fail(err error) error {
	if l.failed.CompareAndSwap(nil, &err) {
		l.fatal(err)
	}
	return *l.failed.Load()
}

// halt ends the calling goroutine once the log is released, which the process' end may
// come before.
func (l *raftLog) halt() {
	<-l.released
	runtime.Goexit()
}

// letGo ends what is halted.
func (l *raftLog) letGo() { l.release.Do(func() { close(l.released) }) }

func (l *raftLog) close() error {
	l.letGo()
	if err := l.db.Close(); err != nil {
		return fmt.Errorf("close the log %s: %w", l.path, err)
	}
	return nil
}
