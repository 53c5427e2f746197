package persistence

import (
	"bytes"

	"go.etcd.io/bbolt"

	"nactor/naming"
)

// Saved implements [Store].
func (b *Bolt) Saved(key naming.Key) (naming.Saved, bool) {
	s, ok, err := readSaved(b.view, key)
	if err != nil {
		b.opt.Logger.Error("a service cannot be read", "service", key, "file", b.path, "err", err)
	}
	return s, ok
}

// readSaved gathers the records of one service.
func readSaved(view viewer, key naming.Key) (naming.Saved, bool, error) {
	by := savedByKey{}
	err := view(func(tx *bbolt.Tx) error {
		identity := []byte(key.String())
		if v := tx.Bucket(bucketServices).Get(identity); v != nil {
			if err := by.service(identity, v); err != nil {
				return err
			}
		}
		prefix := append(identity, 0)
		if err := eachWith(tx.Bucket(bucketInstances), prefix, by.instance); err != nil {
			return err
		}
		return eachWith(tx.Bucket(bucketOverlays), prefix, by.overlay)
	})
	if s := by[key]; s != nil && err == nil {
		return *s, true, nil
	}
	return naming.Saved{}, false, err
}

// eachWith visits the records whose keys begin with prefix.
func eachWith(b *bbolt.Bucket, prefix []byte, visit func(k, v []byte) error) error {
	c := b.Cursor()
	for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
		if err := visit(k, v); err != nil {
			return err
		}
	}
	return nil
}
