package persistence

import (
	"fmt"
	"iter"
	"slices"

	"go.etcd.io/bbolt"

	"nactor/naming"
)

// Services implements [Store]. All is read before the first is handed out: a transaction
// that stays open while the caller works, and perhaps commits, could block the committer.
func (b *Bolt) Services() iter.Seq2[naming.Saved, error] { return servicesOf(b.path, b.view) }

func servicesOf(path string, view viewer) iter.Seq2[naming.Saved, error] {
	return func(yield func(naming.Saved, error) bool) {
		saved, err := readServices(view)
		if err != nil {
			yield(naming.Saved{}, fmt.Errorf("read the services from %s: %w", path, err))
			return
		}
		for _, s := range saved {
			if !yield(*s, nil) {
				return
			}
		}
	}
}

// viewer runs a read transaction.
type viewer func(func(*bbolt.Tx) error) error

func readServices(view viewer) ([]*naming.Saved, error) {
	by := savedByKey{}
	err := view(func(tx *bbolt.Tx) error {
		if err := tx.Bucket(bucketServices).ForEach(by.service); err != nil {
			return err
		}
		if err := tx.Bucket(bucketInstances).ForEach(by.instance); err != nil {
			return err
		}
		return tx.Bucket(bucketOverlays).ForEach(by.overlay)
	})
	if err != nil {
		return nil, err
	}
	out := make([]*naming.Saved, 0, len(by))
	for _, s := range by {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b *naming.Saved) int { return a.Key.Compare(b.Key) })
	return out, nil
}

// savedByKey gathers the records of each service.
type savedByKey map[naming.Key]*naming.Saved

func (by savedByKey) of(k naming.Key) *naming.Saved {
	s := by[k]
	if s == nil {
		s = &naming.Saved{Key: k, Overlays: map[naming.Addr]*naming.Overlay{}}
		by[k] = s
	}
	return s
}

func (by savedByKey) service(k, v []byte) error {
	key, err := parseKey(k)
	if err != nil {
		return err
	}
	var r serviceRecord
	if err := decode(bucketServices, k, v, &r); err != nil {
		return err
	}
	by.of(key).Meta = r.meta()
	return nil
}

func (by savedByKey) instance(k, v []byte) error {
	key, addr, err := parseAddrKey(k)
	if err != nil {
		return err
	}
	var r instanceRecord
	if err := decode(bucketInstances, k, v, &r); err != nil {
		return err
	}
	s := by.of(key)
	s.Instances = append(s.Instances, r.instance(addr))
	return nil
}

func (by savedByKey) overlay(k, v []byte) error {
	key, addr, err := parseAddrKey(k)
	if err != nil {
		return err
	}
	var r overlayRecord
	if err := decode(bucketOverlays, k, v, &r); err != nil {
		return err
	}
	by.of(key).Overlays[addr] = r.overlay()
	return nil
}
