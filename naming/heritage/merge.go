package heritage

import (
	"time"

	"nactor/naming"
)

// Service is a structure of a service during one step, as a merge sees it. What it shows in
// a new way it tells by an event; it writes no record.
type Service interface {
	// Held returns the instance of that kind which one at addr would take the place of, and
	// its clock; nil when there is none. In 2.0 it may be in another cluster.
	Held(addr naming.Addr, ephemeral bool) (*naming.Instance, *naming.BeatClock)
	// Cover returns a registration as it is shown here: under the overlay of its address.
	Cover(base *naming.Instance) *naming.Instance
	// Publish shows an instance that takes nobody's place.
	Publish(in *naming.Instance, clock *naming.BeatClock)
	// Replace shows in instead of the instance held, which keeps its clock.
	Replace(held, in *naming.Instance)
	// Withdraw removes an instance.
	Withdraw(held *naming.Instance)
	// Await makes sure that the next time-out of an instance, last heard of at from, is seen.
	Await(in *naming.Instance, from naming.Instant)
}

// Leave returns the state that a new owner needs to go on from view, the newest one that
// was shown. clock is that of the structure.
func (m *Memory) Leave(view *naming.View, now naming.Instant, clock func(naming.Addr, bool) *naming.BeatClock) naming.Heritage {
	h := naming.Heritage{View: view, Silent: make([]time.Duration, len(view.Instances))}
	for i, in := range view.Instances {
		if c := clock(in.Addr(), in.Ephemeral); c != nil {
			h.Silent[i] = max(0, now.Since(c.Last))
			if c.Granted {
				if h.Granted == nil {
					h.Granted = make([]bool, len(view.Instances))
				}
				h.Granted[i] = true
			}
		}
	}
	for _, r := range m.removed {
		if ago := now.Since(r.at); ago <= rememberRemoved {
			h.Removed = append(h.Removed, naming.Removed{Addr: r.Addr, Ago: ago, Stamp: r.stamp})
		}
	}
	return h
}

// Merge brings what another owner knew into s: of each ephemeral instance the later
// registration and the later beat. An instance that only one of them has stays, unless the
// other saw it deregistered after the one last heard of it. Persistent data is left alone;
// see [Reconcile].
func (m *Memory) Merge(s Service, now naming.Instant, h naming.Heritage) {
	for i, in := range h.View.Instances {
		if !in.Ephemeral {
			continue
		}
		heard, unheard := now, true
		if i < len(h.Silent) {
			heard, unheard = now.Add(-h.Silent[i]), i < len(h.Granted) && h.Granted[i]
		}
		m.merge(s, in, heard, unheard)
	}
	for _, r := range h.Removed {
		at := now.Add(-r.Ago)
		held, clock := s.Held(r.Addr, true)
		if held != nil && held.Cluster != r.Cluster {
			held = nil
		}
		if held != nil {
			if heard, ok := clock.HeardOf(); held.Stamp > r.Stamp || ok && heard > at.Add(lateBeat) {
				continue // it came back since
			}
		}
		m.remember(removed{r.Addr, at, r.Stamp}, now)
		if held != nil {
			s.Withdraw(held)
		}
	}
}

// merge merges one instance, last heard of at heard; unheard: that is not known, or by an
// earlier life's word.
func (m *Memory) merge(s Service, in *naming.Instance, heard naming.Instant, unheard bool) {
	shown := *s.Cover(in.Base())
	shown.Healthy = in.Healthy
	held, clock := s.Held(in.Addr(), true)
	switch {
	case held == nil && m.buried(in, heard, unheard):
		return
	case held == nil:
		s.Publish(&shown, &naming.BeatClock{Last: heard, Granted: unheard})
		s.Await(&shown, heard)
		return
	case clock.Granted && !unheard:
		clock.HearLate(heard)
	case clock.Granted:
		clock.Last = max(clock.Last, heard)
	default:
		shown.Healthy = held.Healthy || in.Healthy && heard > clock.Last
		clock.Last = max(clock.Last, heard)
	}
	s.Await(&shown, clock.Last)
	if in.Stamp < held.Stamp {
		kept := *held
		kept.Healthy = shown.Healthy
		shown = kept
	}
	// A registration that says the same again is still the later one.
	if Same(held, &shown) && held.Stamp == shown.Stamp {
		return
	}
	s.Replace(held, &shown)
}

// Credit takes over the later word on when the instances were last heard of by another
// owner, whose view holds nothing that this one does not: the owner before, or one that only
// heard heartbeats.
func (m *Memory) Credit(s Service, now naming.Instant, h naming.Heritage) {
	for i, in := range h.View.Instances {
		if i >= len(h.Silent) || !in.Ephemeral {
			continue
		}
		held, clock := s.Held(in.Addr(), true)
		if held == nil {
			continue
		}
		heard, unheard := now.Add(-h.Silent[i]), i < len(h.Granted) && h.Granted[i]
		switch {
		case clock.Granted:
			late, ok := clock.HeardOf() // on its way while the service was
			if *clock = (naming.BeatClock{Last: heard, Granted: unheard}); ok {
				clock.HearLate(late)
			}
		case !unheard && heard > clock.Last:
			clock.Last = heard
			if in.Healthy && !held.Healthy {
				revived := *held
				revived.Healthy = true
				s.Replace(held, &revived)
				held = &revived
			}
		default:
			continue
		}
		s.Await(held, clock.Last)
	}
}
