package actors

import (
	"sync"
	"time"

	"nactor/actors/actorpb"
)

// Messages from another node may be very late: TCP delivers what waited for the end of a cut.
// Clocks of two nodes cannot be compared, but the fastest message of late tells how they
// differ, and what came later than that was held up.

// stopwatch times what is sent and received. Its zero is that of no other.
type stopwatch struct{ began time.Time }

func (w stopwatch) elapsed() time.Duration { return time.Since(w.began) }

// sent returns what a message says that is made now.
func (w stopwatch) sent() *actorpb.Sent {
	return &actorpb.Sent{Life: uint64(w.began.UnixNano()), At: uint64(w.elapsed())}
}

// transit knows how long messages from one node have been on their way.
type transit struct {
	mu     sync.Mutex
	life   uint64
	ended  uint64        // the one before
	until  time.Duration // what is of that one is too late until then
	began  time.Duration // of the present window
	least  time.Duration // smallest difference of the stopwatches in it
	before time.Duration // in the one before
}

// transitWindow is for how long, twice at most, the fastest message counts: clocks drift, and
// stand still while a machine sleeps.
const transitWindow = 10 * time.Second

// tooLate is when a command is refused instead of carried out: its sender has been told by
// then that this node may be gone, and has asked somebody else.
const tooLate = 2 * time.Second

// late returns how much longer a message has been on its way that has just come than the
// fastest of late; 0 when it does not say when it was made. now is what this node's stopwatch
// shows.
func (t *transit) late(s *actorpb.Sent, now time.Duration) time.Duration {
	if s == nil {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	d := now - time.Duration(s.At)
	switch {
	case s.Life == t.ended && now < t.until:
		return tooLate // of a process that has ended
	case s.Life != t.life:
		t.life, t.ended, t.until, t.began, t.least, t.before = s.Life, t.life, now+transitWindow, now, d, d
	case now-t.began > transitWindow:
		t.began, t.before, t.least = now, t.least, d
	}
	t.least = min(t.least, d)
	return d - min(t.least, t.before)
}
