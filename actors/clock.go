package actors

import (
	"time"

	"nactor/naming"
)

// Clock tells the instant that it is.
type Clock interface{ Now() naming.Instant }

// NewClock returns the node's clock. It runs with the machine's monotonic clock and does
// not follow the wall clock when that jumps.
func NewClock() Clock { return monotonic(time.Now()) }

type monotonic time.Time

func (m monotonic) Now() naming.Instant { return naming.Instant(time.Since(time.Time(m))) }
