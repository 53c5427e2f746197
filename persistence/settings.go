package persistence

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"
	"go.etcd.io/bbolt"

	"nactor/naming"
)

// Settings keeps switches and namespaces in a store, and their newest state in memory for
// reading. It implements [naming.Settings].
type Settings struct {
	store *Bolt

	mu         sync.Mutex // one change at a time
	switches   atomic.Pointer[naming.Switches]
	namespaces atomic.Pointer[[]naming.Namespace]
	watchers   []func(*naming.Switches)
}

var _ naming.Settings = (*Settings)(nil)

// Settings reads the settings. onChange is called with the switches that came into force,
// one call at a time, before the change is acknowledged.
func (b *Bolt) Settings(onChange ...func(*naming.Switches)) (*Settings, error) {
	s := &Settings{store: b, watchers: onChange}
	switches := naming.DefaultSwitches()
	var namespaces []naming.Namespace
	err := b.db.View(func(tx *bbolt.Tx) error {
		if v := tx.Bucket(bucketSettings).Get(keySwitches); v != nil {
			if err := decode(bucketSettings, keySwitches, v, switches); err != nil {
				return err
			}
		}
		return tx.Bucket(bucketNamespaces).ForEach(func(k, v []byte) error {
			var r namespaceRecord
			if err := decode(bucketNamespaces, k, v, &r); err != nil {
				return err
			}
			namespaces = append(namespaces, naming.Namespace{ID: string(k), Name: r.Name, Description: r.Description})
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read the settings: %w", err)
	}
	s.switches.Store(switches)
	s.namespaces.Store(&namespaces)
	return s, nil
}

// Switches implements [naming.Settings].
func (s *Settings) Switches() *naming.Switches { return s.switches.Load() }

// SetSwitch implements [naming.Settings].
func (s *Settings) SetSwitch(ctx context.Context, entry, value string, debug bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next, err := s.Switches().Set(entry, value)
	if err != nil {
		return err
	}
	if !debug {
		if err := s.put(ctx, bucketSettings, keySwitches, next); err != nil {
			return err
		}
	}
	s.switches.Store(next)
	for _, w := range s.watchers {
		w(next)
	}
	return nil
}

// Namespaces implements [naming.Settings].
func (s *Settings) Namespaces() []naming.Namespace { return *s.namespaces.Load() }

var namespaceID = regexp.MustCompile(`^[\w-]+$`)

// maxNamespaceID is Nacos's bound (NamespaceController).
const maxNamespaceID = 128

// CreateNamespace implements [naming.Settings]. An empty id becomes a random one.
func (s *Settings) CreateNamespace(ctx context.Context, ns naming.Namespace) (bool, error) {
	if ns.ID == "" {
		ns.ID = uuid.NewString()
	}
	if !namespaceID.MatchString(ns.ID) || len(ns.ID) > maxNamespaceID {
		return false, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.find(ns.ID); taken {
		return false, nil
	}
	return true, s.keep(ctx, ns)
}

// UpdateNamespace implements [naming.Settings].
func (s *Settings) UpdateNamespace(ctx context.Context, ns naming.Namespace) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.find(ns.ID); !known {
		return nil
	}
	return s.keep(ctx, ns)
}

// RemoveNamespace implements [naming.Settings].
func (s *Settings) RemoveNamespace(ctx context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, known := s.find(id)
	if !known {
		return nil
	}
	if err := s.wait(ctx, change{bucket: bucketNamespaces, key: []byte(id)}); err != nil {
		return err
	}
	rest := slices.Delete(slices.Clone(s.Namespaces()), i, i+1)
	s.namespaces.Store(&rest)
	return nil
}

func (s *Settings) find(id string) (int, bool) {
	return slices.BinarySearchFunc(s.Namespaces(), id, func(ns naming.Namespace, id string) int { return strings.Compare(ns.ID, id) })
}

func (s *Settings) keep(ctx context.Context, ns naming.Namespace) error {
	if err := s.put(ctx, bucketNamespaces, []byte(ns.ID), namespaceRecord{ns.Name, ns.Description}); err != nil {
		return err
	}
	list := slices.Clone(s.Namespaces())
	if i, known := s.find(ns.ID); known {
		list[i] = ns
	} else {
		list = slices.Insert(list, i, ns)
	}
	s.namespaces.Store(&list)
	return nil
}

func (s *Settings) put(ctx context.Context, bucket, key []byte, v any) error {
	payload, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s/%s: %w", bucket, key, err)
	}
	return s.wait(ctx, change{bucket, key, payload})
}

// wait makes a change durable.
func (s *Settings) wait(ctx context.Context, c change) error {
	done := make(chan error, 1)
	s.store.submit([]change{c}, func(err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return naming.Unavailable("the change was not written in time: %w; it may still take effect after a restart", ctx.Err())
	}
}
