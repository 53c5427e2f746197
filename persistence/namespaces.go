package persistence

import (
	"context"
	"regexp"
	"slices"
	"unicode/utf8"

	"github.com/google/uuid"

	"nactor/naming"
)

var namespaceID = regexp.MustCompile(`^[\w-]+$`)

// Bounds in characters: Nacos's controller (id), and the columns of its tables.
const (
	maxNamespaceID   = 128
	maxNamespaceName = 128
	maxNamespaceDesc = 256
)

// CreateNamespace implements [naming.Settings]. An empty id becomes a random one. "public"
// is taken: it is there without being created.
func (s *Settings) CreateNamespace(ctx context.Context, ns naming.Namespace) (bool, error) {
	if ns.ID == "" {
		ns.ID = uuid.NewString()
	}
	if !namespaceID.MatchString(ns.ID) || len(ns.ID) > maxNamespaceID || ns.ID == naming.DefaultNamespace {
		return false, nil
	}
	if err := s.begin(ctx); err != nil {
		return false, err
	}
	if _, taken := s.find(ns.ID); taken {
		return false, s.end(nil)
	}
	err := s.keep(ctx, ns)
	return err == nil, err
}

// UpdateNamespace implements [naming.Settings].
func (s *Settings) UpdateNamespace(ctx context.Context, ns naming.Namespace) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	if _, known := s.find(ns.ID); !known {
		return s.end(nil)
	}
	return s.keep(ctx, ns)
}

// RemoveNamespace implements [naming.Settings].
func (s *Settings) RemoveNamespace(ctx context.Context, id string) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	i, known := s.find(id)
	if !known {
		return s.end(nil)
	}
	return s.commit(ctx, change{bucket: bucketNamespaces, key: []byte(id)}, func() {
		rest := slices.Delete(slices.Clone(s.Namespaces()), i, i+1)
		s.namespaces.Store(&rest)
	})
}

// keep writes a namespace. The turn is held, and ends.
func (s *Settings) keep(ctx context.Context, ns naming.Namespace) error {
	if n, d := utf8.RuneCountInString(ns.Name), utf8.RuneCountInString(ns.Description); n > maxNamespaceName || d > maxNamespaceDesc {
		return s.end(naming.Invalid("namespace %s: the name has %d characters and the description %d, at most %d and %d are allowed", ns.ID, n, d, maxNamespaceName, maxNamespaceDesc))
	}
	payload, err := marshal(namespaceRecord{ns.Name, ns.Description})
	if err != nil {
		return s.end(naming.Invalid("namespace %s cannot be stored: %w", ns.ID, err))
	}
	return s.commit(ctx, change{bucketNamespaces, []byte(ns.ID), payload}, func() {
		list := slices.Clone(s.Namespaces())
		if i, known := s.find(ns.ID); known {
			list[i] = ns
		} else {
			list = slices.Insert(list, i, ns)
		}
		s.namespaces.Store(&list)
	})
}
