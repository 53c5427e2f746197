package persistence

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/raft"
	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"nactor/naming"
)

// raftSample makes a cluster of one node, closed, with a log of several pages.
func raftSample(t *testing.T, options func(*RaftOptions)) (c *testCluster, n *testNode, want map[naming.Key]naming.Saved) {
	t.Helper()
	c = newTestCluster(t, 1, options)
	n = c.leader()
	for i := range 40 {
		mustCommitTo(t, n, batchOf(i*5, 4)...)
	}
	want = servicesOn(t, n)
	n.crash(t)
	return c, n, want
}

// refusedRaft checks that a node is not opened, that the reason names the file and what can
// be done, and that nothing is touched.
func refusedRaft(t *testing.T, c *testCluster, n *testNode, file string, want error) string {
	t.Helper()
	before := contentsOf(t, n.dir)
	err := c.tryStart(n)
	if err == nil {
		n.Close()
		t.Fatal("it was opened")
	}
	if !errors.Is(err, want) || !strings.HasPrefix(err.Error(), filepath.Join(n.dir, file)+": ") {
		t.Errorf("%v, want %v, with the file", err, want)
	}
	if want != ErrNewer && want != ErrMode && !strings.Contains(err.Error(), "--replace-node") {
		t.Errorf("%v: does not say what can be done", err)
	}
	if !reflect.DeepEqual(before, contentsOf(t, n.dir)) {
		t.Error("files were changed")
	}
	return err.Error()
}

func contentsOf(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range []string{databaseFile, raftFile, identityFile} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		all[name] = string(b)
	}
	return all
}

func TestDamagedLogIsFound(t *testing.T) {
	c, n, want := raftSample(t, nil)
	path := filepath.Join(n.dir, raftFile)
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	leaf := func(f []byte) int { return fullRaftPage(t, f) }
	for name, d := range map[string]struct {
		damage func(f []byte) []byte
		want   error
	}{
		"a byte of the newest meta page": {func(f []byte) []byte { f[newestMeta(f)+16+20] ^= 1; return f }, ErrCorrupt},
		"newest meta page zeroed":        {func(f []byte) []byte { clear(f[newestMeta(f):][:testPage]); return f }, ErrCorrupt},
		"both meta pages zeroed":         {func(f []byte) []byte { clear(f[:2*testPage]); return f }, ErrCorrupt},
		"a bit of a value":               {func(f []byte) []byte { f[leaf(f)+testPage/2+8] ^= 1; return f }, ErrCorrupt},
		"a leaf zeroed":                  {func(f []byte) []byte { clear(f[leaf(f):][:testPage]); return f }, ErrCorrupt},
		"second half of a leaf zeroed":   {func(f []byte) []byte { clear(f[leaf(f)+testPage/2:][:testPage/2]); return f }, ErrCorrupt},
		"file cut in half":               {func(f []byte) []byte { return f[:usedPages(t, f)[len(usedPages(t, f))-1]*testPage/2] }, ErrCorrupt},
		"file cut to 0":                  {func([]byte) []byte { return nil }, ErrLost},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, d.damage(bytes.Clone(sound)), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Log(refusedRaft(t, c, n, raftFile, d.want))
		})
	}
	t.Run("removed", func(t *testing.T) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		refusedRaft(t, c, n, raftFile, ErrLost)
	})
	t.Run("of another node", func(t *testing.T) {
		_, other, _ := raftSample(t, nil)
		b, err := os.ReadFile(filepath.Join(other.dir, raftFile))
		if err == nil {
			err = os.WriteFile(path, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		refusedRaft(t, c, n, raftFile, ErrCorrupt)
	})
	t.Run("database gone", func(t *testing.T) {
		aside := path + ".aside"
		if err := errors.Join(os.WriteFile(path, sound, 0o600), os.Rename(filepath.Join(n.dir, databaseFile), aside)); err != nil {
			t.Fatal(err)
		}
		refusedRaft(t, c, n, databaseFile, ErrLost)
		if err := os.Rename(aside, filepath.Join(n.dir, databaseFile)); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("none", func(t *testing.T) {
		if err := os.WriteFile(path, sound, 0o600); err != nil {
			t.Fatal(err)
		}
		c.start(n)
		c.agree(want)
		mustCommitTo(t, n, instanceRec(svc, 1000))
	})
}

// fullRaftPage returns the offset of a leaf page of the log that is more than half full.
func fullRaftPage(t *testing.T, f []byte) int {
	t.Helper()
	for _, id := range usedPages(t, f) {
		page := f[id*testPage:][:testPage]
		if u16(page[8:]) != leafPage || u32(page[12:]) != 0 || u16(page[10:]) == 0 {
			continue
		}
		e := pageHeader + (int(u16(page[10:]))-1)*element
		if end := e + int(u32(page[e+4:])+u32(page[e+8:])+u32(page[e+12:])); end > testPage*5/8 && end <= testPage {
			return id * testPage
		}
	}
	t.Fatal("no such page")
	return 0
}

// One wrong bit anywhere in the log's file: it is refused, or the node holds what it held.
func TestWrongBitsOfALog(t *testing.T) {
	c, n, want := raftSample(t, nil)
	path := filepath.Join(n.dir, raftFile)
	f, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	seed := uint64(os.Getpid())
	rng := rand.New(rand.NewPCG(seed, 0))
	used, refused := usedPages(t, f), 0
	tries := 150
	if testing.Short() {
		tries = 20
	}
	for range tries {
		at, bit := used[rng.IntN(len(used))]*testPage+rng.IntN(testPage), rng.IntN(8)
		g := bytes.Clone(f)
		g[at] ^= 1 << bit
		if err := os.WriteFile(path, g, 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := openRaftLog(n.dir, n.id, nil, func(err error) { t.Errorf("fatal: %v", err) })
		if err != nil {
			refused++
			continue
		}
		last, _ := l.LastIndex()
		for i := uint64(1); i <= last; i++ {
			if err := l.GetLog(i, &raft.Log{}); err != nil {
				t.Errorf("seed %d: bit %d of byte %d: %v", seed, bit, at, err)
			}
		}
		if err := l.close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d of %d were refused, the others were in unused bytes", refused, tries)
	if refused == 0 {
		t.Error("nothing was refused")
	}
	if err := os.WriteFile(path, f, 0o600); err != nil {
		t.Fatal(err)
	}
	c.start(n)
	c.agree(want)
}

// The log's content was changed by a tool: the file is sound.
func TestTamperedLogIsFound(t *testing.T) {
	for name, d := range map[string]struct {
		change func(tx *bbolt.Tx) error
		want   error
	}{
		"entry removed": {func(tx *bbolt.Tx) error { return tx.Bucket(bucketLog).Delete(logKey(5)) }, ErrCorrupt},
		"entry removed, books in order": {func(tx *bbolt.Tx) error {
			l, err := openLedger(tx)
			if err == nil {
				err = l.delete(bucketLog, logKey(5))
			}
			return errors.Join(err, l.close())
		}, ErrCorrupt},
		"the end removed, books in order": {func(tx *bbolt.Tx) error {
			l, err := openLedger(tx)
			for i := uint64(20); i < 60 && err == nil; i++ {
				err = l.delete(bucketLog, logKey(i))
			}
			return errors.Join(err, l.close())
		}, ErrLost},
		"the term removed": {func(tx *bbolt.Tx) error { return tx.Bucket(bucketStable).Delete([]byte("CurrentTerm")) }, ErrCorrupt},
		"newer schema":     {func(tx *bbolt.Tx) error { return putMeta(tx, keySchema, binary.BigEndian.AppendUint64(nil, 99)) }, ErrNewer},
	} {
		t.Run(name, func(t *testing.T) {
			c, n, _ := raftSample(t, nil)
			db, err := bbolt.Open(filepath.Join(n.dir, raftFile), 0o600, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(db.Update(d.change), db.Close()); err != nil {
				t.Fatal(err)
			}
			t.Log(refusedRaft(t, c, n, raftFile, d.want))
		})
	}
}

// Damaged, moved aside, and back as another node.
func TestReplaceNode(t *testing.T) {
	c := newTestCluster(t, 3, nil)
	broken := c.follower()
	mustCommitTo(t, broken, batchOf(0, 50)...)
	want, old := servicesOn(t, broken), broken.NodeID()
	if _, err := ReplaceNode(broken.dir); !errors.Is(err, ErrLocked) {
		t.Errorf("a node that runs: %v", err)
	}
	broken.crash(t)
	if err := os.Truncate(filepath.Join(broken.dir, raftFile), 5000); err != nil {
		t.Fatal(err)
	}
	refusedRaft(t, c, broken, raftFile, ErrCorrupt)
	aside, err := ReplaceNode(broken.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{databaseFile, raftFile, identityFile, snapshotDir} {
		if _, err := os.Stat(filepath.Join(aside, name)); err != nil {
			t.Error(err)
		}
	}
	c.start(broken)
	if broken.NodeID() == old || broken.HasState() {
		t.Error("it is the same node")
	}
	if err := errors.Join(c.leader().AddVoter(t.Context(), broken.NodeID(), broken.addr), c.leader().Remove(t.Context(), old)); err != nil {
		t.Fatal(err)
	}
	c.agree(want)
	mustCommitTo(t, broken, instanceRec(svc, 99))
}

func TestModesDoNotMix(t *testing.T) {
	t.Run("alone, then member", func(t *testing.T) {
		c := &testCluster{t: t, addrs: map[string]string{}}
		n := &testNode{dir: t.TempDir()}
		b := open(t, n.dir)
		mustCommit(t, b, instanceRec(svc, 1))
		closeStore(t, b)
		t.Log(refusedRaft(t, c, n, databaseFile, ErrMode))
		b = open(t, n.dir) // as it was
		mustCommit(t, b, naming.Record{Kind: naming.RecordInstance, Key: svc, Addr: instanceRec(svc, 1).Addr, Delete: true})
		closeStore(t, b)
		c.start(n) // empty again
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("member, then alone", func(t *testing.T) {
		_, n, _ := raftSample(t, nil)
		t.Log(refused(t, n.dir, ErrMode))
	})
}

// breakable lets a test break a file that a node has open, below bbolt: see faulty.
type breakable struct {
	mu    sync.Mutex
	files map[string]*os.File
}

func (b *breakable) open(name string, flag int, perm os.FileMode) (*os.File, error) {
	f, err := os.OpenFile(name, flag, perm)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.files[name] = f
	return f, err
}

func (b *breakable) put(t *testing.T, name, device string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	other, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := unix.Dup3(int(other.Fd()), int(b.files[name].Fd()), unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
}

// A node whose disk fails once ends, and never acknowledges again; the others go on.
func TestFirstFaultOfAMember(t *testing.T) {
	for _, file := range []string{raftFile, databaseFile} {
		for _, device := range []string{"/dev/full", "/dev/null"} {
			for _, leads := range []bool{true, false} {
				name := file + " " + filepath.Base(device) + map[bool]string{true: " leader", false: " follower"}[leads]
				t.Run(name, func(t *testing.T) {
					var mu sync.Mutex
					fatal := map[string][]error{}
					disks := map[string]*breakable{}
					c := newTestCluster(t, 3, func(o *RaftOptions) {
						dir, disk := o.Dir, &breakable{files: map[string]*os.File{}}
						o.OpenFile, disks[dir] = disk.open, disk
						o.Fatal = func(err error) {
							mu.Lock()
							defer mu.Unlock()
							fatal[dir] = append(fatal[dir], err)
						}
					})
					victim := c.leader()
					if !leads {
						victim = c.follower()
					}
					mustCommitTo(t, victim, instanceRec(svc, 1))
					c.agree(servicesOn(t, victim))
					path := filepath.Join(victim.dir, file)
					disks[victim.dir].put(t, path, device)
					err := commitTo(victim, instanceRec(svc, 2))
					if err == nil {
						t.Error("it was acknowledged")
					}
					eventually(t, "Fatal", func() bool { mu.Lock(); defer mu.Unlock(); return len(fatal[victim.dir]) == 1 })
					disks[victim.dir].put(t, path, path) // well again
					if err := commitTo(victim, instanceRec(svc, 3)); err == nil || naming.KindOf(err) == naming.KindUnavailable {
						t.Errorf("a later write: %v", err)
					}
					for i, n := range c.nodes {
						if n != victim {
							mustCommitTo(t, n, instanceRec(svc, 10+i))
						}
					}
					_ = victim.Close() // may fail, must not hang
					mu.Lock()
					if len(fatal) != 1 || len(fatal[victim.dir]) != 1 || !strings.Contains(fatal[victim.dir][0].Error(), path) {
						t.Errorf("Fatal was called with %v", fatal)
					}
					mu.Unlock()
					c.start(victim)
					eventually(t, "caught up", victim.CaughtUp)
					c.agree(servicesOn(t, c.leader()))
				})
			}
		}
	}
}

// Damaged snapshots are moved aside; what is missing is made of the database, or refused.
func TestDamagedSnapshots(t *testing.T) {
	small := func(o *RaftOptions) { o.SnapshotEntries, o.TrailingEntries, o.SnapshotBytes = 8, 4, 5_000 }
	snapshots := func(t *testing.T, n *testNode) []string {
		dirs, err := filepath.Glob(filepath.Join(n.dir, snapshotDir, "snapshots", "*"))
		if err != nil || len(dirs) == 0 {
			t.Fatal(dirs, err)
		}
		return dirs
	}
	for name, damage := range map[string]func(dir string) error{
		"cut":          func(d string) error { return os.Truncate(filepath.Join(d, "state.bin"), 100) },
		"emptied":      func(d string) error { return os.Truncate(filepath.Join(d, "state.bin"), 0) },
		"gone":         func(d string) error { return os.Remove(filepath.Join(d, "state.bin")) },
		"without meta": func(d string) error { return os.Remove(filepath.Join(d, "meta.json")) },
		"meta cut":     func(d string) error { return os.Truncate(filepath.Join(d, "meta.json"), 20) },
		"a wrong bit": func(d string) error {
			path := filepath.Join(d, "state.bin")
			b, err := os.ReadFile(path)
			if err == nil {
				b[len(b)/2] ^= 1
				err = os.WriteFile(path, b, 0o600)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, n, want := raftSample(t, small)
			dirs := snapshots(t, n)
			half := filepath.Join(n.dir, snapshotDir, "snapshots", "9-9-9.tmp")
			if err := os.Mkdir(half, 0o700); err != nil {
				t.Fatal(err)
			}
			for _, d := range dirs {
				if err := damage(d); err != nil {
					t.Fatal(err)
				}
			}
			c.start(n)
			c.agree(want)
			mustCommitTo(t, n, instanceRec(svc, 1000))
			if _, err := os.Stat(half); err == nil {
				t.Error("half a snapshot is still there")
			}
			aside, err := filepath.Glob(filepath.Join(n.dir, snapshotDir, damagedDir, "*"))
			if err != nil || len(aside) != len(dirs) {
				t.Error(aside, err)
			}
			// Others can be given what it made.
			fresh := c.add(t.TempDir(), small)
			if err := n.AddVoter(t.Context(), fresh.NodeID(), fresh.addr); err != nil {
				t.Fatal(err)
			}
			c.agree(servicesOn(t, n))
			if first, _ := fresh.log.FirstIndex(); first < 5 {
				t.Errorf("its log begins at %d: it did not get a snapshot", first)
			}
		})
	}
}

// A process that was killed while a snapshot took the place of the database.
func TestInterruptedRestore(t *testing.T) {
	small := func(o *RaftOptions) { o.SnapshotEntries, o.TrailingEntries, o.SnapshotBytes = 8, 4, 5_000 }
	c, n, want := raftSample(t, small)
	// The snapshot is there, half a database beside it, and the database is as it was when
	// there was nothing.
	path := filepath.Join(n.dir, databaseFile)
	if err := errors.Join(os.Remove(path), createFile(n.dir, databaseFile, n.id, recordBuckets), os.WriteFile(filepath.Join(n.dir, restoreFile), []byte("half"), 0o600)); err != nil {
		t.Fatal(err)
	}
	c.start(n)
	c.agree(want)
	if _, err := os.Stat(filepath.Join(n.dir, restoreFile)); err == nil {
		t.Error("half a database is still there")
	}
}
