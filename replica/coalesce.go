package replica

import (
	"net/netip"
	"sync"
	"time"

	"nactor/naming"
)

// Coalescer turns a burst of notices about one service into two: the first goes out at once,
// the others as one when a fixed delay is over (Nacos's push delay, 500 ms, which Nacos also
// keeps the first one for). A new subscriber, who has just been answered, is told after the
// delay. At most one notice a service and one a new subscriber waits at any time.
type Coalescer struct {
	delay time.Duration
	out   func([]Notice)

	mu      sync.Mutex
	queue   []*pending // the delay is fixed: first in, first due
	waiting map[waiter]*pending
	timer   *time.Timer
	closed  bool
}

// pending is a notice that is told when it is due, if it is wanted until then.
type pending struct {
	Notice
	due    time.Time
	wanted bool
}

type waiter struct {
	key  naming.Key
	addr netip.AddrPort // of a new subscriber; zero for all
}

func (n *Notice) waiter() waiter {
	w := waiter{key: n.Key}
	if n.New != nil {
		w.addr = n.New.Addr
	}
	return w
}

// NewCoalescer returns a coalescer that calls out with the notices that are due, one call
// at a time. out must return at once.
func NewCoalescer(delay time.Duration, out func([]Notice)) *Coalescer {
	return &Coalescer{delay: delay, out: out, waiting: map[waiter]*pending{}}
}

// Add takes a notice, unless the same one is waiting already. It returns at once.
func (c *Coalescer) Add(n Notice) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	if p := c.waiting[n.waiter()]; p != nil {
		p.wanted = true
		return
	}
	c.wait(n, n.New != nil, time.Now())
	if n.New == nil {
		c.out([]Notice{n})
	}
}

// wait begins the delay of a notice.
func (c *Coalescer) wait(n Notice, wanted bool, now time.Time) {
	p := &pending{n, now.Add(c.delay), wanted}
	c.waiting[n.waiter()] = p
	c.queue = append(c.queue, p)
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
		p := c.queue[0]
		c.queue[0] = nil
		c.queue = c.queue[1:]
		delete(c.waiting, p.waiter())
		if !p.wanted {
			continue // the service is quiet again
		}
		due = append(due, p.Notice)
		if p.New == nil {
			c.wait(p.Notice, false, now)
		}
	}
	if len(c.queue) > 0 {
		c.arm(c.queue[0].due.Sub(now))
	}
	if len(due) > 0 {
		c.out(due)
	}
}
