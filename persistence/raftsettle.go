package persistence

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/raft"
	"go.etcd.io/bbolt"
)

const (
	snapshotDir   = "raft" // raft makes "snapshots" in it
	damagedDir    = "damaged"
	keepSnapshots = 2
)

// verifySnapshots reads every snapshot once, and moves aside what is not whole, and what a
// crash left half done: raft trusts what it lists, and sends it to others.
func (r *Raft) verifySnapshots(s raft.SnapshotStore) error {
	base := filepath.Join(r.opt.Dir, snapshotDir, "snapshots")
	list, err := os.ReadDir(base)
	if err != nil {
		return fmt.Errorf("list the snapshots: %w", err)
	}
	for _, d := range list {
		path := filepath.Join(base, d.Name())
		if strings.HasSuffix(d.Name(), ".tmp") {
			if err := os.RemoveAll(path); err != nil {
				return fmt.Errorf("remove a half-written snapshot: %w", err)
			}
			continue
		}
		err := verifySnapshot(s, d.Name())
		if errors.Is(err, ErrNewer) {
			return err
		}
		if err == nil {
			continue
		}
		aside := filepath.Join(r.opt.Dir, snapshotDir, damagedDir)
		r.opt.Logger.Error("a snapshot is damaged and moved aside", "snapshot", path, "to", aside, "err", err)
		if err := errors.Join(os.MkdirAll(aside, 0o700), os.RemoveAll(filepath.Join(aside, d.Name())), os.Rename(path, filepath.Join(aside, d.Name()))); err != nil {
			return fmt.Errorf("move a damaged snapshot aside: %w", err)
		}
		r.damaged = true
	}
	return nil
}

func verifySnapshot(s raft.SnapshotStore, id string) (err error) {
	_, in, err := s.Open(id) // checks its sum over all
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	_, _, err = readSnapshot(in, func(_, _, _ []byte) error { return nil })
	return err
}

// settle checks that database, log and snapshots belong together, and mends what can be
// mended: each is synced by itself, so a crash may leave one behind another. It tells
// whether raft has to restore the newest snapshot.
func (r *Raft) settle(snapshots raft.SnapshotStore) (restore bool, err error) {
	first, err := r.logs.FirstIndex()
	if err != nil {
		return false, err
	}
	last, err := r.logs.LastIndex()
	if err != nil {
		return false, err
	}
	newest, within, err := newestSnapshot(snapshots)
	if err != nil {
		return false, err
	}
	at := r.machine.index.Load()
	if at > max(last, newest) && !r.damaged {
		return false, fmt.Errorf("%w in part: the database has entry %d, the log and the snapshots end at %d", ErrLost, at, max(last, newest))
	}
	if covered := first <= newest+1 && (last != 0 || newest != 0 || at == 0); !covered {
		// The log begins behind the newest snapshot that is whole. The database may
		// have what is missing; then it makes a snapshot.
		if at+1 < first || at == 0 {
			return false, damaged("the log begins at entry %d, the database ends at %d, and no snapshot that is whole has what is between", first, at)
		}
		if newest, err = r.snapshotMachine(snapshots); err != nil {
			return false, err
		}
		within = newest
	}
	if last != 0 && last < newest { // a crash after a snapshot came from the leader
		if err := r.logs.DeleteRange(first, last); err != nil {
			return false, err
		}
	}
	return at < within, nil
}

// newestSnapshot returns up to which entry the newest snapshot is, and the last that
// changed something. 0: there is none.
func newestSnapshot(s raft.SnapshotStore) (index, within uint64, err error) {
	list, err := s.List()
	if err != nil || len(list) == 0 {
		return 0, 0, err
	}
	_, in, err := s.Open(list[0].ID)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	within, err = snapshotApplied(in)
	return list[0].Index, within, err
}

// snapshotMachine makes a snapshot of the database.
func (r *Raft) snapshotMachine(to raft.SnapshotStore) (index uint64, err error) {
	err = r.machine.view(func(tx *bbolt.Tx) error {
		at, err := readApplied(tx)
		if err != nil {
			return err
		}
		v := tx.Bucket(bucketSettings).Get(keyConfiguration)
		if v == nil {
			return damaged("no snapshot is whole, and the database does not know the members")
		}
		b, err := unseal(bucketSettings, keyConfiguration, v)
		if err != nil || len(b) < 8 {
			return damaged("record %s/%s is not whole: %w", bucketSettings, keyConfiguration, err)
		}
		c, err := decodeConfiguration(b[8:])
		if err != nil {
			return damaged("record %s/%s: %w", bucketSettings, keyConfiguration, err)
		}
		sink, err := to.Create(1, at.index, at.term, c, binary.BigEndian.Uint64(b), r.guard)
		if err != nil {
			return fmt.Errorf("make a snapshot: %w", err)
		}
		if err := writeSnapshot(tx, sink); err != nil {
			return errors.Join(fmt.Errorf("make a snapshot: %w", err), sink.Cancel())
		}
		index = at.index
		return sink.Close()
	})
	if err == nil {
		r.opt.Logger.Warn("a snapshot was made of the database, since none was whole", "index", index)
	}
	return index, err
}

// ReplaceNode moves everything that a member of a cluster has in dir into a directory of
// its own within it, and returns its path: what is damaged there does not keep the node
// from joining again, as a new one that has nothing. The cluster has to have what this node
// had: acknowledged writes are with a majority. Errors: [ErrLocked], or of the system.
func ReplaceNode(dir string) (aside string, err error) {
	d, err := lockDir(dir)
	if err != nil {
		return "", fmt.Errorf("%s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if aside, err = os.MkdirTemp(dir, "replaced-"); err != nil {
		return "", fmt.Errorf("make a directory for the data of the node: %w", err)
	}
	// The identity last: should this be interrupted, what is left is refused as lost, and
	// can be moved aside again.
	for _, name := range []string{raftFile, databaseFile, snapshotDir, restoreFile, identityFile} {
		if err := os.Rename(filepath.Join(dir, name), filepath.Join(aside, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return aside, fmt.Errorf("move the data of the node aside: %w", err)
		}
	}
	return aside, errors.Join(syncDir(aside), syncDir(dir))
}
