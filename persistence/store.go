package persistence

import (
	"errors"
	"iter"

	"nactor/naming"
)

// Store keeps records durably. Safe for concurrent use.
type Store interface {
	// Commit writes a batch as a whole or not at all. Batches are written in the order of
	// the calls. done is called exactly once, after the batch is on disk or with the reason
	// why it is not: from the store's own goroutine, or before Commit returns when the store
	// refuses at once. done must not block, nor call Close. Commit itself never waits for
	// the disk; it has read batch when it returns.
	//
	// Errors: kind [naming.KindInvalid] for what cannot be stored; [naming.KindUnavailable]
	// when the disk is full, too much is waiting, the store is closed or, in a cluster, no
	// majority answers: a later try may succeed. Nothing was written then, except that a
	// majority that was lost meanwhile may turn out to have it: the text says so. Any other
	// error is a fault of the disk: whether the batch will be there after a restart is not
	// known, no later one is written, and Options.Fatal has been or is about to be called.
	Commit(batch []naming.Record, done func(error))

	// Services returns what is held of each service, ordered by key. Values are the
	// caller's.
	Services() iter.Seq2[naming.Saved, error]

	// Saved returns what is held of one service, and false when that is nothing or cannot
	// be read. The value is the caller's.
	Saved(key naming.Key) (naming.Saved, bool)

	// NodeID is the stable id of this store, made with it.
	NodeID() string

	// Close writes what was accepted, calls what has to be called, and closes the store.
	Close() error
}

// ErrConflict says that a change was computed from something that has changed meanwhile.
// Nothing of it was written.
var ErrConflict = errors.New("it was changed by somebody else meanwhile")

// Refusals of [Open] and [OpenRaft]. Each is wrapped with the file and what to do.
var (
	// ErrCorrupt: the database is damaged, or is not the one that belongs here.
	ErrCorrupt = errors.New("the database is damaged")
	// ErrNewer: a newer version of the server wrote the database.
	ErrNewer = errors.New("the database was written by a newer version")
	// ErrLost: the database is missing or empty although there was one.
	ErrLost = errors.New("the database is gone")
	// ErrLocked: another process holds the database.
	ErrLocked = errors.New("the database is in use")
	// ErrMode: the database is that of a member of a cluster and the server starts alone,
	// or the other way round.
	ErrMode = errors.New("the database was used in another mode")
	// ErrRemoved: the node was removed from its cluster for good, and what it holds is out of
	// date.
	ErrRemoved = errors.New("this node was removed from the cluster for good")
)
