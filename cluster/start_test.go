package cluster

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Each start has a later number, whatever the clock and the file say.
func TestNextStart(t *testing.T) {
	snapshot := filepath.Join(t.TempDir(), "members.snapshot")
	now := time.UnixMilli(5_000_000)
	start := func(at time.Time, want uint64) {
		t.Helper()
		if n, err := nextStart(snapshot, at); err != nil || n != want {
			t.Errorf("%d, %v; want %d", n, err, want)
		}
	}
	start(now, 5_000_000)
	start(now, 5_000_001)
	start(now.Add(-time.Hour), 5_000_002)
	start(now.Add(time.Second), 5_001_000)
	if err := os.WriteFile(snapshot+".start", []byte("?"), 0o600); err != nil {
		t.Fatal(err)
	}
	start(now, 5_000_000)
	if n, err := nextStart("", now); err != nil || n != 5_000_000 {
		t.Errorf("without a file: %d, %v", n, err)
	}
	if _, err := nextStart(filepath.Join(snapshot, "none", "x"), now); err == nil {
		t.Error("no error though it cannot be noted")
	}
}
