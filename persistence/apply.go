package persistence

import (
	"encoding/binary"
	"fmt"

	"go.etcd.io/bbolt"

	"nactor/naming"
)

// ledger keeps count and sum of a transaction's records.
type ledger struct {
	tx         *bbolt.Tx
	count, sum uint64
}

func openLedger(tx *bbolt.Tx) *ledger {
	m := tx.Bucket(bucketMeta)
	return &ledger{tx, number(m.Get(keyCount)), number(m.Get(keySum))}
}

func (l *ledger) close() error {
	m := l.tx.Bucket(bucketMeta)
	if err := m.Put(keyCount, binary.BigEndian.AppendUint64(nil, l.count)); err != nil {
		return err
	}
	return m.Put(keySum, binary.BigEndian.AppendUint64(nil, l.sum))
}

func number(b []byte) uint64 {
	if len(b) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
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

// change is one change of the database, ready to be applied.
type change struct {
	bucket, key []byte
	payload     []byte // nil: delete
}

// plan turns records into changes. It does all that can fail for reasons of its own, so
// that what remains can fail for the disk's only.
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
	l := openLedger(tx)
	for _, c := range changes {
		var err error
		if c.payload == nil {
			err = l.delete(c.bucket, c.key)
		} else {
			err = l.put(c.bucket, c.key, c.payload)
		}
		if err != nil {
			return fmt.Errorf("write %s/%q: %w", c.bucket, c.key, err)
		}
	}
	return l.close()
}
