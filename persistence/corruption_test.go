package persistence

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"nactor/naming"
)

// sample makes a store with enough records for a tree of several levels, and returns its
// file, and the file as it was half-way.
func sample(t testing.TB, dir string) (file, half []byte) {
	t.Helper()
	read := func() []byte {
		f, err := os.ReadFile(filepath.Join(dir, databaseFile))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	b := open(t, dir)
	for part := range 10 {
		var batch []naming.Record
		for i := range 50 {
			batch = append(batch, instanceRec(svc, part*50+i))
		}
		mustCommit(t, b, append(batch, serviceRec(svc, part), overlayRec(svc, part))...)
		if part == 5 {
			half = read()
		}
	}
	closeStore(t, b)
	return read(), half
}

const testPage = 4096

// newestMeta returns the offset of the meta page with the larger transaction id.
func newestMeta(f []byte) int {
	tx := func(n int) uint64 { return binary.NativeEndian.Uint64(f[n*testPage+16+48:]) }
	if tx(1) > tx(0) {
		return testPage
	}
	return 0
}

// fullLeaf returns the offset of the leaf page in use with the most data.
func fullLeaf(t *testing.T, f []byte) int { return usedPage(t, f, leafPage) }

func usedPage(t *testing.T, f []byte, kind uint16) int {
	t.Helper()
	best, most := 0, 0
	for _, id := range usedPages(t, f) {
		page := f[id*testPage : (id+1)*testPage]
		if n := len(bytes.TrimRight(page, "\x00")); n > most && u16(page[8:]) == kind {
			best, most = id*testPage, n
		}
	}
	if most <= testPage/2 && kind == leafPage || most == 0 {
		t.Fatalf("the fullest page of kind %d has %d bytes", kind, most)
	}
	return best
}

func usedPages(t *testing.T, f []byte) []int {
	t.Helper()
	p, err := openPages(readerAt(f), int64(len(f)))
	if err != nil {
		t.Fatal(err)
	}
	buckets, err := p.buckets()
	if err != nil {
		t.Fatal(err)
	}
	for _, header := range buckets {
		if err := p.each(header, func([]byte, []byte) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	pages := []int{0, 1}
	for id, used := range p.seen {
		if used {
			pages = append(pages, id)
		}
	}
	return pages
}

// signpost returns a key of a branch page, the first key of the leaf that it points to, and
// the last key of the leaf before that one. All have the same length.
func signpost(t *testing.T, f []byte) (key, first, last []byte) {
	t.Helper()
	branch := f[usedPage(t, f, branchPage):][:testPage]
	count := int(u16(branch[10:]))
	at := func(i int) (key, leaf []byte) {
		e := pageHeader + i*element
		pos := e + int(u32(branch[e:]))
		return branch[pos : pos+int(u32(branch[e+4:]))], f[int(u64(branch[e+8:]))*testPage:][:testPage]
	}
	keys := func(leaf []byte) (keys [][]byte) {
		for i := range int(u16(leaf[10:])) {
			e := pageHeader + i*element
			pos := e + int(u32(leaf[e+4:]))
			keys = append(keys, leaf[pos:pos+int(u32(leaf[e+8:]))])
		}
		return keys
	}
	for i := 1; i < count; i++ {
		key, leaf := at(i)
		_, before := at(i - 1)
		first, last := keys(leaf)[0], keys(before)[int(u16(before[10:]))-1]
		if len(key) == len(first) && len(key) == len(last) {
			return key, first, last
		}
	}
	t.Fatal("no such key")
	return nil, nil, nil
}

type readerAt []byte

func (r readerAt) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off+int64(len(p)) > int64(len(r)) {
		return 0, os.ErrInvalid
	}
	return copy(p, r[off:]), nil
}

// Damage of every kind is found, named, and left as it is. bbolt by itself opens most of
// these files, or takes the process with it.
func TestDamageIsFound(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, f []byte) []byte{
		"a byte of the newest meta page": func(_ *testing.T, f []byte) []byte {
			f[newestMeta(f)+16+20] ^= 1
			return f
		},
		"a byte of the older meta page": func(_ *testing.T, f []byte) []byte {
			f[testPage-newestMeta(f)+16+20] ^= 1
			return f
		},
		"newest meta page zeroed": func(_ *testing.T, f []byte) []byte {
			at := newestMeta(f)
			clear(f[at : at+testPage])
			return f
		},
		"both meta pages zeroed": func(_ *testing.T, f []byte) []byte {
			clear(f[:2*testPage])
			return f
		},
		"a bit of a value": func(t *testing.T, f []byte) []byte {
			at := fullLeaf(t, f)
			f[at+testPage/2] ^= 1
			return f
		},
		"a leaf zeroed": func(t *testing.T, f []byte) []byte {
			at := fullLeaf(t, f)
			clear(f[at : at+testPage])
			return f
		},
		"second half of a leaf zeroed": func(t *testing.T, f []byte) []byte {
			at := fullLeaf(t, f)
			clear(f[at+testPage/2 : at+testPage])
			return f
		},
		"a page that is not there": func(t *testing.T, f []byte) []byte {
			f[usedPage(t, f, branchPage)+pageHeader+8+7] = 0x40
			return f
		},
		"a circle": func(t *testing.T, f []byte) []byte {
			at := usedPage(t, f, branchPage)
			binary.NativeEndian.PutUint64(f[at+pageHeader+8:], uint64(at/testPage))
			return f
		},
		"a signpost too far right": func(t *testing.T, f []byte) []byte {
			key, first, _ := signpost(t, f)
			copy(key, first)
			key[len(key)-1]++ // searches for the first key of a page now go to the page before
			return f
		},
		"a signpost too far left": func(t *testing.T, f []byte) []byte {
			key, _, last := signpost(t, f)
			copy(key, last) // searches for the last key of a page now go to the page after
			return f
		},
		"a page that is larger than the file": func(t *testing.T, f []byte) []byte {
			f[fullLeaf(t, f)+15] = 0x7f
			return f
		},
		"file cut in half":           func(_ *testing.T, f []byte) []byte { return f[:len(f)/2] },
		"file cut to a page":         func(_ *testing.T, f []byte) []byte { return f[:testPage] },
		"text instead of a database": func(*testing.T, []byte) []byte { return []byte("hello") },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			f, _ := sample(t, dir)
			if err := os.WriteFile(filepath.Join(dir, databaseFile), damage(t, f), 0o600); err != nil {
				t.Fatal(err)
			}
			text := refused(t, dir, ErrCorrupt)
			t.Log(text)
			if name == "a bit of a value" && !strings.Contains(text, "record instances/") {
				t.Error("the record is not named")
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		dir := t.TempDir()
		sample(t, dir)
		if got := len(services(t, open(t, dir))[svc].Instances); got != 500 {
			t.Errorf("%d instances", got)
		}
	})
}

// harmless checks that a file with damage anywhere is either refused or serves exactly
// what it should, and goes on to work.
func harmless(t *testing.T, dir, what string, f []byte, want map[naming.Key]naming.Saved) (opened bool) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, databaseFile), f, 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := Open(Options{Dir: dir})
	if err != nil {
		return false
	}
	got := services(t, b)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: serves wrong data", what)
	}
	if err := commit(b, instanceRec(svc, 1000), naming.Record{Kind: naming.RecordInstance, Key: svc, Addr: instanceRec(svc, 1000).Addr, Delete: true}); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	closeStore(t, b)
	if b, err = Open(Options{Dir: dir}); err != nil {
		t.Errorf("%s: after a write: %v", what, err)
		return true
	}
	closeStore(t, b)
	return true
}

// bbolt writes over the pages of the list of free pages. A tool may have written one.
func TestWrongFreeList(t *testing.T) {
	dir := t.TempDir()
	sample(t, dir)
	tamper(t, dir, func(*bbolt.Tx) error { return nil })
	path := filepath.Join(dir, databaseFile)
	f, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := int(u64(f[newestMeta(f)+pageHeader+32:])) * testPage
	if u16(f[at+8:]) != freelistPage || u16(f[at+10:]) == 0 {
		t.Fatal("there is no list")
	}
	for name, damage := range map[string]func(page []byte){
		"a used page":   func(page []byte) { binary.NativeEndian.PutUint64(page[16:], uint64(fullLeaf(t, f)/testPage)) },
		"a page twice":  func(page []byte) { copy(page[16:24], page[24:32]) },
		"a meta page":   func(page []byte) { clear(page[16:24]) },
		"no such page":  func(page []byte) { page[23] = 1 },
		"too many":      func(page []byte) { binary.NativeEndian.PutUint16(page[10:], 600) },
		"another kind":  func(page []byte) { page[8] = leafPage },
		"larger counts": func(page []byte) { page[10], page[11], page[23] = 0xff, 0xff, 0x7f },
	} {
		t.Run(name, func(t *testing.T) {
			g := append([]byte(nil), f...)
			damage(g[at : at+testPage])
			if err := os.WriteFile(path, g, 0o600); err != nil {
				t.Fatal(err)
			}
			t.Log(refused(t, dir, ErrCorrupt))
		})
	}
}

// One wrong bit, anywhere in the pages in use.
func TestWrongBits(t *testing.T) {
	dir := t.TempDir()
	f, _ := sample(t, dir)
	b := open(t, dir)
	want := services(t, b)
	closeStore(t, b)
	n, refused := 400, 0
	if testing.Short() {
		n = 50
	}
	used := usedPages(t, f)
	seed := uint64(os.Getpid())
	rng := rand.New(rand.NewPCG(seed, 0))
	for range n {
		at, bit := used[rng.IntN(len(used))]*testPage+rng.IntN(testPage), rng.IntN(8)
		f[at] ^= 1 << bit
		if !harmless(t, dir, "bit", f, want) {
			refused++
		}
		if f[at] ^= 1 << bit; t.Failed() {
			t.Fatalf("seed %d: bit %d of byte %d", seed, bit, at)
		}
	}
	t.Logf("%d of %d were refused, the others were in unused bytes", refused, n)
}

// Whole pages that are lost, old (a write that never arrived), or in the wrong place.
func TestWrongPages(t *testing.T) {
	dir := t.TempDir()
	f, half := sample(t, dir)
	b := open(t, dir)
	want := services(t, b)
	closeStore(t, b)
	refused := 0
	try := func(what string, page int, content []byte) {
		g := append([]byte(nil), f...)
		copy(g[page*testPage:(page+1)*testPage], content)
		if !harmless(t, dir, what, g, want) {
			refused++
		}
		if t.Failed() {
			t.Fatalf("page %d", page)
		}
	}
	pages := min(len(f), len(half)) / testPage
	for page := range pages {
		try("lost page", page, make([]byte, testPage))
		try("old page", page, half[page*testPage:(page+1)*testPage])
		other := (page + 1) % pages
		try("misplaced page", page, f[other*testPage:(other+1)*testPage])
	}
	t.Logf("%d of %d were refused, the others were in unused parts", refused, 3*pages)
	if refused == 0 {
		t.Error("nothing was refused")
	}
}

// tamper changes the database by bbolt itself: the file is sound, its content is not.
func tamper(t *testing.T, dir string, change func(tx *bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(dir, databaseFile), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(change); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestTamperedContentIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		change func(tx *bbolt.Tx) error
		want   error
	}{
		"nothing": {func(*bbolt.Tx) error { return nil }, nil}, // also: with a list of free pages
		"record removed": {func(tx *bbolt.Tx) error {
			k, _ := tx.Bucket(bucketInstances).Cursor().First()
			return tx.Bucket(bucketInstances).Delete(k)
		}, ErrCorrupt},
		"record moved to another key": {func(tx *bbolt.Tx) error {
			b := tx.Bucket(bucketInstances)
			k, v := b.Cursor().First()
			if err := b.Put(append(append([]byte(nil), k...), '1'), v); err != nil {
				return err
			}
			return b.Delete(k)
		}, ErrCorrupt},
		"record replaced by a sound one": {func(tx *bbolt.Tx) error {
			b := tx.Bucket(bucketInstances)
			k, _ := b.Cursor().First()
			return b.Put(k, seal(bucketInstances, k, []byte("{}")))
		}, ErrCorrupt},
		"bucket removed": {func(tx *bbolt.Tx) error { return tx.DeleteBucket(bucketOverlays) }, ErrCorrupt},
		"bucket added": {func(tx *bbolt.Tx) error {
			_, err := tx.CreateBucket([]byte("other"))
			return err
		}, ErrCorrupt},
		"no schema":  {func(tx *bbolt.Tx) error { return tx.Bucket(bucketMeta).Delete(keySchema) }, ErrCorrupt},
		"no meta":    {func(tx *bbolt.Tx) error { return tx.DeleteBucket(bucketMeta) }, ErrCorrupt},
		"no store":   {func(tx *bbolt.Tx) error { return tx.Bucket(bucketMeta).Delete(keyStore) }, ErrCorrupt},
		"no created": {func(tx *bbolt.Tx) error { return tx.Bucket(bucketMeta).Delete(keyCreated) }, ErrCorrupt},
		"no count":   {func(tx *bbolt.Tx) error { return tx.Bucket(bucketMeta).Delete(keyCount) }, ErrCorrupt},
		"short sum":  {func(tx *bbolt.Tx) error { return putMeta(tx, keySum, nil) }, ErrCorrupt},
		"newer schema": {func(tx *bbolt.Tx) error {
			// The rest may mean anything then.
			if err := tx.DeleteBucket(bucketOverlays); err != nil {
				return err
			}
			return putMeta(tx, keySchema, binary.BigEndian.AppendUint64(nil, 99))
		}, ErrNewer},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			sample(t, dir)
			tamper(t, dir, c.change)
			if c.want == nil {
				mustCommit(t, open(t, dir), instanceRec(svc, 1))
				return
			}
			t.Log(refused(t, dir, c.want))
		})
	}
}
