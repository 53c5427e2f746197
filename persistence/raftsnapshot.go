package persistence

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	stdhash "hash"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"
	"go.etcd.io/bbolt"
)

// A snapshot is the records of a database as a stream, without its identity:
//
//	"nactor-snapshot\n"      16 bytes
//	1                        version, one byte
//	applied                  8 bytes big endian, the last log entry in it
//	records, each            bucket, one byte; length, key; length, value; lengths are varints
//	0                        one byte, no bucket
//	count, sum               8 bytes big endian each: the books (doc.go)
//	CRC-32C                  4 bytes big endian, of all before
const (
	snapshotMagic   = "nactor-snapshot\n"
	snapshotVersion = 1
	restoreFile     = databaseFile + ".restore"
	restoreGroup    = 4 << 20 // bytes of records in a transaction
)

// writeSnapshot writes what a transaction sees.
func writeSnapshot(tx *bbolt.Tx, to io.Writer) error {
	sum := crc32.New(castagnoli)
	w := bufio.NewWriterSize(io.MultiWriter(to, sum), 1<<16)
	at, err := readApplied(tx)
	if err != nil {
		return err
	}
	b := append([]byte(snapshotMagic), snapshotVersion)
	if _, err := w.Write(binary.BigEndian.AppendUint64(b, at.index)); err != nil {
		return err
	}
	for _, bucket := range recordBuckets {
		number := bucketNumbers[string(bucket)]
		if err := tx.Bucket(bucket).ForEach(func(k, v []byte) error {
			if _, err := unseal(bucket, k, v); err != nil { // damage must not travel
				return err
			}
			b = appendBytes(appendBytes(append(b[:0], number), k), v)
			_, err := w.Write(b)
			return err
		}); err != nil {
			return err
		}
	}
	books, err := openLedger(tx)
	if err != nil {
		return err
	}
	b = binary.BigEndian.AppendUint64(append(b[:0], 0), books.count)
	if _, err := w.Write(binary.BigEndian.AppendUint64(b, books.sum)); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err = to.Write(sum.Sum(nil))
	return err
}

// snapshotApplied returns the last log entry in a snapshot, from its beginning.
func snapshotApplied(from io.Reader) (uint64, error) {
	b := make([]byte, len(snapshotMagic)+1+8)
	if _, err := io.ReadFull(from, b); err != nil {
		return 0, damaged("the snapshot is cut short: %w", err)
	}
	head, rest := string(b[:len(snapshotMagic)]), b[len(snapshotMagic):]
	if head != snapshotMagic || rest[0] == 0 {
		return 0, damaged("it is no snapshot")
	}
	if rest[0] > snapshotVersion {
		return 0, fmt.Errorf("%w: the snapshot has version %d, this server knows version %d; upgrade to the version that wrote it", ErrNewer, rest[0], snapshotVersion)
	}
	return binary.BigEndian.Uint64(rest[1:]), nil
}

// readSnapshot hands out the records of a snapshot. What was handed out counts only if
// there is no error at the end. Errors: [ErrCorrupt], [ErrNewer].
func readSnapshot(from io.Reader, put func(bucket, key, value []byte) error) (count, sum uint64, err error) {
	r := &summedReader{r: bufio.NewReaderSize(from, 1<<16), sum: crc32.New(castagnoli)}
	if _, err := snapshotApplied(r); err != nil {
		return 0, 0, err
	}
	for {
		number, err := r.ReadByte()
		if err != nil {
			return 0, 0, damaged("the snapshot is cut short: %w", err)
		}
		if number == 0 {
			break
		}
		if int(number) >= len(bucketsByNumber) {
			return 0, 0, damaged("the snapshot has a bucket %d", number)
		}
		bucket := bucketsByNumber[number]
		key, err := r.field(bbolt.MaxKeySize)
		if err != nil {
			return 0, 0, err
		}
		value, err := r.field(maxCommand + 64)
		if err != nil {
			return 0, 0, err
		}
		if _, err := unseal(bucket, key, value); err != nil || len(key) == 0 {
			return 0, 0, damaged("the snapshot has a record that is not whole: %w", err)
		}
		if err := put(bucket, key, value); err != nil {
			return 0, 0, err
		}
	}
	var tail [8 + 8 + 4]byte
	if _, err := io.ReadFull(r, tail[:16]); err != nil {
		return 0, 0, damaged("the snapshot is cut short: %w", err)
	}
	want := r.sum.Sum32()
	if _, err := io.ReadFull(r, tail[16:]); err != nil {
		return 0, 0, damaged("the snapshot is cut short: %w", err)
	}
	if binary.BigEndian.Uint32(tail[16:]) != want {
		return 0, 0, damaged("the snapshot has a wrong checksum")
	}
	if _, err := r.r.ReadByte(); !errors.Is(err, io.EOF) {
		return 0, 0, damaged("the snapshot goes on behind its end")
	}
	return binary.BigEndian.Uint64(tail[:]), binary.BigEndian.Uint64(tail[8:]), nil
}

// summedReader adds up what is read through it.
type summedReader struct {
	r   *bufio.Reader
	sum stdhash.Hash32
	one [1]byte
}

func (s *summedReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.sum.Write(p[:n])
	return n, err
}

func (s *summedReader) ReadByte() (byte, error) {
	_, err := io.ReadFull(s, s.one[:])
	return s.one[0], err
}

// field reads a length and as many bytes.
func (s *summedReader) field(limit uint64) ([]byte, error) {
	n, err := binary.ReadUvarint(s)
	if err != nil || n > limit {
		return nil, damaged("the snapshot has a field of %d bytes, %w", n, err)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(s, b); err != nil {
		return nil, damaged("the snapshot is cut short: %w", err)
	}
	return b, nil
}

// buildFromSnapshot makes a database out of a snapshot, under a name of its own, and
// returns its path. It is whole and on disk when there is no error.
func buildFromSnapshot(from io.Reader, dir string, id *identity) (path string, err error) {
	path = filepath.Join(dir, restoreFile)
	if err := removeIfThere(path); err != nil {
		return "", err
	}
	db, err := openBoltWith(path, &bbolt.Options{NoSync: true, NoGrowSync: true})
	if err != nil {
		return "", err
	}
	err = fillFromSnapshot(db, from, id)
	if err == nil {
		err = db.Sync()
	}
	if err = errors.Join(err, db.Close()); err == nil {
		_, err = verify(path)
	}
	if err != nil {
		return "", errors.Join(err, os.Remove(path))
	}
	return path, nil
}

func fillFromSnapshot(db *bbolt.DB, from io.Reader, id *identity) error {
	if err := update(db, func(tx *bbolt.Tx) error { return initialize(tx, id, recordBuckets) }); err != nil {
		return err
	}
	var group []change
	size := 0
	flush := func() error {
		err := update(db, func(tx *bbolt.Tx) error { return apply(tx, group) })
		group, size = group[:0], 0
		return err
	}
	count, sum, err := readSnapshot(from, func(bucket, key, value []byte) error {
		payload, err := unseal(bucket, key, value)
		if err != nil {
			return err
		}
		group = append(group, change{bucket, key, payload})
		if size += len(key) + len(value); size < restoreGroup {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	if err := flush(); err != nil {
		return err
	}
	return db.View(func(tx *bbolt.Tx) error {
		books, err := openLedger(tx)
		if err == nil && (books.count != count || books.sum != sum) {
			err = damaged("the snapshot holds %d records and should hold %d, or others", books.count, count)
		}
		return err
	})
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// snapshot is a state of the database that is to be written. It holds a read transaction,
// which the writer does not wait for as long as the file fits in what is mapped.
type snapshot struct{ tx *bbolt.Tx }

// Persist implements [raft.FSMSnapshot].
func (s *snapshot) Persist(sink raft.SnapshotSink) error {
	if err := writeSnapshot(s.tx, sink); err != nil {
		return errors.Join(fmt.Errorf("write a snapshot: %w", err), sink.Cancel())
	}
	return sink.Close()
}

// Release implements [raft.FSMSnapshot].
func (s *snapshot) Release() { _ = s.tx.Rollback() } // of a read: there is nothing to lose
