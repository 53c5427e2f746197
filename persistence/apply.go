package persistence

import (
	"encoding/binary"
	"fmt"

	"go.etcd.io/bbolt"

	"nactor/naming"
)

// change is one change of the database, ready to be applied.
type change struct {
	bucket, key []byte
	payload     []byte // nil: delete
}

// size is about what a change costs on the disk: the page it is in, the pages above.
func (c change) size() int64 { return int64(2*4096 + len(c.key) + len(c.payload)) }

// batch is changes that are made as a whole, if all that it expects is so.
type batch struct {
	changes []change
	expects []expect
}

// expect is what a change was computed from.
type expect struct {
	bucket, key []byte
	sum         uint64 // the stored value's [hash]; 0: there is none
}

func (b batch) size() (n int64) {
	for _, c := range b.changes {
		n += c.size()
	}
	return n
}

// expectation is the state of a record, for a later change of it.
func expectation(tx *bbolt.Tx, bucket, key []byte) expect {
	e := expect{bucket: bucket, key: key}
	if v := tx.Bucket(bucket).Get(key); v != nil {
		e.sum = hash(bucket, key, v)
	}
	return e
}

func (e expect) holds(tx *bbolt.Tx) bool { return expectation(tx, e.bucket, e.key).sum == e.sum }

// plan turns records into changes. It refuses what could not be written or read back, so
// that applying a change can fail for the disk's reasons only. Errors: kind
// [naming.KindInvalid].
func plan(batch []naming.Record) ([]change, error) {
	out := make([]change, 0, len(batch))
	for _, r := range batch {
		bucket, key, err := locate(r)
		if err != nil {
			return nil, err
		}
		c := change{bucket: bucket, key: key}
		if !r.Delete {
			if c.payload, err = encode(r); err != nil {
				return nil, err
			}
		}
		out = append(out, c)
	}
	return out, nil
}

// apply carries out changes within a transaction. It depends on nothing but its
// arguments, so that a replicated log can apply the same changes on each node.
func apply(tx *bbolt.Tx, changes []change) error {
	_, err := applyBatches(tx, []batch{{changes: changes}})
	return err
}

// applyBatches is apply for several batches. results tell of each whether it was made, or
// why not ([ErrConflict]).
func applyBatches(tx *bbolt.Tx, batches []batch) (results []error, err error) {
	l, err := openLedger(tx)
	if err != nil {
		return nil, err
	}
	results = make([]error, len(batches))
	for i, b := range batches {
		if results[i], err = l.apply(b); err != nil {
			return nil, err
		}
	}
	return results, l.close()
}

// apply makes a batch, unless it conflicts.
func (l *ledger) apply(b batch) (conflict, err error) {
	for _, e := range b.expects {
		if !e.holds(l.tx) {
			return fmt.Errorf("%s/%q: %w", e.bucket, e.key, ErrConflict), nil
		}
	}
	for _, c := range b.changes {
		if c.payload == nil {
			err = l.delete(c.bucket, c.key)
		} else {
			err = l.put(c.bucket, c.key, c.payload)
		}
		if err != nil {
			return nil, fmt.Errorf("write %s/%q: %w", c.bucket, c.key, err)
		}
	}
	return nil, nil
}

// ledger keeps the books of a transaction: how many records there are, and what their
// hashes add up to.
type ledger struct {
	tx         *bbolt.Tx
	count, sum uint64
}

func openLedger(tx *bbolt.Tx) (*ledger, error) {
	count, err := metaNumber(tx, keyCount)
	if err != nil {
		return nil, err
	}
	sum, err := metaNumber(tx, keySum)
	if err != nil {
		return nil, err
	}
	return &ledger{tx, count, sum}, nil
}

func (l *ledger) close() error {
	if err := putMeta(l.tx, keyCount, binary.BigEndian.AppendUint64(nil, l.count)); err != nil {
		return err
	}
	return putMeta(l.tx, keySum, binary.BigEndian.AppendUint64(nil, l.sum))
}

// forget takes what is held under key out of the books.
func (l *ledger) forget(bucket, key []byte) {
	if old := l.tx.Bucket(bucket).Get(key); old != nil {
		l.count--
		l.sum -= hash(bucket, key, old)
	}
}

func (l *ledger) put(bucket, key, payload []byte) error {
	l.forget(bucket, key)
	value := seal(bucket, key, payload)
	l.count++
	l.sum += hash(bucket, key, value)
	return l.tx.Bucket(bucket).Put(key, value)
}

func (l *ledger) delete(bucket, key []byte) error {
	l.forget(bucket, key)
	return l.tx.Bucket(bucket).Delete(key)
}

func putMeta(tx *bbolt.Tx, key, payload []byte) error {
	if err := tx.Bucket(bucketMeta).Put(key, seal(bucketMeta, key, payload)); err != nil {
		return fmt.Errorf("write %s/%s: %w", bucketMeta, key, err)
	}
	return nil
}

func metaNumber(tx *bbolt.Tx, key []byte) (uint64, error) {
	payload, err := unseal(bucketMeta, key, tx.Bucket(bucketMeta).Get(key))
	if err != nil {
		return 0, err
	}
	return number(key, payload)
}

// number reads a number of the meta bucket.
func number(key, payload []byte) (uint64, error) {
	if len(payload) != 8 {
		return 0, damaged("%s/%s is %d bytes long instead of 8", bucketMeta, key, len(payload))
	}
	return binary.BigEndian.Uint64(payload), nil
}
