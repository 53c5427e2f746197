package node

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nactor/cmd/nactor/config"
)

// Nacos's file of limits lies over the properties, and is followed; one that cannot be read
// changes nothing.
func TestLimitRule(t *testing.T) {
	cfg := &config.Config{Home: t.TempDir(), GRPCMaxClients: 100, GRPCMaxPerIP: 7}
	var log strings.Builder
	r := newLimitRule(cfg, slog.New(slog.NewTextHandler(&log, nil)))
	const none = `{"monitorIpList":[],"countLimit":100,"countLimitPerClientIpDefault":7,"countLimitPerClientIp":{},"countLimitPerClientApp":{}}`
	const some = `{"monitorIpList":["10.0.0.1"],"countLimit":5,"countLimitPerClientIpDefault":-1,"countLimitPerClientIp":{"10.0.0.2":3},"countLimitPerClientApp":{"a":1}}`
	if got := r.now().String(); got != none {
		t.Errorf("without a file: %s", got)
	}
	if err := os.MkdirAll(filepath.Dir(r.path), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ text, want, log string }{
		{"", none, ""}, // as Nacos makes it
		{some, some, "limits of 2.x clients"},
		{`{"countLimit":`, some, "stay as they are"},
		{`{"countLimit":9,"unknown":1}`, strings.Replace(none, "100", "9", 1), "limits of 2.x clients"},
		{some, some, "limits of 2.x clients"},
	} {
		log.Reset()
		if err := os.WriteFile(r.path, []byte(tt.text), 0o644); err != nil {
			t.Fatal(err)
		}
		before := r.now()
		r.read()
		if got := r.now().String(); got != tt.want || !strings.Contains(log.String(), tt.log) {
			t.Errorf("%s: %s, logged %s", tt.text, got, &log)
		}
		if r.read(); tt.log == "" && r.now() != before {
			t.Error("the same again is new")
		}
	}
	if err := os.Remove(r.path); err != nil {
		t.Fatal(err)
	}
	if r.read(); r.now().String() != none {
		t.Errorf("after the file: %s", r.now())
	}
}
