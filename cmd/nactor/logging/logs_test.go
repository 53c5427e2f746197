package logging

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func line(t *testing.T, log func(*slog.Logger)) string {
	t.Helper()
	var b bytes.Buffer
	log(slog.New(NewHandler(&b, slog.LevelDebug)))
	s := b.String()
	if strings.Count(s, "\n") != 1 || !strings.HasSuffix(s, "\n") {
		t.Fatalf("not one line: %q", s)
	}
	stamp := regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} `)
	if !stamp.MatchString(s) {
		t.Fatalf("no time stamp: %q", s)
	}
	return strings.TrimSuffix(stamp.ReplaceAllString(s, ""), "\n")
}

func TestLine(t *testing.T) {
	for want, log := range map[string]func(*slog.Logger){
		`INFO Nacos started successfully in stand alone mode. use embedded storage`: func(l *slog.Logger) {
			l.Info("Nacos started successfully in stand alone mode. use embedded storage")
		},
		`WARN slow service=public@@g@@s ms=12 took=1.5s`: func(l *slog.Logger) {
			l.Warn("slow", "service", "public@@g@@s", "ms", 12, "took", 1500*time.Millisecond)
		},
		`ERROR cannot write err="open x: denied" empty="" eq="a=b"`: func(l *slog.Logger) {
			l.Error("cannot write", "err", errors.New("open x: denied"), "empty", "", "eq", "a=b")
		},
		`DEBUG m node=n1 g.a=1 g.h.b=true`: func(l *slog.Logger) {
			l.With("node", "n1").WithGroup("g").Debug("m", "a", 1, slog.Group("h", "b", true))
		},
		`INFO forged\n2026 INFO line 中文 name="a\nb"`: func(l *slog.Logger) {
			l.Info("forged\n2026 INFO line 中文", "name", "a\nb")
		},
		`INFO \x1b[31m v="\x1b"`: func(l *slog.Logger) { l.Info("\x1b[31m", "v", "\x1b") },
		`INFO m v=<nil>`:         func(l *slog.Logger) { l.Info("m", "v", nil) },
	} {
		if got := line(t, log); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestDerivedHandlersDoNotShareAttributes(t *testing.T) {
	var b bytes.Buffer
	base := slog.New(NewHandler(&b, slog.LevelInfo)).With("a", 1)
	one, two := base.With("b", 2), base.With("c", 3)
	one.Info("x")
	two.Info("y")
	if s := b.String(); !strings.Contains(s, "x a=1 b=2\n") || !strings.Contains(s, "y a=1 c=3\n") {
		t.Error(s)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFilesAndLevels(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "logs")
	for range 2 { // the second run continues the files of the first
		l, err := Open(dir, Options{Level: slog.LevelInfo, Naming: slog.LevelDebug, Raft: slog.LevelError})
		if err != nil {
			t.Fatal(err)
		}
		for name, log := range map[string]*slog.Logger{"main": l.Main, "naming": l.Naming, "raft": l.Raft, "push": l.Push} {
			log.Debug(name + " debug")
			log.Info(name + " info")
			log.Error(name + " error")
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]int{"nacos.log": 4, "naming-server.log": 6, "naming-raft.log": 2, "naming-push.log": 4} {
		if got := strings.Count(read(t, filepath.Join(dir, name)), "\n"); got != want {
			t.Errorf("%s: %d lines, want %d", name, got, want)
		}
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm()&0o400 == 0 {
			t.Error(info.Mode(), err)
		}
	}
}

func TestRotation(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(dir, Options{MaxSizeMB: 1, MaxFiles: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	long := strings.Repeat("x", 200<<10)
	for range 8 { // 1.6 MiB
		l.Push.Info(long)
	}
	files, err := filepath.Glob(filepath.Join(dir, "naming-push*.log"))
	if err != nil || len(files) != 2 {
		t.Fatal("want the log and one that was put aside:", files, err)
	}
	for _, f := range files {
		if info, err := os.Stat(f); err != nil || info.Size() > 1<<20 {
			t.Error(f, info.Size(), err)
		}
	}
}

func TestOpenFails(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "naming-raft.log"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), "naming-raft.log") {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(dir, "file"), Options{}); err == nil {
		t.Error("a file was taken for a directory")
	}
}

func TestDiscard(t *testing.T) {
	l := Discard()
	l.Main.Error("nothing")
	if l.Push.Enabled(context.Background(), slog.LevelError) {
		t.Error("enabled")
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func BenchmarkHandler(b *testing.B) {
	l := slog.New(NewHandler(discard{}, slog.LevelInfo))
	b.ReportAllocs()
	for b.Loop() {
		l.Info("push ok", "service", "public@@DEFAULT_GROUP@@orders", "ms", 3)
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func TestSetLevel(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	l.Naming.Debug("before")
	l.SetLevel("naming-server", slog.LevelDebug)
	l.SetLevel("naming-rt", slog.LevelDebug)
	l.Naming.Debug("after")
	l.Raft.Debug("another log")
	for name, want := range map[string]string{"naming-server.log": "DEBUG after\n", "naming-raft.log": ""} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !strings.HasSuffix(string(b), want) || strings.Contains(string(b), "before") || want == "" && len(b) > 0 {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	Discard().SetLevel("naming-server", slog.LevelDebug)
}
