package persistence

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// raftLogger writes raft's log to slog: elections and members as they are, troubles once
// in a while, the rest for debugging.
type raftLogger struct {
	hclog.Logger
	to *slog.Logger

	mu   sync.Mutex
	told map[string]*quiet
}

// quiet is how a message is kept from filling the log.
type quiet struct {
	until time.Time
	left  int // out since
}

// quietTime is for how long the same message is told once.
const quietTime = 10 * time.Second

// notable are raft's messages of normal operation that people should see.
var notable = map[string]bool{
	"election won": true, "entering leader state": true, "entering candidate state": true, "updating configuration": true,
	"Installed remote snapshot": true, "initial configuration": true, "removed ourself, shutting down": true,
	"removed ourself, transitioning to follower": true, "added peer, starting replication": true, "removed peer, stopping replication": true,
}

func newRaftLogger(to *slog.Logger) *raftLogger {
	l := &raftLogger{to: to, told: map[string]*quiet{}}
	tee := hclog.NewInterceptLogger(&hclog.LoggerOptions{Name: "raft", Level: hclog.Info, Output: io.Discard})
	tee.RegisterSink(l)
	l.Logger = tee
	return l
}

// Accept implements [hclog.SinkAdapter].
func (l *raftLogger) Accept(name string, level hclog.Level, message string, args ...any) {
	if name != "" {
		name += ": "
	}
	to := slog.LevelDebug
	switch {
	case level >= hclog.Warn:
		left, ok := l.tell(message)
		if !ok {
			return
		}
		if to = slog.LevelWarn; left > 0 {
			args = append(args, "left_out", left)
		}
	case notable[message]:
		to = slog.LevelInfo
	}
	if !l.to.Enabled(context.Background(), to) {
		return
	}
	for i, a := range args {
		if f, ok := a.(hclog.Format); ok && len(f) > 0 {
			if format, ok := f[0].(string); ok {
				args[i] = fmt.Sprintf(format, f[1:]...)
			}
		}
	}
	l.to.Log(context.Background(), to, name+message, args...)
}

// warn writes a warning that anybody may cause, once in a while.
func (l *raftLogger) warn(message string, args ...any) {
	l.Accept("", hclog.Warn, message, args...)
}

// tell says whether a message is due, and how often it was left out before.
func (l *raftLogger) tell(message string) (left int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.told[message]
	if q == nil {
		if len(l.told) > 256 { // raft's messages are constants; be sure
			clear(l.told)
		}
		q = &quiet{}
		l.told[message] = q
	}
	now := time.Now()
	if now.Before(q.until) {
		q.left++
		return 0, false
	}
	left, q.left, q.until = q.left, 0, now.Add(quietTime)
	return left, true
}
