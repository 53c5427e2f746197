package actors

import (
	"sync"
	"sync/atomic"
	"time"

	"nactor/naming"
)

// Clock tells the instant that it is.
type Clock interface{ Now() naming.Instant }

// NewClock returns a clock that runs with the machine's monotonic clock and does not follow
// the wall clock when that jumps.
func NewClock() Clock { return monotonic(time.Now()) }

type monotonic time.Time

func (m monotonic) Now() naming.Instant { return naming.Instant(time.Since(time.Time(m))) }

// SteadyClock is a clock that stands still while the process does: one that was stopped for
// a minute has not missed a minute of heartbeats, it was not there to hear them. Observe
// must be called every [ObserveEvery].
type SteadyClock struct {
	machine Clock
	mu      sync.Mutex
	seen    atomic.Int64 // the machine's clock when it was last observed
	lost    atomic.Int64 // how much of it does not count
	stall   atomic.Pointer[stall]
	stood   atomic.Int64 // length of a standstill that nobody has dealt with
}

// stall is a time in which the process did not run.
type stall struct {
	at  naming.Instant // when it did again, by the steady clock
	gap time.Duration
}

// ObserveEvery is how often a [SteadyClock] must be observed. A gap of more than stalled
// does not count.
const (
	ObserveEvery = 200 * time.Millisecond
	stalled      = time.Second
)

// NewSteadyClock returns a clock over the machine's; nil: the monotonic one.
func NewSteadyClock(machine Clock) *SteadyClock {
	if machine == nil {
		machine = NewClock()
	}
	c := &SteadyClock{machine: machine}
	c.Observe()
	return c
}

// Now implements [Clock].
func (c *SteadyClock) Now() naming.Instant {
	now := int64(c.machine.Now())
	if now-c.seen.Load() > int64(stalled) {
		c.skip()
	}
	return naming.Instant(now - c.lost.Load())
}

// Observe notes that the process is running.
func (c *SteadyClock) Observe() {
	c.Now()
	c.seen.Store(int64(c.machine.Now()))
}

// skip takes a stall out of the count.
func (c *SteadyClock) skip() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := int64(c.machine.Now())
	if gap := now - c.seen.Load(); gap > int64(stalled) {
		lost := gap - int64(ObserveEvery)
		if gap > int64(standstill) {
			c.stood.Store(gap) // before anybody can read the clock again
		}
		c.stall.Store(&stall{at: naming.Instant(now - c.lost.Load() - lost), gap: time.Duration(lost)})
		c.lost.Add(lost)
		c.seen.Store(now)
	}
}

// Stood returns for how long the process has stood still, too long for the others to wait,
// until Revive is called.
func (c *SteadyClock) Stood() time.Duration {
	c.Now() // whoever asks may be the first to run again
	return time.Duration(c.stood.Load())
}

// Revive ends it: this node takes part again, as a new one.
func (c *SteadyClock) Revive() { c.stood.Store(0) }

// Elapsed returns how much of the machine's time has passed in a time by this clock that
// ends now.
func (c *SteadyClock) Elapsed(d time.Duration) time.Duration {
	if s := c.stall.Load(); s != nil && c.Now().Add(-d) <= s.at {
		return d + s.gap
	}
	return d
}
