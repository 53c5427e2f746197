package persistence

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.etcd.io/bbolt"

	"nactor/naming"
)

// readServices gathers the records of each service.
func (b *Bolt) readServices() ([]*naming.Saved, error) {
	by := map[naming.Key]*naming.Saved{}
	of := func(k naming.Key) *naming.Saved {
		s := by[k]
		if s == nil {
			s = &naming.Saved{Key: k, Overlays: map[naming.Addr]*naming.Overlay{}}
			by[k] = s
		}
		return s
	}
	err := b.db.View(func(tx *bbolt.Tx) error {
		if err := tx.Bucket(bucketServices).ForEach(func(k, v []byte) error {
			key, ok := naming.ParseIdentity(string(k))
			if !ok {
				return fmt.Errorf("key %q is no service: %w", k, ErrCorrupt)
			}
			var r serviceRecord
			if err := decode(bucketServices, k, v, &r); err != nil {
				return err
			}
			of(key).Meta = r.meta()
			return nil
		}); err != nil {
			return err
		}
		if err := tx.Bucket(bucketInstances).ForEach(func(k, v []byte) error {
			key, addr, err := parseAddrKey(k)
			if err != nil {
				return err
			}
			var r instanceRecord
			if err := decode(bucketInstances, k, v, &r); err != nil {
				return err
			}
			s := of(key)
			s.Instances = append(s.Instances, &naming.Instance{
				IP: addr.IP, Port: addr.Port, Cluster: addr.Cluster,
				Weight: r.Weight, Enabled: r.Enabled, Healthy: r.Healthy, Metadata: naming.MetadataOf(r.Metadata),
			})
			return nil
		}); err != nil {
			return err
		}
		return tx.Bucket(bucketOverlays).ForEach(func(k, v []byte) error {
			key, addr, err := parseAddrKey(k)
			if err != nil {
				return err
			}
			var r overlayRecord
			if err := decode(bucketOverlays, k, v, &r); err != nil {
				return err
			}
			of(key).Overlays[addr] = &naming.Overlay{Weight: r.Weight, Enabled: r.Enabled, Metadata: naming.MetadataOf(r.Metadata)}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read the services: %w", err)
	}
	out := make([]*naming.Saved, 0, len(by))
	for _, s := range by {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b *naming.Saved) int { return a.Key.Compare(b.Key) })
	return out, nil
}

// lockHolder finds in /proc/locks the process that holds a lock on an inode, 0 for none.
// A line is "1: FLOCK ADVISORY WRITE 1234 fd:01:5678 0 EOF".
func lockHolder(locks string, inode uint64) int {
	for line := range strings.Lines(locks) {
		f := strings.Fields(line)
		if len(f) < 6 || f[1] == "->" {
			continue
		}
		if _, ino, ok := strings.Cut(f[5][strings.IndexByte(f[5], ':')+1:], ":"); ok && ino == strconv.FormatUint(inode, 10) {
			pid, err := strconv.Atoi(f[4])
			if err == nil {
				return pid
			}
		}
	}
	return 0
}
