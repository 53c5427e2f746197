package persistence

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// verify reads a whole database file once, before bbolt sees it: its structure, every
// checksum, and the books. It returns whose file it is. Errors: [ErrCorrupt], [ErrNewer],
// [ErrLocked].
func verify(path string) (id *identity, err error) { return verifyFile(path, recordBuckets) }

// verifyFile is verify for a database with these buckets besides meta.
func verifyFile(path string, expected [][]byte) (id *identity, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	// Shared: whoever writes the file holds it exclusively, and it would look torn.
	if err := lock(f, unix.LOCK_SH); err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	p, err := openPages(f, info.Size())
	if err != nil {
		return nil, err
	}
	buckets, err := p.buckets()
	if err != nil {
		return nil, err
	}
	h, err := readHead(p, buckets)
	if err != nil {
		return nil, err
	}
	if err := checkRecords(p, buckets, expected, h); err != nil {
		return nil, err
	}
	if err := p.free(); err != nil {
		return nil, err
	}
	return &h.identity, nil
}

// head is what the meta bucket says.
type head struct {
	identity
	count, sum uint64
}

// readHead reads the meta bucket first: in a newer schema the rest may mean anything.
func readHead(p *pages, buckets map[string][]byte) (h head, err error) {
	header, ok := buckets[string(bucketMeta)]
	if !ok {
		return h, damaged("it has no bucket %s", bucketMeta)
	}
	m := map[string][]byte{}
	if err := p.each(header, func(key, value []byte) error {
		payload, err := unseal(bucketMeta, key, value)
		m[string(key)] = payload
		return err
	}); err != nil {
		return h, err
	}
	if h.Schema, err = number(keySchema, m[string(keySchema)]); err != nil {
		return h, err
	}
	if h.Schema > schema {
		return h, newer(h.Schema)
	}
	h.Store = string(m[string(keyStore)])
	if err := h.Created.UnmarshalText(m[string(keyCreated)]); err != nil || h.Store == "" {
		return h, damaged("it does not say who it is")
	}
	if h.count, err = number(keyCount, m[string(keyCount)]); err != nil {
		return h, err
	}
	h.sum, err = number(keySum, m[string(keySum)])
	return h, err
}

func newer(found uint64) error {
	return fmt.Errorf("%w: it has schema %d, this version knows schemas up to %d; upgrade to the version that wrote it", ErrNewer, found, schema)
}

// checkRecords checks every record's checksum, and that none is missing, too many or old.
func checkRecords(p *pages, buckets map[string][]byte, expected [][]byte, h head) error {
	if len(buckets) != len(expected)+1 {
		return damaged("it has %d buckets instead of %d", len(buckets), len(expected)+1)
	}
	var count, sum uint64
	for _, bucket := range expected {
		header, ok := buckets[string(bucket)]
		if !ok {
			return damaged("bucket %s is missing", bucket)
		}
		if err := p.each(header, func(key, value []byte) error {
			_, err := unseal(bucket, key, value)
			count++
			sum += hash(bucket, key, value)
			return err
		}); err != nil {
			return err
		}
	}
	if count != h.count {
		return damaged("it holds %d records and should hold %d", count, h.count)
	}
	if sum != h.sum {
		return damaged("the records do not add up to the recorded sum: some are older than others")
	}
	return nil
}
