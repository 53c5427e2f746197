package actors

import (
	"time"

	"nactor/naming"
)

// Clock reads a node's monotonic time. The zero value is not usable.
type Clock struct{ base time.Time }

// NewClock returns a clock that starts now.
func NewClock() Clock { return Clock{time.Now()} }

// Now returns the present instant. It does not follow the wall clock when that jumps.
func (c Clock) Now() naming.Instant { return naming.Instant(time.Since(c.base)) }
