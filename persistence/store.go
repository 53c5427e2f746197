package persistence

import (
	"errors"
	"iter"

	"nactor/naming"
)

// Store keeps records durably.
type Store interface {
	// Commit writes a batch as a whole. done is called exactly once, after the batch is on
	// disk or with the reason why it is not, from the store's own goroutine or before Commit
	// returns; it must not block. Commit itself never waits for the disk. Errors: kind
	// naming.KindUnavailable when the disk is full, too much is waiting or the store is
	// closed; any other error is fatal and has been reported to Options.Fatal.
	Commit(batch []naming.Record, done func(error))

	// Services returns what is held of each service, ordered by identity.
	Services() iter.Seq2[naming.Saved, error]

	// NodeID is the stable id of this store, made with it.
	NodeID() string

	// Close writes what was accepted and closes the store.
	Close() error
}

// Refusals of Open. Each is wrapped with the file and what to do.
var (
	// ErrCorrupt: the database is damaged.
	ErrCorrupt = errors.New("the database is damaged")
	// ErrNewer: a newer version of the server wrote the database.
	ErrNewer = errors.New("the database was written by a newer version")
	// ErrLost: the database is missing or empty although there was one.
	ErrLost = errors.New("the database is gone")
	// ErrLocked: another process holds the database.
	ErrLocked = errors.New("the database is in use by another process")
)
