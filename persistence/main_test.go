package persistence

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"nactor/naming"
)

// The test binary is also the other process that some tests need.
func TestMain(m *testing.M) {
	if child := os.Getenv(childEnv); child != "" {
		go func() { // as long as the test that started it
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(2)
		}()
		children[child](os.Getenv(childDirEnv))
		return
	}
	goleak.VerifyTestMain(m)
}

var svc = naming.Key{Namespace: "public", Group: "DEFAULT_GROUP", Name: "s"}

func open(t testing.TB, dir string) *Bolt {
	t.Helper()
	return openWith(t, Options{Dir: dir})
}

func openWith(t testing.TB, o Options) *Bolt {
	t.Helper()
	b, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func closeStore(t testing.TB, b *Bolt) {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

// commit writes a batch and waits.
func commit(b *Bolt, batch ...naming.Record) error {
	done := make(chan error, 1)
	b.Commit(batch, func(err error) { done <- err })
	return <-done
}

func mustCommit(t testing.TB, b *Bolt, batch ...naming.Record) {
	t.Helper()
	if err := commit(b, batch...); err != nil {
		t.Fatal(err)
	}
}

func instanceRec(key naming.Key, i int) naming.Record {
	in := &naming.Instance{IP: fmt.Sprintf("10.0.%d.%d", i/250, i%250), Port: 80 + i, Cluster: "c", Weight: 1.5, Enabled: true, Healthy: i%2 == 0,
		Metadata: naming.MetadataOf(map[string]string{"k": "ü", "n": fmt.Sprint(i)})}
	return naming.Record{Kind: naming.RecordInstance, Key: key, Addr: in.Addr(), Instance: in}
}

func overlayRec(key naming.Key, i int) naming.Record {
	r := instanceRec(key, i)
	return naming.Record{Kind: naming.RecordOverlay, Key: key, Addr: r.Addr, Overlay: &naming.Overlay{Weight: float64(i), Metadata: r.Instance.Metadata}}
}

func serviceRec(key naming.Key, i int) naming.Record {
	return naming.Record{Kind: naming.RecordService, Key: key, Service: &naming.ServiceMeta{
		ProtectThreshold: 0.8, Metadata: naming.MetadataOf(map[string]string{"a": fmt.Sprint(i)}),
		Selector: naming.Selector{Type: "label", Expression: "CONSUMER.label.A = PROVIDER.label.A"},
		Clusters: []naming.ClusterMeta{
			{Name: "c", CheckPort: 81, UseInstancePort: true, Metadata: naming.MetadataOf(map[string]string{"x": "y"}),
				Checker: naming.HealthChecker{Type: "HTTP", Path: "/p", Headers: "a:b|c:d", ExpectedResponseCode: 200}},
			{Name: "d", Checker: naming.HealthChecker{Type: "MYSQL", User: "u", Password: "p", Command: "select 1"}},
		},
	}}
}

func services(t testing.TB, b *Bolt) map[naming.Key]naming.Saved {
	t.Helper()
	out := map[naming.Key]naming.Saved{}
	for s, err := range b.Services() {
		if err != nil {
			t.Fatal(err)
		}
		out[s.Key] = s
	}
	return out
}

// refused checks that the store is not opened, that the reason names the file, and that
// nothing is touched.
func refused(t *testing.T, dir string, want error) string {
	t.Helper()
	before := contents(t, dir)
	b, err := Open(Options{Dir: dir})
	if err == nil {
		b.Close()
		t.Fatal("it was opened")
	}
	path := filepath.Join(dir, databaseFile)
	if !errors.Is(err, want) || len(err.Error()) < len(path) || err.Error()[:len(path)] != path {
		t.Errorf("%v, want %v, with the file", err, want)
	}
	if after := contents(t, dir); after != before {
		t.Error("files were changed")
	}
	return err.Error()
}

// contents is the content of all files of a directory.
func contents(t *testing.T, dir string) string {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := ""
	for _, f := range files {
		if f.IsDir() {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all += f.Name() + "\x00" + string(b) + "\x00"
	}
	return all
}

func batchOf(first, n int) []naming.Record {
	batch := make([]naming.Record, n)
	for i := range batch {
		batch[i] = instanceRec(svc, first+i)
	}
	return batch
}
