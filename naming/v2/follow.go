package v2

import "nactor/naming"

// Follow makes the service hold what a view shows, as the double write does with the view
// of the structure that serves. A nil view ends the service. The instances are shared with
// the view, and so are the beat clocks that clock returns; where it returns nil the clock
// starts at now. Nothing has to be written down: who serves has done that.
//
// The view must be one that this structure can hold, with one instance for each ip:port of
// a kind.
func (s *Service) Follow(now naming.Instant, view *naming.View, clock func(naming.Addr, bool) *naming.BeatClock) {
	if view == nil {
		*s = Service{key: s.key}
		return
	}
	if !s.born {
		s.ephemeral = view.Ephemeral
	}
	s.born, s.meta, s.memory.Touched = true, view.Meta, now
	old := s.pubs
	s.pubs = make([]*publication, 0, len(view.Instances))
	for _, in := range view.Instances {
		var p *publication
		for p == nil && len(old) > 0 {
			c := 0
			if old[0].inst != in {
				c = compareInstances(old[0].inst, in)
			}
			if c > 0 {
				break
			}
			if c == 0 {
				p = old[0]
			}
			old = old[1:]
		}
		if p == nil {
			p = &publication{}
		}
		p.inst, p.clock = in, clock(in.Addr(), in.Ephemeral)
		if p.clock == nil {
			p.clock = &naming.BeatClock{Last: now, Granted: true}
		}
		s.pubs = append(s.pubs, p)
	}
	s.rehash()
	before := s.overlays
	s.overlays, s.shown = nil, nil
	if len(view.Overlays) > 0 {
		s.overlays = make(map[naming.Addr]overlay, len(view.Overlays))
	}
	for addr, o := range view.Overlays {
		since := now
		if was, ok := before[addr]; ok && was.gone {
			since = was.since
		}
		s.overlays[addr] = overlay{Overlay: o, gone: true, since: since}
	}
	for _, p := range s.pubs {
		s.recall(p.inst.Addr())
	}
	s.wake(now)
}
