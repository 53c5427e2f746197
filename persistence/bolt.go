package persistence

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"

	"nactor/naming"
)

// Options configure a [Bolt].
type Options struct {
	Dir     string       // made if it is missing
	Logger  *slog.Logger // naming-raft.log
	MinFree int64        // bytes of free space below which writes are refused; 0: 16 MiB
	// Fatal is called once when a write or fsync has failed: the process must end, since
	// what the kernel holds can no longer be trusted.
	Fatal func(error)

	// OpenFile and FreeSpace replace the operating system's in tests.
	OpenFile  func(name string, flag int, perm os.FileMode) (*os.File, error)
	FreeSpace func(dir string) (int64, error)
}

// Bolt is a [Store] in one bbolt file. Writes that wait together share one transaction
// and one fsync. Safe for concurrent use.
type Bolt struct {
	opt  Options
	db   *bbolt.DB
	id   *identity
	jobs chan job
	wg   sync.WaitGroup

	mu     sync.RWMutex // guards closed against a Commit that is sending
	closed bool
	failed error // set by the committer, which alone reads it
}

var _ Store = (*Bolt)(nil)

// Open opens the store in o.Dir, or makes one in a directory that has none. It refuses
// with [ErrLocked], [ErrCorrupt], [ErrNewer] or [ErrLost] and changes nothing then.
func Open(o Options) (*Bolt, error) {
	if o.MinFree == 0 {
		o.MinFree = 16 << 20
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
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	path := filepath.Join(o.Dir, databaseFile)
	id, err := readIdentity(o.Dir)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && id == nil:
		if err := create(o.Dir); err != nil {
			return nil, fmt.Errorf("make a new database in %s: %w", o.Dir, err)
		}
	case errors.Is(err, fs.ErrNotExist), err == nil && info.Size() == 0:
		return nil, fmt.Errorf("%s: %w: restore it from a backup; to start empty on purpose, move %s away first", path, ErrLost, o.Dir)
	case err != nil:
		return nil, fmt.Errorf("open the database: %w", err)
	}
	db, err := openChecked(path, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, advise(err, o.Dir))
	}
	b := &Bolt{opt: o, db: db, jobs: make(chan job, queueLength)}
	if b.id, err = b.readOwnIdentity(); err == nil {
		if id == nil {
			err = b.id.write(o.Dir)
		} else if id.Store != b.id.Store {
			err = fmt.Errorf("%s: %w: it belongs to store %s, %s says %s; put back the file that belongs here", path, ErrCorrupt, b.id.Store, identityFile, id.Store)
		}
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	b.wg.Go(b.commit)
	return b, nil
}

func advise(err error, dir string) error {
	if errors.Is(err, ErrCorrupt) {
		return fmt.Errorf("%w; restore it from a backup, or move %s away to start empty", err, dir)
	}
	return err
}

// create makes an empty database under another name first: half a database is never found
// under its own.
func create(dir string) error {
	id := &identity{Store: uuid.NewString(), Created: time.Now().UTC().Truncate(time.Second), Schema: schema}
	temp := filepath.Join(dir, databaseFile+".new")
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	db, err := bbolt.Open(temp, 0o600, &bbolt.Options{Timeout: lockWait})
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range append(recordBuckets, bucketMeta) {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		m := tx.Bucket(bucketMeta)
		return errors.Join(
			m.Put(keySchema, binary.BigEndian.AppendUint64(nil, schema)),
			m.Put(keyStore, []byte(id.Store)),
			m.Put(keyCreated, []byte(id.Created.Format(time.RFC3339))),
			(&ledger{tx: tx}).close(),
		)
	})
	if err = errors.Join(err, db.Close()); err != nil {
		return err
	}
	// The identity comes after the database: with the reverse order a crash in between
	// would look like a lost database.
	if err := os.Rename(temp, filepath.Join(dir, databaseFile)); err != nil {
		return err
	}
	return syncDir(dir)
}

// lockWait is short: whoever holds the file does so for as long as it lives.
const lockWait = 50 * time.Millisecond

func openChecked(path string, o Options) (db *bbolt.DB, err error) {
	if err := checkMetaPages(path); err != nil {
		return nil, err
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrCorrupt, p)
		}
	}()
	db, err = bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout: lockWait, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType, OpenFile: o.OpenFile,
	})
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, fmt.Errorf("%w%s: stop it, or give this one another home", ErrLocked, holder(path))
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	case err != nil:
		return nil, err
	}
	if err := verify(db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// holder names the process that has locked path, where that can be found out.
func holder(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	var st unix.Stat_t
	if unix.Fstat(int(f.Fd()), &st) != nil {
		return ""
	}
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		return ""
	}
	if pid := lockHolder(string(locks), st.Ino); pid > 0 {
		return fmt.Sprintf(" (pid %d)", pid)
	}
	return ""
}

func (b *Bolt) readOwnIdentity() (*identity, error) {
	id := &identity{Schema: schema}
	err := b.db.View(func(tx *bbolt.Tx) error {
		m := tx.Bucket(bucketMeta)
		id.Store = string(m.Get(keyStore))
		var err error
		id.Created, err = time.Parse(time.RFC3339, string(m.Get(keyCreated)))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the store's id: %w: %w", ErrCorrupt, err)
	}
	return id, nil
}

// NodeID implements [Store].
func (b *Bolt) NodeID() string { return b.id.Store }

// Close implements [Store].
func (b *Bolt) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	close(b.jobs)
	b.mu.Unlock()
	b.wg.Wait()
	if err := b.db.Close(); err != nil {
		return fmt.Errorf("close the database: %w", err)
	}
	return nil
}

// Services implements [Store].
func (b *Bolt) Services() iter.Seq2[naming.Saved, error] {
	return func(yield func(naming.Saved, error) bool) {
		saved, err := b.readServices()
		if err != nil {
			yield(naming.Saved{}, err)
			return
		}
		for _, s := range saved {
			if !yield(*s, nil) {
				return
			}
		}
	}
}
