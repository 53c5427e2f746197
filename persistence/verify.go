package persistence

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"runtime/debug"

	"go.etcd.io/bbolt"
)

// checkMetaPages refuses a database with a damaged meta page. bbolt opens such a file
// silently one transaction back, as long as the other page is whole. Both are whole in any
// file that was closed or whose process was killed.
func checkMetaPages(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	// magic, version, page size, flags, root bucket (page, sequence), freelist, high water
	// mark, transaction, checksum; behind a page header of 16 bytes.
	const header, size, sum = 16, 64, 56
	const magic, version = 0xED0CDAED, 2
	pageSize := int64(os.Getpagesize())
	first := make([]byte, header+size)
	if _, err := io.ReadFull(f, first); err != nil {
		return fmt.Errorf("%w: it is cut short", ErrCorrupt)
	}
	if p := int64(binary.NativeEndian.Uint32(first[header+8:])); p >= 512 && p <= 1<<20 && p&(p-1) == 0 {
		pageSize = p
	}
	for page := range int64(2) {
		b := make([]byte, header+size)
		if _, err := f.ReadAt(b, page*pageSize); err != nil {
			return fmt.Errorf("%w: meta page %d is missing", ErrCorrupt, page)
		}
		m := b[header:]
		h := fnv.New64a()
		h.Write(m[:sum])
		if binary.NativeEndian.Uint32(m) != magic || binary.NativeEndian.Uint32(m[4:]) != version || binary.NativeEndian.Uint64(m[sum:]) != h.Sum64() {
			return fmt.Errorf("%w: meta page %d has a wrong checksum", ErrCorrupt, page)
		}
	}
	return nil
}

// verify reads the whole database once: every checksum, and the books. A damaged page
// makes bbolt panic, or fault on what it has mapped.
func verify(db *bbolt.DB) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrCorrupt, p)
		}
	}()
	return db.View(func(tx *bbolt.Tx) error {
		m := tx.Bucket(bucketMeta)
		if m == nil {
			return fmt.Errorf("%w: it has no meta bucket", ErrCorrupt)
		}
		if v := number(m.Get(keySchema)); v > schema {
			return fmt.Errorf("%w: schema %d, this version knows %d; start the version that wrote it", ErrNewer, v, schema)
		} else if v == 0 {
			return fmt.Errorf("%w: it has no schema version", ErrCorrupt)
		}
		var count, sum uint64
		for _, bucket := range recordBuckets {
			b := tx.Bucket(bucket)
			if b == nil {
				return fmt.Errorf("%w: bucket %s is missing", ErrCorrupt, bucket)
			}
			if err := b.ForEach(func(k, v []byte) error {
				if _, err := unseal(bucket, k, v); err != nil {
					return err
				}
				count++
				sum += hash(bucket, k, v)
				return nil
			}); err != nil {
				return err
			}
		}
		if want := number(m.Get(keyCount)); count != want {
			return fmt.Errorf("%w: it holds %d records and should hold %d", ErrCorrupt, count, want)
		}
		if sum != number(m.Get(keySum)) {
			return fmt.Errorf("%w: the records do not add up to the recorded sum", ErrCorrupt)
		}
		return checkTree(tx)
	})
}

// checkTree walks bbolt's own structures.
func checkTree(tx *bbolt.Tx) error {
	var errs []error
	for err := range tx.Check() {
		if len(errs) < 5 {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return fmt.Errorf("%w: %w", ErrCorrupt, errors.Join(errs...))
	}
	return nil
}
