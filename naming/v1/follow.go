package v1

import (
	"slices"

	"nactor/naming"
)

// Follow makes the service hold what a view shows, as the double write does with the view
// of the structure that serves. A nil view ends the service. The instances are shared with
// the view, and so are the beat clocks that clock returns; where it returns nil the clock
// starts at now. Nothing has to be written down: who serves has done that.
//
// A view that shows an address twice is taken at its last word.
func (s *Service) Follow(now naming.Instant, view *naming.View, clock func(naming.Addr, bool) *naming.BeatClock) {
	for i := range s.clusters {
		s.clusters[i].ephemeral = s.clusters[i].ephemeral[:0]
		s.clusters[i].persistent = s.clusters[i].persistent[:0]
	}
	s.born, s.meta, s.carried, s.waiting = view != nil, nil, nil, false
	if view == nil {
		s.clusters = nil
		return
	}
	if !Implied(view.Meta) {
		s.meta = explicit(view.Meta)
	}
	for _, in := range view.Instances {
		c := clock(in.Addr(), in.Ephemeral)
		if c == nil {
			c = &naming.BeatClock{Last: now, Granted: true}
		}
		s.put(record{in, c})
	}
	for i := range s.clusters {
		s.clusters[i].ephemeral = trim(s.clusters[i].ephemeral)
		s.clusters[i].persistent = trim(s.clusters[i].persistent)
	}
	s.clusters = slices.DeleteFunc(s.clusters, func(c cluster) bool { return c.empty() })
	if len(view.Overlays) > 0 {
		s.carried = view.Overlays
	}
	s.memory.Touched = now
	s.wake(now)
}

// put adds an instance, or replaces the one at its address. Instances of a view come in
// order: each goes behind those that are there.
func (s *Service) put(r record) {
	if i, found := s.cluster(r.inst.Cluster); found {
		in := s.clusters[i].set(r.inst.Ephemeral)
		if n := len(*in); n == 0 || compareHosts((*in)[n-1].inst, r.inst) < 0 {
			*in = append(*in, r)
			return
		}
	}
	if old := s.find(r.inst.Addr(), r.inst.Ephemeral); old != nil {
		*old = r
	} else {
		s.insert(r)
	}
}

// trim lets go of what a shrunk set still holds on to.
func trim(s set) set {
	clear(s[len(s):cap(s)])
	return s
}
