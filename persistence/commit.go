package persistence

import (
	"fmt"

	"go.etcd.io/bbolt"
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
	changes []change
	done    func(error)
}

func (j job) size() (n int64) {
	for _, c := range j.changes {
		n += c.size()
	}
	return n
}

// Commit implements [Store].
func (b *Bolt) Commit(batch []naming.Record, done func(error)) {
	changes, err := plan(batch)
	if err != nil {
		done(err)
		return
	}
	b.submit(changes, done)
}

func (b *Bolt) submit(changes []change, done func(error)) {
	if err := b.enqueue(job{changes, done}); err != nil {
		done(err)
	}
}

func (b *Bolt) enqueue(j job) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.closed {
		return naming.Unavailable("the store is closed: the server is stopping")
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
		err := b.write(group, cost)
		for _, j := range group {
			j.done(err)
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
func (b *Bolt) write(group []job, cost int64) error {
	if b.failed != nil {
		return b.failed
	}
	// Refused before the disk is full a write has done no harm, and the store lives on. In
	// the middle of one it is a failed write like others.
	need := b.opt.MinFree
	if cost > maxGroup { // one very large batch
		need += 2 * cost
	}
	if free, err := b.opt.FreeSpace(b.opt.Dir); err == nil && free < need {
		return naming.Unavailable("disk is full: %d bytes free in %s, at least %d needed; free space and retry", free, b.opt.Dir, need)
	}
	var changes []change
	for _, j := range group {
		changes = append(changes, j.changes...)
	}
	if err := b.update(changes); err != nil {
		b.failed = fmt.Errorf("write to the database %s: %w", b.path, err)
	}
	return b.failed
}

// update is one transaction. A panic of bbolt, which comes from damage, is an error like
// others.
func (b *Bolt) update(changes []change) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = damaged("%v", p)
		}
	}()
	return b.db.Update(func(tx *bbolt.Tx) error { return apply(tx, changes) })
}

// freeSpace returns the bytes that this process may still write to dir's file system.
func freeSpace(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * st.Bsize, nil
}
