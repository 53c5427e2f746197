package persistence

import (
	"context"
	"regexp"
	"unicode/utf8"

	"github.com/google/uuid"
	"go.etcd.io/bbolt"

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
	payload, err := encodeNamespace(ns)
	if err != nil {
		return false, err
	}
	created := false
	err = s.change(ctx, func(tx *bbolt.Tx) (*change, error) {
		if tx.Bucket(bucketNamespaces).Get([]byte(ns.ID)) != nil {
			return nil, nil
		}
		return &change{bucketNamespaces, []byte(ns.ID), payload}, nil
	}, func() { created = true })
	if err != nil { // created may still change
		return false, err
	}
	return created, nil
}

// UpdateNamespace implements [naming.Settings].
func (s *Settings) UpdateNamespace(ctx context.Context, ns naming.Namespace) error {
	return s.change(ctx, func(tx *bbolt.Tx) (*change, error) {
		if tx.Bucket(bucketNamespaces).Get([]byte(ns.ID)) == nil {
			return nil, nil
		}
		payload, err := encodeNamespace(ns)
		if err != nil {
			return nil, err
		}
		return &change{bucketNamespaces, []byte(ns.ID), payload}, nil
	}, func() {})
}

// RemoveNamespace implements [naming.Settings].
func (s *Settings) RemoveNamespace(ctx context.Context, id string) error {
	return s.change(ctx, func(tx *bbolt.Tx) (*change, error) {
		if id == "" || tx.Bucket(bucketNamespaces).Get([]byte(id)) == nil {
			return nil, nil
		}
		return &change{bucket: bucketNamespaces, key: []byte(id)}, nil
	}, func() {})
}

func encodeNamespace(ns naming.Namespace) ([]byte, error) {
	if n, d := utf8.RuneCountInString(ns.Name), utf8.RuneCountInString(ns.Description); n > maxNamespaceName || d > maxNamespaceDesc {
		return nil, naming.Invalid("namespace %s: the name has %d characters and the description %d, at most %d and %d are allowed", ns.ID, n, d, maxNamespaceName, maxNamespaceDesc)
	}
	payload, err := marshal(namespaceRecord{ns.Name, ns.Description})
	if err != nil {
		return nil, naming.Invalid("namespace %s cannot be stored: %w", ns.ID, err)
	}
	return payload, nil
}
