package persistence

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"nactor/naming"
)

func TestRoundTrip(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "data")
	b := open(t, dir)
	service, in, over := serviceRec(svc, 1), instanceRec(svc, 3), overlayRec(svc, 3)
	other := naming.Key{Namespace: "dev", Group: "g", Name: "ü@x"}
	mustCommit(t, b, service, in, over, overlayRec(other, 7))
	id := b.NodeID()
	closeStore(t, b)

	b = open(t, dir)
	if b.NodeID() != id || id == "" {
		t.Errorf("id %q, was %q", b.NodeID(), id)
	}
	want := map[naming.Key]naming.Saved{
		svc:   {Key: svc, Meta: service.Service, Instances: []*naming.Instance{in.Instance}, Overlays: map[naming.Addr]*naming.Overlay{over.Addr: over.Overlay}},
		other: {Key: other, Overlays: map[naming.Addr]*naming.Overlay{overlayRec(other, 7).Addr: overlayRec(other, 7).Overlay}},
	}
	if got := services(t, b); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	var batch []naming.Record
	for _, r := range []naming.Record{service, in, over, overlayRec(other, 7), instanceRec(other, 99)} {
		batch = append(batch, naming.Record{Kind: r.Kind, Key: r.Key, Addr: r.Addr, Delete: true})
	}
	mustCommit(t, b, batch...)
	closeStore(t, b)
	if got := services(t, open(t, dir)); len(got) != 0 {
		t.Errorf("after deleting all: %+v", got)
	}
}

func TestServicesAreOrderedAndMayBeLeft(t *testing.T) {
	b := open(t, t.TempDir())
	for _, name := range []string{"b", "a", "c"} {
		mustCommit(t, b, serviceRec(naming.Key{Namespace: "n", Group: "g", Name: name}, 1))
	}
	var names []string
	for s, err := range b.Services() {
		if err != nil {
			t.Fatal(err)
		}
		// A store that is being read takes writes.
		mustCommit(t, b, instanceRec(s.Key, 1))
		if names = append(names, s.Key.Name); s.Key.Name == "b" {
			break
		}
	}
	if strings.Join(names, "") != "ab" {
		t.Error(names)
	}
}

func TestFilesAreForTheirOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	b := open(t, dir)
	for name, want := range map[string]os.FileMode{"": 0o700, databaseFile: 0o600, identityFile: 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%q: %v %v, want %v", name, info.Mode(), err, want)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 2 {
		t.Errorf("%v %v, want two files", files, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, identityFile))
	if err != nil {
		t.Fatal(err)
	}
	var id struct{ StoreID, Created, Schema any }
	if err := json.Unmarshal(text, &id); err != nil || id.StoreID != b.NodeID() || id.Schema != 1.0 || id.Created == nil {
		t.Errorf("%s: %+v %v", text, id, err)
	}
}

func TestClosedStoreRefuses(t *testing.T) {
	b := open(t, t.TempDir())
	closeStore(t, b)
	if err := commit(b, instanceRec(svc, 1)); naming.KindOf(err) != naming.KindUnavailable {
		t.Errorf("%v", err)
	}
	if err := b.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
}

func TestLostDatabase(t *testing.T) {
	for name, spoil := range map[string]func(string) error{
		"removed": os.Remove,
		"emptied": func(p string) error { return os.Truncate(p, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			closeStore(t, open(t, dir))
			if err := spoil(filepath.Join(dir, databaseFile)); err != nil {
				t.Fatal(err)
			}
			if text := refused(t, dir, ErrLost); !strings.Contains(text, "restore it from a backup, or move "+dir+" away") {
				t.Error(text)
			}
		})
	}
}

func TestForeignDatabase(t *testing.T) {
	mine, other := t.TempDir(), t.TempDir()
	closeStore(t, open(t, mine))
	closeStore(t, open(t, other))
	if err := os.Rename(filepath.Join(other, databaseFile), filepath.Join(mine, databaseFile)); err != nil {
		t.Fatal(err)
	}
	refused(t, mine, ErrCorrupt)
}

func TestIdentity(t *testing.T) {
	t.Run("missing: written again", func(t *testing.T) {
		dir := t.TempDir()
		b := open(t, dir)
		closeStore(t, b)
		before := contents(t, dir)
		if err := os.Remove(filepath.Join(dir, identityFile)); err != nil {
			t.Fatal(err)
		}
		closeStore(t, open(t, dir))
		if after := contents(t, dir); after != before {
			t.Errorf("%s, was %s", after, before)
		}
	})
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"garbage": {"{", ErrCorrupt},
		"empty":   {"", ErrCorrupt},
		"newer":   {`{"storeId":"x","schema":7}`, ErrNewer},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			closeStore(t, open(t, dir))
			if err := os.WriteFile(filepath.Join(dir, identityFile), []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			refused(t, dir, c.want)
		})
	}
}

// A crash while a store is made leaves nothing that the next start stumbles over.
func TestInterruptedCreation(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, databaseFile+".new"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := open(t, dir)
	mustCommit(t, b, instanceRec(svc, 1))
}

func TestOpenFailsWhereNothingCanBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(Options{Dir: filepath.Join(file, "data")})
	if err == nil || errors.Is(err, ErrLost) {
		t.Error(err)
	}
}
