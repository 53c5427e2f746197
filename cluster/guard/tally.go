package guard

import (
	"log/slog"
	"maps"
	"sync"
	"time"
)

// logEvery is the least time between two lines about what was refused: strangers must not
// fill a disk.
const logEvery = time.Minute

// tally counts what a port refused, by reason.
type tally struct {
	log  *slog.Logger
	port string

	mu     sync.Mutex
	counts map[string]uint64
	logged time.Time
	silent uint64 // refused since the last line
}

func newTally(log *slog.Logger, port string) *tally {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &tally{log: log, port: port, counts: map[string]uint64{}}
}

// count counts without a word.
func (t *tally) count(reason string) {
	t.mu.Lock()
	t.counts[reason]++
	t.mu.Unlock()
}

// note counts, and logs unless it did so within the last minute. The detail is formatted
// only then.
func (t *tally) note(reason, peer string, detail any) {
	t.mu.Lock()
	t.counts[reason]++
	now := time.Now()
	if !t.logged.IsZero() && now.Sub(t.logged) < logEvery {
		t.silent++
		t.mu.Unlock()
		return
	}
	silent := t.silent
	t.logged, t.silent = now, 0
	t.mu.Unlock()
	t.log.Warn("refused on a port between nodes", "port", t.port, "peer", peer, "reason", reason, "detail", detail,
		"refused_since_last_line", silent)
}

// Rejected returns what was refused so far, by reason. The caller owns the map.
func (t *tally) Rejected() map[string]uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.counts)
}
