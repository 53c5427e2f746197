package persistence

import (
	"errors"
	"math"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"nactor/naming"
)

// lastTx returns the number of the last transaction.
func lastTx(t testing.TB, b *Bolt) (id int) {
	t.Helper()
	if err := b.db.View(func(tx *bbolt.Tx) error { id = tx.ID(); return nil }); err != nil {
		t.Fatal(err)
	}
	return id
}

// hold keeps the committer busy, so that what is committed next waits, until released.
func hold(b *Bolt) (release func()) {
	held, c := make(chan struct{}), make(chan struct{})
	b.Commit(nil, func(error) { close(held); <-c })
	<-held
	return func() { close(c) }
}

func TestWaitingCommitsShareATransaction(t *testing.T) {
	b := open(t, t.TempDir())
	const n = 500
	release := hold(b)
	before := lastTx(t, b)
	var wg sync.WaitGroup
	var last atomic.Int64
	wg.Add(n)
	for i := range n {
		b.Commit([]naming.Record{instanceRec(svc, i)}, func(err error) {
			if err != nil || int(last.Swap(int64(i))) > i {
				t.Errorf("%d: %v; answers are given in order", i, err)
			}
			wg.Done()
		})
	}
	release()
	wg.Wait()
	if got := lastTx(t, b) - before; got != 1 {
		t.Errorf("%d transactions for %d commits that waited", got, n)
	}
	if got := len(services(t, b)[svc].Instances); got != n {
		t.Errorf("%d instances", got)
	}
}

func TestGroupsAreBounded(t *testing.T) {
	b := open(t, t.TempDir())
	const n = 2500 // of about 8 KiB on the disk each
	release := hold(b)
	before := lastTx(t, b)
	var wg sync.WaitGroup
	wg.Add(n)
	for i := range n {
		b.Commit([]naming.Record{instanceRec(svc, i)}, func(error) { wg.Done() })
	}
	release()
	wg.Wait()
	if got := lastTx(t, b) - before; got < 2 || got > 4 {
		t.Errorf("%d transactions, want the %d records in about three", got, n)
	}
}

// What does not fit in the queue is refused at once; what was taken is written.
func TestFullQueueRefuses(t *testing.T) {
	b := open(t, t.TempDir())
	release := hold(b)
	const more = 7
	var answers sync.WaitGroup
	var ok, refused atomic.Int64
	answers.Add(queueLength + more)
	for range queueLength + more {
		b.Commit(nil, func(err error) {
			switch {
			case err == nil:
				ok.Add(1)
			case naming.KindOf(err) == naming.KindUnavailable:
				refused.Add(1)
			}
			answers.Done()
		})
	}
	if refused.Load() != more {
		t.Errorf("%d were refused at once, want %d", refused.Load(), more)
	}
	release()
	answers.Wait()
	if ok.Load() != queueLength {
		t.Errorf("%d were written, want %d", ok.Load(), queueLength)
	}
}

func TestCloseWritesWhatWasAccepted(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	release := hold(b)
	var done atomic.Int64
	for i := range 100 {
		b.Commit([]naming.Record{instanceRec(svc, i)}, func(err error) {
			if err == nil {
				done.Add(1)
			}
		})
	}
	closed := make(chan error)
	go func() { closed <- b.Close() }()
	release()
	if err := <-closed; err != nil || done.Load() != 100 {
		t.Errorf("%v, %d answers", err, done.Load())
	}
	if got := len(services(t, open(t, dir))[svc].Instances); got != 100 {
		t.Errorf("%d instances after a restart", got)
	}
}

// Whoever commits while the store closes gets an answer, and a yes only for what was written.
func TestCommitWhileClosing(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	var written atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				switch err := commit(b, instanceRec(svc, int(written.Load()))); {
				case err == nil:
					written.Add(1)
				case naming.KindOf(err) == naming.KindUnavailable:
					return
				default:
					t.Error(err)
					return
				}
			}
		})
	}
	for written.Load() < 20 {
		runtime.Gosched()
	}
	closeStore(t, b)
	wg.Wait()
	closeStore(t, open(t, dir))
}

// done may call the store again: nothing is locked then.
func TestDoneMayCommit(t *testing.T) {
	b := open(t, t.TempDir())
	answer := make(chan error, 1)
	b.Commit(nil, func(error) { b.Commit(nil, func(err error) { answer <- err }) })
	if err := <-answer; err != nil {
		t.Error(err)
	}
	closeStore(t, b)
	b.Commit(nil, func(error) { b.Commit(nil, func(err error) { answer <- err }) })
	if err := <-answer; naming.KindOf(err) != naming.KindUnavailable {
		t.Error(err)
	}
}

// What could not be read back is refused, and harms nothing.
func TestUnstorableRecords(t *testing.T) {
	dir := t.TempDir()
	fatal := func(err error) { t.Errorf("fatal: %v", err) }
	b := openWith(t, Options{Dir: dir, Fatal: fatal})
	in := func(change func(*naming.Record)) naming.Record {
		r := instanceRec(svc, 1)
		change(&r)
		return r
	}
	for name, r := range map[string]naming.Record{
		"no kind":              {Key: svc},
		"no instance":          {Kind: naming.RecordInstance, Key: svc},
		"no overlay":           {Kind: naming.RecordOverlay, Key: svc},
		"no service":           {Kind: naming.RecordService, Key: svc},
		"zero byte in cluster": in(func(r *naming.Record) { r.Addr.Cluster = "a\x00b" }),
		"zero byte in ip":      in(func(r *naming.Record) { r.Addr.IP = "\x00" }),
		"zero byte in name":    in(func(r *naming.Record) { r.Key.Name = "a\x00b" }),
		"ambiguous name":       in(func(r *naming.Record) { r.Key.Group = "a@@b" }),
		"very long name":       in(func(r *naming.Record) { r.Key.Name = strings.Repeat("x", 40000) }),
		"no UTF-8":             in(func(r *naming.Record) { r.Instance.Metadata = naming.Metadata{{Key: "k", Value: "\xff"}} }),
		"no number":            in(func(r *naming.Record) { r.Instance.Weight = math.NaN() }),
	} {
		if err := commit(b, instanceRec(svc, 2), r); naming.KindOf(err) != naming.KindInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	closeStore(t, b)
	if got := services(t, openWith(t, Options{Dir: dir})); len(got) != 0 {
		t.Errorf("of a refused batch is there: %+v", got)
	}
}

func TestFullDiskRefusesAndRecovers(t *testing.T) {
	dir := t.TempDir()
	var free atomic.Int64
	b := openWith(t, Options{
		Dir: dir, MinFree: 1000, FreeSpace: func(string) (int64, error) { return free.Load(), nil },
		Fatal: func(err error) { t.Errorf("fatal: %v", err) },
	})
	free.Store(999)
	for range 2 {
		err := commit(b, instanceRec(svc, 1))
		if want := "disk is full: 999 bytes free in " + dir + ", at least 1000 needed; free space and retry"; naming.KindOf(err) != naming.KindUnavailable || err.Error() != want {
			t.Fatalf("%v, want %s", err, want)
		}
	}
	free.Store(1000)
	mustCommit(t, b, instanceRec(svc, 1))

	// One batch that is larger than the reserve asks for more.
	var large []naming.Record
	for i := range 2000 {
		large = append(large, instanceRec(svc, i))
	}
	if err := commit(b, large...); naming.KindOf(err) != naming.KindUnavailable {
		t.Errorf("a large batch: %v", err)
	}
	free.Store(1 << 30)
	mustCommit(t, b, large...)
}

// faulty opens a store whose database file a test can break: it swaps what is behind the
// file descriptor that bbolt holds, so that real system calls fail. Behind /dev/full
// writes fail (ENOSPC); behind /dev/null they succeed and fdatasync fails (EINVAL).
func faulty(t *testing.T, dir string, fatal func(error)) (b *Bolt, put func(device string)) {
	t.Helper()
	closeStore(t, open(t, dir))
	var file *os.File
	b = openWith(t, Options{Dir: dir, Fatal: fatal, OpenFile: func(name string, flag int, perm os.FileMode) (*os.File, error) {
		f, err := os.OpenFile(name, flag, perm)
		file = f
		return f, err
	}})
	return b, func(device string) {
		t.Helper()
		other, err := os.OpenFile(device, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		if err := unix.Dup3(int(other.Fd()), int(file.Fd()), unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
	}
}

// A write error is the end: nobody who waits is told yes, nothing later is written even if
// the disk has recovered, and the node is told once.
func TestFirstFaultLatches(t *testing.T) {
	for device, cause := range map[string]error{"/dev/full": unix.ENOSPC, "/dev/null": unix.EINVAL} {
		t.Run(device, func(t *testing.T) {
			dir := t.TempDir()
			var fatal []error
			b, put := faulty(t, dir, func(err error) { fatal = append(fatal, err) })
			mustCommit(t, b, instanceRec(svc, 1))

			release := hold(b)
			answers := make(chan error, 10)
			for i := range 10 {
				b.Commit([]naming.Record{instanceRec(svc, 10+i)}, func(err error) { answers <- err })
			}
			put(device)
			release()
			for range 10 {
				if err := <-answers; !errors.Is(err, cause) || !strings.Contains(err.Error(), dir) {
					t.Fatalf("%v, want %v", err, cause)
				}
			}
			put(dir + "/" + databaseFile) // the disk is well again
			for i := range 3 {
				if err := commit(b, instanceRec(svc, 20+i)); !errors.Is(err, cause) {
					t.Fatalf("a later write: %v", err)
				}
			}
			if err := b.Close(); err != nil {
				t.Log(err) // may fail; must not hang
			}
			if len(fatal) != 1 || !errors.Is(fatal[0], cause) {
				t.Errorf("Fatal was called with %v", fatal)
			}
			if got := len(services(t, open(t, dir))[svc].Instances); got != 1 {
				t.Errorf("%d instances after a restart, want the one acknowledged", got)
			}
		})
	}
}
