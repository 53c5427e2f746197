package faulttest

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// damages is what can happen to a database file.
var damages = []struct {
	name string
	harm func(t *testing.T, file []byte) []byte
}{
	{"none", func(_ *testing.T, f []byte) []byte { return f }},
	{"a byte of the newest meta page", func(_ *testing.T, f []byte) []byte {
		f[newestMeta(f)+pageHead+20] ^= 1
		return f
	}},
	{"newest meta page zeroed", func(_ *testing.T, f []byte) []byte {
		clear(f[newestMeta(f):][:pageSize])
		return f
	}},
	{"both meta pages zeroed", func(_ *testing.T, f []byte) []byte {
		clear(f[:2*pageSize])
		return f
	}},
	{"a bit of a value", func(t *testing.T, f []byte) []byte {
		f[lastValue(t, f)] ^= 1
		return f
	}},
	{"a leaf zeroed", func(t *testing.T, f []byte) []byte {
		clear(f[fullestLeaf(t, f):][:pageSize])
		return f
	}},
	{"second half of a leaf zeroed", func(t *testing.T, f []byte) []byte {
		clear(f[fullestLeaf(t, f)+pageSize/2:][:pageSize/2])
		return f
	}},
	{"cut in the middle of a leaf", func(t *testing.T, f []byte) []byte { return f[:fullestLeaf(t, f)+pageSize/2] }},
	{"cut in half", func(_ *testing.T, f []byte) []byte { return f[:len(f)/2] }},
	{"emptied", func(_ *testing.T, f []byte) []byte { return f[:0] }},
	{"removed", func(*testing.T, []byte) []byte { return nil }},
}

// The layout of bbolt's files.
const (
	pageSize = 4096
	pageHead = 16
)

// newestMeta returns the offset of the meta page with the larger transaction.
func newestMeta(f []byte) int {
	tx := func(page int) uint64 { return binary.NativeEndian.Uint64(f[page*pageSize+pageHead+48:]) }
	if tx(1) > tx(0) {
		return pageSize
	}
	return 0
}

// fullestLeaf returns the offset of the leaf in use with the most data.
func fullestLeaf(t *testing.T, f []byte) int {
	t.Helper()
	path := filepath.Join(t.TempDir(), "copy")
	if err := os.WriteFile(path, f, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, PreLoadFreelist: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	best, most := 0, 0
	err = db.View(func(tx *bbolt.Tx) error {
		for id := 2; ; id++ {
			info, err := tx.Page(id)
			if info == nil || err != nil {
				return err
			}
			used := pageSize - strings.Count(string(f[id*pageSize:][:pageSize]), "\x00")
			if info.Type == "leaf" && used > most {
				best, most = id*pageSize, used
			}
		}
	})
	if err != nil || best == 0 {
		t.Fatalf("no leaf: %v", err)
	}
	return best
}

// lastValue returns the offset of a byte in the last value of the fullest leaf.
func lastValue(t *testing.T, f []byte) int {
	t.Helper()
	page := fullestLeaf(t, f)
	count := int(binary.NativeEndian.Uint16(f[page+10:]))
	element := page + pageHead + 16*(count-1)
	u32 := func(at int) int { return int(binary.NativeEndian.Uint32(f[at:])) }
	return element + u32(element+4) + u32(element+8) + u32(element+12)/2
}

// F10: the files of one node are damaged. It says so and names the file, or gets what it
// lost from the others; it never serves anything else. As a new node it comes back.
func TestDamagedFiles(t *testing.T) {
	const fault = "F10 damaged files"
	if testing.Short() {
		t.Skip("short: faults of the disk are left out")
	}
	c := newCluster(t, loopback{}, 3)
	c.start()
	c.await(10 * time.Second)
	const services, instances = 20, 400
	for i := range instances {
		in := c.history.newInstance(i%services, true)
		if err := c.nodes[i%3].api.register(in); err != nil {
			t.Fatal(err)
		}
	}
	whole := func(n *node) error {
		all := 0
		for s := range services {
			list, err := n.api.list(s)
			if err != nil {
				return err
			}
			all += len(list)
		}
		if all != instances {
			return fmt.Errorf("%v lists %d of %d instances", n, all, instances)
		}
		return nil
	}
	for _, n := range c.nodes {
		eventually(t, 5*time.Second, "all instances are listed", func() error { return whole(n) })
	}
	victim := c.nodes[1]
	data := filepath.Join(victim.spec.Home, "data")
	victim.stop(20 * time.Second)
	kept := filepath.Join(c.dir, "kept")
	if err := os.CopyFS(kept, os.DirFS(data)); err != nil {
		t.Fatal(err)
	}
	refused, repaired, wrong := 0, 0, 0
	for _, file := range []string{"nactor.db", "raft.db"} {
		for _, d := range damages {
			what := file + ": " + d.name
			restore(t, kept, data)
			damage(t, filepath.Join(data, file), d.harm)
			victim.launch()
			switch err := victim.server.Ready(readyTime); {
			case err == nil:
				victim.served()
				repaired++
				if err := whole(victim); err != nil {
					wrong++
					t.Errorf("%s: serves wrong data: %v", what, err)
				} else {
					t.Logf("%s: serves all", what)
				}
				victim.stop(20 * time.Second)
			case victim.ended():
				refused++
				code, said := victim.server.Wait(time.Second), victim.server.Output()+victim.tail("nacos.log", 4000)
				t.Logf("%s: exit code %d: %s", what, code, lastLines(victim.tail("nacos.log", 1500), 1))
				if code != exitData || !strings.Contains(said, file) || d.name == "none" {
					wrong++
					t.Errorf("%s: exit code %d, want %d and the name of the file in\n%s", what, code, exitData, said)
				}
			default:
				wrong++
				t.Errorf("%s: neither ready nor ended: %v\n%s", what, err, victim.tail("nacos.log", 2000))
				victim.server.Kill()
			}
		}
	}
	results.expect(t, wrong == 0, fault, "2 files × 11 mutations", fmt.Sprintf("%d refused, %d served all, %d wrong", refused, repaired, wrong), "0 wrong")

	begin := time.Now()
	victim.launch("--replace-node")
	victim.ready(readyTime)
	c.await(10 * time.Second)
	took := time.Since(begin)
	if err := whole(victim); err != nil {
		t.Errorf("as a new node: %v", err)
	}
	results.expect(t, took <= 15*time.Second, fault, "--replace-node → ready with all data", short(took).String(), "≤ 15s")
	c.writable()
}

// exitData is the exit code when the data is refused.
const exitData = 4

// ended reports whether the process has ended.
func (n *node) ended() bool {
	select {
	case <-n.server.Ended():
		return true
	default:
		return false
	}
}

// restore makes a directory what it was when it was copied.
func restore(t *testing.T, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

func damage(t *testing.T, path string, harm func(*testing.T, []byte) []byte) {
	t.Helper()
	f, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f = harm(t, f)
	if f == nil {
		err = os.Remove(path)
	} else {
		err = os.WriteFile(path, f, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
