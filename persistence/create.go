package persistence

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	"go.etcd.io/bbolt"
)

// create makes an empty database, under another name first: half a database is never found
// under its own. The identity is written after it: with the reverse order a crash in
// between would look like a lost database.
func create(dir string) error {
	return createFile(dir, databaseFile, newIdentity(), recordBuckets)
}

func newIdentity() *identity {
	return &identity{Store: uuid.NewString(), Created: time.Now().UTC().Truncate(time.Second), Schema: schema}
}

func createFile(dir, name string, id *identity, buckets [][]byte) error {
	temp := filepath.Join(dir, name+".new")
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	db, err := openBolt(temp, nil)
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error { return initialize(tx, id, buckets) })
	if err = errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("write %s: %w", temp, err)
	}
	if err := os.Rename(temp, filepath.Join(dir, name)); err != nil {
		return err
	}
	return syncDir(dir)
}

// initialize fills a new database.
func initialize(tx *bbolt.Tx, id *identity, buckets [][]byte) error {
	for _, name := range append([][]byte{bucketMeta}, buckets...) {
		if _, err := tx.CreateBucket(name); err != nil {
			return fmt.Errorf("make bucket %s: %w", name, err)
		}
	}
	created, err := id.Created.MarshalText()
	if err != nil {
		return err
	}
	return errors.Join(
		putMeta(tx, keySchema, binary.BigEndian.AppendUint64(nil, id.Schema)),
		putMeta(tx, keyStore, []byte(id.Store)),
		putMeta(tx, keyCreated, created),
		(&ledger{tx: tx}).close(),
	)
}

// makeDir makes a directory, for this user's eyes only, and makes its name durable.
func makeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return syncDir(filepath.Dir(dir))
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
