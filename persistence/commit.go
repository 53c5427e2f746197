package persistence

import (
	"fmt"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"nactor/naming"
)

// Bounds of what waits for the disk, and of one transaction.
const (
	queueLength = 8192
	maxGroup    = 4096 // batches in one transaction
)

// job is one batch on its way to the disk.
type job struct {
	changes []change
	done    func(error)
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
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.closed {
		done(naming.Unavailable("the store is closed: the server is stopping"))
		return
	}
	select {
	case b.jobs <- job{changes, done}:
	default:
		done(naming.Unavailable("the disk does not keep up: %d writes are waiting; try again later", queueLength))
	}
}

// commit is the committer: it takes all that waits, writes it in one transaction with one
// fsync, and answers.
func (b *Bolt) commit() {
	for first := range b.jobs {
		group := []job{first}
	gather:
		for len(group) < maxGroup {
			select {
			case j, ok := <-b.jobs:
				if !ok {
					break gather
				}
				group = append(group, j)
			default:
				break gather
			}
		}
		err := b.write(group)
		for _, j := range group {
			j.done(err)
		}
	}
}

// write makes a group durable. The first failure of the disk is the last write.
func (b *Bolt) write(group []job) error {
	if b.failed != nil {
		return b.failed
	}
	free, err := b.opt.FreeSpace(b.opt.Dir)
	if err == nil && free < b.opt.MinFree {
		return naming.Unavailable("the disk is full: %d bytes are free in %s, writes need %d; free some space and try again", free, b.opt.Dir, b.opt.MinFree)
	}
	err = b.db.Update(func(tx *bbolt.Tx) error {
		for _, j := range group {
			if err := apply(tx, j.changes); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		return nil
	}
	b.failed = fmt.Errorf("write to the database in %s: %w", b.opt.Dir, err)
	b.opt.Logger.Error("the store failed and takes no more writes", "err", b.failed)
	b.opt.Fatal(b.failed)
	return b.failed
}

// freeSpace returns the bytes that this process may still write to dir's file system.
func freeSpace(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}
