package persistence

import (
	"errors"
	"fmt"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"

	"nactor/naming"
)

// Bounds of what waits for the disk, and of one transaction.
const (
	queueLength = 8192    // batches
	maxGroup    = 8 << 20 // bytes that a group of batches may cost on the disk
)

// job is one batch on its way to the disk.
type job struct {
	batch
	done func(error)
}

// Commit implements [Store].
func (b *Bolt) Commit(records []naming.Record, done func(error)) {
	changes, err := plan(records)
	if err != nil {
		done(err)
		return
	}
	b.submit(batch{changes: changes}, done)
}

func (b *Bolt) submit(changes batch, done func(error)) {
	if err := b.enqueue(job{changes, done}); err != nil {
		done(err)
	}
}

func (b *Bolt) enqueue(j job) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.closed {
		return errClosed()
	}
	select {
	case b.jobs <- j:
		return nil
	default:
		return naming.Unavailable("the disk does not keep up: %d writes are waiting; try again later", queueLength)
	}
}

// commit is the committer: it takes all that waits, writes it in one transaction with one
// fsync, and answers. Nothing waits for a group to fill: while one is written the next
// gathers.
func (b *Bolt) commit() {
	defer b.end()
	for first := range b.jobs {
		group, cost := b.gather(first)
		told := b.failed != nil
		results, err := b.write(group, cost)
		for i, j := range group {
			if err == nil {
				j.done(results[i])
			} else {
				j.done(err)
			}
		}
		if b.failed != nil && !told {
			b.opt.Logger.Error("the store failed and takes no more writes", "err", b.failed)
			b.opt.Fatal(b.failed)
		}
	}
}

// gather takes what waits behind first, as much as one transaction should hold.
func (b *Bolt) gather(first job) (group []job, cost int64) {
	group, cost = []job{first}, first.size()
	for cost < maxGroup {
		select {
		case j, ok := <-b.jobs:
			if !ok {
				return group, cost
			}
			group, cost = append(group, j), cost+j.size()
		default:
			return group, cost
		}
	}
	return group, cost
}

// write makes a group durable. The first failure of the disk is the last write: what the
// kernel does with pages that it could not write nobody knows, and a second fsync may
// report success without them.
func (b *Bolt) write(group []job, cost int64) (results []error, err error) {
	if b.failed != nil {
		return nil, b.failed
	}
	// Refused before the disk is full a write has done no harm, and the store lives on. In
	// the middle of one it is a failed write like others.
	need := b.opt.MinFree
	if cost > maxGroup { // one very large batch
		need += 2 * cost
	}
	if free, err := b.opt.FreeSpace(b.opt.Dir); err == nil && free < need {
		return nil, diskFull(free, b.opt.Dir, need)
	}
	batches := make([]batch, len(group))
	for i, j := range group {
		batches[i] = j.batch
	}
	if results, err = b.update(batches); err != nil {
		b.failed = fmt.Errorf("write to the database %s: %w", b.path, err)
	}
	return results, b.failed
}

func diskFull(free int64, dir string, need int64) error {
	return naming.Unavailable("disk is full: %d bytes free in %s, at least %d needed; free space and retry", free, dir, need)
}

// update is one transaction. A panic of bbolt, which comes from damage, is an error like
// others.
func (b *Bolt) update(batches []batch) (results []error, err error) {
	err = update(b.db, func(tx *bbolt.Tx) error {
		results, err = applyBatches(tx, batches)
		return err
	})
	return results, err
}

func update(db *bbolt.DB, f func(*bbolt.Tx) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = damaged("%v", p)
		}
	}()
	return db.Update(f)
}

// view reads. A store that is closed is no fault.
func (b *Bolt) view(f func(*bbolt.Tx) error) error {
	err := b.db.View(f)
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return errClosed()
	}
	return err
}

func errClosed() error { return naming.Unavailable("the store is closed: the server is stopping") }

// freeSpace returns the bytes that this process may still write to dir's file system.
func freeSpace(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * st.Bsize, nil
}
