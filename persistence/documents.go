package persistence

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"go.etcd.io/bbolt"

	"nactor/naming"
)

// Documents are small durable values with a version, changed by compare-and-set. [Bolt] and
// [Raft] keep them.
type Documents interface {
	// Document returns a document as this node has it, and its version: 0, there is none.
	Document(name string) (value []byte, version uint64, err error)

	// PutDocument replaces the document of a version (0: makes it), and returns the new
	// version, which is the next number. Errors: [ErrConflict] when the document has
	// another version; kind [naming.KindInvalid] for names of 0 or more than 128 bytes and
	// values of more than 1 MiB; otherwise as [Store.Commit]. When ctx ends first the
	// change may still take effect.
	PutDocument(ctx context.Context, name string, version uint64, value []byte) (uint64, error)

	// OnDocument calls f with the newest state of each document that changes from now on,
	// on whichever node, after it is durable here: one call at a time, versions only grow,
	// and one may be left out when the next is there already. f must not call PutDocument
	// and wait for it.
	OnDocument(f func(name string, value []byte, version uint64))
}

var _ Documents = (*Bolt)(nil)

// Bounds of documents, bytes.
const (
	maxDocumentName = 128
	maxDocument     = 1 << 20
)

// documentRecord is a document's payload. Documents are in the bucket of settings.
type documentRecord struct {
	Version uint64 `json:"version"`
	Value   []byte `json:"value,omitempty"`
}

const documentPrefix = "document/"

func documentKey(name string) []byte { return []byte(documentPrefix + name) }

func readDocument(tx *bbolt.Tx, name string) (r documentRecord, err error) {
	key := documentKey(name)
	if v := tx.Bucket(bucketSettings).Get(key); v != nil {
		err = decode(bucketSettings, key, v, &r)
	}
	return r, err
}

// documents tells of changes. Its zero value is of no use, see newDocuments.
type documents struct {
	turn chan struct{} // held by who calls the watchers

	mu       sync.Mutex
	watchers []func(string, []byte, uint64)
	told     map[string]uint64 // the versions that the watchers know; guarded by turn
}

func newDocuments() documents {
	return documents{turn: make(chan struct{}, 1), told: map[string]uint64{}}
}

func (d *documents) watch(f func(string, []byte, uint64)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.watchers = append(d.watchers, f)
}

// changed tells the watchers of a document's newest state, if they do not know it.
func (d *documents) changed(log recordLog, name string) error {
	d.turn <- struct{}{}
	defer func() { <-d.turn }()
	var r documentRecord
	if err := log.view(func(tx *bbolt.Tx) (err error) { r, err = readDocument(tx, name); return err }); err != nil {
		return fmt.Errorf("read document %s: %w", name, err)
	}
	if r.Version <= d.told[name] {
		return nil
	}
	d.told[name] = r.Version
	d.mu.Lock()
	watchers := slices.Clone(d.watchers)
	d.mu.Unlock()
	for _, f := range watchers {
		f(name, slices.Clone(r.Value), r.Version)
	}
	return nil
}

// putDocument writes a document, calls durable when it is there, and waits for both, at
// most until ctx ends.
func putDocument(ctx context.Context, log recordLog, name string, version uint64, value []byte, durable func() error) (uint64, error) {
	if name == "" || len(name) > maxDocumentName || strings.Contains(name, "\x00") {
		return 0, naming.Invalid("%.200q cannot be the name of a document: it must have 1 to %d bytes", name, maxDocumentName)
	}
	if len(value) > maxDocument {
		return 0, naming.Invalid("document %s: %d bytes are too many, at most %d can be stored", name, len(value), maxDocument)
	}
	payload, err := marshal(documentRecord{version + 1, value})
	if err != nil {
		return 0, naming.Invalid("document %s cannot be stored: %w", name, err)
	}
	key := documentKey(name)
	b := batch{changes: []change{{bucketSettings, key, payload}}}
	if err := log.view(func(tx *bbolt.Tx) error {
		now, err := readDocument(tx, name)
		if err == nil && now.Version != version {
			err = fmt.Errorf("document %s has version %d, not %d: %w", name, now.Version, version, ErrConflict)
		}
		b.expects = []expect{expectation(tx, bucketSettings, key)}
		return err
	}); err != nil {
		return 0, err
	}
	written := make(chan error, 1)
	go func() { // ends when the log answers, which is bounded
		err := submitAndWait(log, b)
		if err == nil {
			err = durable()
		}
		written <- err
	}()
	select {
	case err := <-written:
		if err != nil {
			return 0, err
		}
		return version + 1, nil
	case <-ctx.Done():
		return 0, naming.Unavailable("document %s was not written in time: %w; it may still take effect", name, ctx.Err())
	}
}

// Document implements [Documents].
func (b *Bolt) Document(name string) (value []byte, version uint64, err error) {
	return documentOf(b, name)
}

func documentOf(log recordLog, name string) ([]byte, uint64, error) {
	var r documentRecord
	if err := log.view(func(tx *bbolt.Tx) (err error) { r, err = readDocument(tx, name); return err }); err != nil {
		return nil, 0, fmt.Errorf("read document %s: %w", name, err)
	}
	return r.Value, r.Version, nil
}

// PutDocument implements [Documents].
func (b *Bolt) PutDocument(ctx context.Context, name string, version uint64, value []byte) (uint64, error) {
	return putDocument(ctx, b, name, version, value, func() error { return b.documents.changed(b, name) })
}

// OnDocument implements [Documents].
func (b *Bolt) OnDocument(f func(name string, value []byte, version uint64)) { b.documents.watch(f) }
