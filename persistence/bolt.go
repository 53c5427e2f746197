package persistence

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// Options configure a [Bolt].
type Options struct {
	Dir     string       // made if it is missing
	Logger  *slog.Logger // naming-raft.log
	MinFree int64        // bytes of free space below which writes are refused; 0: 16 MiB
	// Fatal is called once when a write or fsync has failed: the process must end, since
	// what the kernel holds can no longer be trusted. It runs on the committer's goroutine,
	// after everybody who waited was told: it must not block and not call Close.
	Fatal func(error)

	// OpenFile and FreeSpace replace the operating system's in tests. nil: its own.
	OpenFile  func(name string, flag int, perm os.FileMode) (*os.File, error)
	FreeSpace func(dir string) (int64, error)
}

const defaultMinFree = 16 << 20

func (o *Options) setDefaults() {
	if o.MinFree == 0 {
		o.MinFree = defaultMinFree
	}
	if o.Fatal == nil {
		o.Fatal = func(error) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.FreeSpace == nil {
		o.FreeSpace = freeSpace
	}
}

// Bolt is a [Store] in one bbolt file. Writes that wait together share one transaction
// and one fsync. Safe for concurrent use.
type Bolt struct {
	opt  Options
	path string
	db   *bbolt.DB
	dir  *os.File // locked as long as the store is open
	id   *identity

	jobs     chan job
	mu       sync.RWMutex // guards closed against a Commit that is sending
	closed   bool
	ended    chan struct{} // closed by Close, when all is
	closeErr error

	failed error // set by the committer, which alone reads it

	documents documents
}

var _ Store = (*Bolt)(nil)

// Open opens the store in o.Dir, or makes one in a directory that has none. It refuses
// with [ErrLocked], [ErrCorrupt], [ErrNewer] or [ErrLost] and changes nothing then. The
// whole database is read once.
func Open(o Options) (*Bolt, error) {
	o.setDefaults()
	if err := makeDir(o.Dir); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	b := &Bolt{documents: newDocuments(), opt: o, path: filepath.Join(o.Dir, databaseFile), jobs: make(chan job, queueLength), ended: make(chan struct{})}
	if err := b.open(); err != nil {
		if b.dir != nil {
			err = errors.Join(err, b.dir.Close())
		}
		return nil, fmt.Errorf("%s: %w", b.path, advise(err, o.Dir))
	}
	go b.commit()
	return b, nil
}

// advise says what can be done about a refusal.
func advise(err error, dir string) error {
	if errors.Is(err, ErrCorrupt) || errors.Is(err, ErrLost) {
		return fmt.Errorf("%w; restore it from a backup, or move %s away to start empty", err, dir)
	}
	return err
}

func (b *Bolt) open() (err error) {
	if b.dir, err = lockDir(b.opt.Dir); err != nil {
		return err
	}
	if b.id, err = openIdentity(b.opt.Dir); err != nil {
		return err
	}
	if b.db, err = openBolt(b.path, b.opt.OpenFile); err != nil {
		return err
	}
	if err := b.db.View(b.refuseReplica); err != nil {
		return errors.Join(err, b.db.Close())
	}
	return nil
}

// openIdentity makes sure that the database of a locked directory is there, made if there
// never was one, that it is whole, and whose it is.
func openIdentity(dir string) (*identity, error) {
	stored, err := readIdentity(dir)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, databaseFile)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && stored == nil:
		if err := create(dir); err != nil {
			return nil, fmt.Errorf("make a new database: %w", err)
		}
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %s tells of one made on %s", ErrLost, identityFile, stored.Created.Format(time.DateOnly))
	case err != nil:
		return nil, fmt.Errorf("open the database: %w", err)
	case info.Size() == 0:
		return nil, fmt.Errorf("%w: the file is empty", ErrLost)
	}
	id, err := verify(path)
	if err != nil {
		return nil, err
	}
	if stored == nil {
		return id, id.write(dir)
	}
	if stored.Store != id.Store {
		return nil, damaged("it belongs to store %s, and %s beside it to %s", id.Store, identityFile, stored.Store)
	}
	id.Member = stored.Member
	return id, nil
}

// refuseReplica refuses the database of a member of a cluster: what a server on its own
// changed in it the other members would never learn.
func (b *Bolt) refuseReplica(tx *bbolt.Tx) error {
	if b.id.Member || tx.Bucket(bucketSettings).Get(keyApplied) != nil {
		return fmt.Errorf("%w: it belongs to a member of a cluster; start the server in cluster mode, or with another home", ErrMode)
	}
	return nil
}

// lockWait is short: whoever holds the file does so for as long as it lives.
const lockWait = 50 * time.Millisecond

// openBolt opens a database that has been verified, so its errors are the system's.
func openBolt(path string, openFile openFunc) (db *bbolt.DB, err error) {
	return openBoltWith(path, &bbolt.Options{OpenFile: openFile})
}

// openFunc stands for [os.OpenFile], nil too.
type openFunc = func(name string, flag int, perm os.FileMode) (*os.File, error)

func openBoltWith(path string, o *bbolt.Options) (db *bbolt.DB, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = damaged("%v", p)
		}
	}()
	o.Timeout, o.NoFreelistSync, o.FreelistType = lockWait, true, bbolt.FreelistMapType
	db, err = bbolt.Open(path, 0o600, o)
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, fmt.Errorf("%w: stop what uses it first", ErrLocked)
	case err != nil:
		return nil, fmt.Errorf("open the database: %w", err)
	}
	return db, nil
}

// NodeID implements [Store].
func (b *Bolt) NodeID() string { return b.id.Store }

// Close implements [Store].
func (b *Bolt) Close() error {
	b.mu.Lock()
	first := !b.closed
	b.closed = true
	if first {
		close(b.jobs)
	}
	b.mu.Unlock()
	<-b.ended
	if first {
		return b.closeErr
	}
	return nil
}

// end closes the files, after the committer has written its last.
func (b *Bolt) end() {
	defer close(b.ended)
	if err := errors.Join(b.db.Close(), b.dir.Close()); err != nil {
		b.closeErr = fmt.Errorf("close the database %s: %w", b.path, err)
	}
}
