package logging

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"gopkg.in/natefinch/lumberjack.v2"
)

// Options are the levels and bounds of the logs.
type Options struct {
	Level               slog.Level // nacos.log
	Naming, Raft, Push  slog.Level
	MaxSizeMB, MaxFiles int // below 1: 50 and 10
}

// Logs are the open log files of a node.
type Logs struct {
	Main   *slog.Logger // nacos.log: everything that has no file of its own
	Naming *slog.Logger // naming-server.log: services, instances, the upgrade
	Raft   *slog.Logger // naming-raft.log: the store
	Push   *slog.Logger // naming-push.log: what subscribers were sent

	files  []io.Closer
	levels map[string]*slog.LevelVar // by the name of the file
}

// SetLevel changes the level of a log, which is named as its file without ".log"; other names
// are passed over.
func (l *Logs) SetLevel(name string, level slog.Level) {
	if v := l.levels[name+".log"]; v != nil {
		v.Set(level)
	}
}

// Open opens the log files in dir and makes dir when it is missing. Files of an earlier
// run are continued.
func Open(dir string, o Options) (*Logs, error) {
	if o.MaxSizeMB < 1 {
		o.MaxSizeMB = 50
	}
	if o.MaxFiles < 1 {
		o.MaxFiles = 10
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("log directory: %w", err)
	}
	l := &Logs{levels: map[string]*slog.LevelVar{}}
	for _, f := range []struct {
		name   string
		level  slog.Level
		logger **slog.Logger
	}{
		{"nacos.log", o.Level, &l.Main},
		{"naming-server.log", o.Naming, &l.Naming},
		{"naming-raft.log", o.Raft, &l.Raft},
		{"naming-push.log", o.Push, &l.Push},
	} {
		w, err := openFile(filepath.Join(dir, f.name), o)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("log file: %w", err), l.Close())
		}
		l.files = append(l.files, w)
		level := &slog.LevelVar{}
		level.Set(f.level)
		l.levels[f.name] = level
		*f.logger = slog.New(NewHandler(w, level))
	}
	return l, nil
}

// openFile makes the file first: it proves that the place can be written to, and gives
// the file a mode that other accounts can read, which lumberjack keeps when it rotates.
func openFile(path string, o Options) (*lumberjack.Logger, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	return &lumberjack.Logger{Filename: path, MaxSize: o.MaxSizeMB, MaxBackups: o.MaxFiles, LocalTime: true}, nil
}

// Discard returns logs that go nowhere.
func Discard() *Logs {
	l := slog.New(slog.DiscardHandler)
	return &Logs{Main: l, Naming: l, Raft: l, Push: l}
}

// Close closes the files. A record that is logged afterwards opens its file again.
func (l *Logs) Close() error {
	var errs []error
	for _, f := range l.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
