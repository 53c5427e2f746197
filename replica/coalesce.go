package replica

import (
	"net/netip"
	"sync"
	"time"

	"nactor/naming"
)

// Coalescer turns a burst of notices about one service into one, a fixed delay after the
// first (Nacos's push delay, 500 ms). At most one notice a service and one a new
// subscriber waits at any time.
type Coalescer struct {
	delay time.Duration
	out   func([]Notice)

	mu      sync.Mutex
	queue   []pending // the delay is fixed: first in, first due
	waiting map[waiter]struct{}
	timer   *time.Timer
	closed  bool
}

type pending struct {
	Notice
	due time.Time
}

type waiter struct {
	key  naming.Key
	addr netip.AddrPort // of a new subscriber; zero for all
}

// NewCoalescer returns a coalescer that calls out with the notices that are due, one call
// at a time.
func NewCoalescer(delay time.Duration, out func([]Notice)) *Coalescer {
	return &Coalescer{delay: delay, out: out, waiting: map[waiter]struct{}{}}
}

// Add takes a notice, unless the same one is waiting already. It returns at once.
func (c *Coalescer) Add(n Notice) {
	w := waiter{key: n.Key}
	if n.New != nil {
		w.addr = n.New.Addr
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.waiting[w]; ok || c.closed {
		return
	}
	c.waiting[w] = struct{}{}
	c.queue = append(c.queue, pending{n, time.Now().Add(c.delay)})
	if len(c.queue) == 1 {
		c.arm(c.delay)
	}
}

// Close drops what waits; out is not called any more once it has returned.
func (c *Coalescer) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed, c.queue = true, nil
	if c.timer != nil {
		c.timer.Stop()
	}
}

func (c *Coalescer) arm(d time.Duration) {
	if c.timer == nil {
		c.timer = time.AfterFunc(d, c.fire)
		return
	}
	c.timer.Reset(d)
}

func (c *Coalescer) fire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	now := time.Now()
	var due []Notice
	for len(c.queue) > 0 && !c.queue[0].due.After(now) {
		n := c.queue[0].Notice
		w := waiter{key: n.Key}
		if n.New != nil {
			w.addr = n.New.Addr
		}
		delete(c.waiting, w)
		due = append(due, n)
		c.queue[0] = pending{}
		c.queue = c.queue[1:]
	}
	if len(c.queue) > 0 {
		c.arm(c.queue[0].due.Sub(now))
	}
	if len(due) > 0 {
		c.out(due)
	}
}
