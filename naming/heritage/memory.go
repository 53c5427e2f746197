package heritage

import (
	"slices"
	"time"

	"nactor/naming"
)

// Memory is what an owner remembers of its own life beyond what it shows. It goes along
// when another structure of the service begins to serve. The zero value is that of a
// service that was not taken over from anybody.
type Memory struct {
	Began   naming.Instant // start of this life, when it took over from another
	Touched naming.Instant // last change
	removed []removed      // deregistered not long ago, oldest first
}

// removed remembers the deregistration of an ephemeral instance.
type removed struct {
	naming.Addr
	at    naming.Instant
	stamp uint64
}

// A deregistration is remembered for longer than a diverged owner would keep an instance
// that it no longer hears of; of a service that is busier than that, the latest.
const (
	rememberRemoved = 2 * naming.DefaultDeleteTimeout
	maxRemoved      = 1024

	// lateBeat is how much later than a deregistration a beat may be and still have been on
	// its way: clients stop beating first. One that means it comes again in 5 s.
	lateBeat = 2 * time.Second
)

// Bury remembers that an ephemeral instance was deregistered in the step with this stamp.
func (m *Memory) Bury(addr naming.Addr, now naming.Instant, stamp uint64) {
	m.remember(removed{addr, now, stamp}, now)
}

// remember keeps a deregistration, and lets go of old ones.
func (m *Memory) remember(r removed, now naming.Instant) {
	kept := slices.DeleteFunc(m.removed, func(o removed) bool {
		return o.Addr == r.Addr && o.at <= r.at || now.Since(o.at) > rememberRemoved
	})
	if len(kept) >= maxRemoved {
		kept = slices.Delete(kept, 0, len(kept)-maxRemoved+1)
	}
	m.removed = append(kept, r)
}

// Until returns when the last deregistration that is remembered will be forgotten; false: none
// is.
func (m *Memory) Until() (naming.Instant, bool) {
	var last naming.Instant
	for _, r := range m.removed {
		last = max(last, r.at)
	}
	return last.Add(rememberRemoved), len(m.removed) > 0
}

// buried reports whether the instance was deregistered here after it was last heard of
// elsewhere, at heard; unheard: it was not heard of there, or that is not known.
func (m *Memory) buried(in *naming.Instance, heard naming.Instant, unheard bool) bool {
	for _, r := range m.removed {
		if r.IP != in.IP || r.Port != in.Port || r.Cluster != in.Cluster || in.Stamp > r.stamp {
			continue
		}
		if unheard || r.at.Add(lateBeat) >= heard {
			return true
		}
	}
	return false
}
