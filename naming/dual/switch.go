package dual

import (
	"nactor/naming"
	"nactor/naming/heritage"
	"nactor/naming/upgrade"
	"nactor/naming/v2"
)

// Switch brings the service into another layout. What waits to be double written is
// carried out first where it matters; then the other structure is built if it is missing,
// serves if it shall, and what is no longer kept is let go of.
//
// Readers are shown no change of health and lose no instance that both structures can hold.
// Effects.Changed says that they are to be shown a new view nevertheless: where 1.x had an
// ip:port in several clusters, of which 2.0 keeps one (the events and, for persistent
// instances, the records name those that went), or where the protect threshold that every
// 1.x service has, and only a 2.0 service with metadata, makes a difference.
//
// Effects.Err is set when the structure that shall serve could not be built; the layout is
// then as before, and Switch may be tried again.
func (s *Service) Switch(env naming.Env, to Layout) naming.Effects {
	to = to.normal()
	if to == s.Layout() {
		return naming.Effects{Empty: !s.Exists()}
	}
	p := s.open()
	before := shown(p)
	if err := p.prepare(env.Now, to); err != nil {
		s.settle()
		return naming.Effects{Err: err, Empty: before == nil}
	}
	if to.Serves != p.layout.Serves {
		p.handOver()
	}
	p.layout = to
	p.serve()
	for _, x := range []Structure{V1, V2} {
		if !to.Keeps(x) {
			p.drop(x)
		}
	}
	e := p.changes(before)
	if len(e.Events) > 0 {
		p.took(env.Now, e.Events)
	}
	s.settle()
	return e
}

// open makes the service a pair, whatever it is.
func (s *Service) open() *pair {
	if two, ok := s.held.(*v2.Service); ok {
		s.held = &pair{structure: two, key: two.Key(), layout: alone, two: two}
	}
	return s.pair()
}

// settle is the reverse of open, where 2.0 is alone.
func (s *Service) settle() {
	if p := s.pair(); p.layout == alone {
		s.held = p.two
	}
}

// prepare brings the structure that the new layout needs besides the one that serves up to
// date. It fails only where that one shall serve.
func (p *pair) prepare(now naming.Instant, to Layout) error {
	other := p.layout.Serves.Other()
	missing := !p.layout.DoubleWrite
	switch {
	case !to.Keeps(other):
		return nil
	case missing:
		p.renew(other)
		p.convert(now)
	case p.backlog.task.Pending() || to.Serves == other && p.one.Len() != p.two.Len():
		// Of an ip:port in several clusters 2.0 has the one last heard of at the last change.
		p.backlog.add(upgrade.Task{Content: upgrade.Both}, now, 0)
		p.catchUp(now)
	}
	if to.Serves != other || !p.backlog.task.Pending() || p.catchUp(now) {
		return nil
	}
	err := p.backlog.failure
	if missing {
		p.drop(other)
	}
	return err
}

// handOver gives what the owner remembers of its life to the structure that begins to
// serve. That one looks at its instances at once.
func (p *pair) handOver() {
	from, to := p.one.Memory(), p.two.Memory()
	if p.layout.Serves == V2 {
		from, to = to, from
	}
	*to, *from = *from, heritage.Memory{}
}

// drop lets go of a structure, and of what waits for it.
func (p *pair) drop(s Structure) {
	if s == V1 {
		p.one = nil
	} else {
		p.two = nil
	}
	p.backlog, p.compared = backlog{}, false
}

// shown returns what readers are shown; nil for nothing.
func shown(s structure) *naming.View {
	if s.Exists() {
		return s.View(naming.Revision{})
	}
	return nil
}

// changes tells how what readers are shown differs from before.
func (p *pair) changes(before *naming.View) (e naming.Effects) {
	after := shown(p)
	e.Empty = after == nil
	if before == nil || after == nil {
		e.Changed = before != after
		return e
	}
	for _, in := range upgrade.Without(before.Instances, after.Instances) {
		e.Events = append(e.Events, naming.Event{Kind: naming.InstanceDeregistered, Instance: in})
		if !in.Ephemeral {
			e.Records = append(e.Records, lost(p.key, in))
		}
	}
	e.Changed = len(e.Events) > 0 || protects(before) != protects(after)
	return e
}

// lost is the record of an instance that 2.0 cannot hold.
func lost(key naming.Key, in *naming.Instance) naming.Record {
	return naming.Record{Kind: naming.RecordInstance, Key: key, Addr: in.Addr(), Delete: true}
}

// protects reports whether the protect threshold may show somebody an unhealthy instance
// as a healthy one.
func protects(v *naming.View) bool {
	return v.Meta != nil && v.HealthyCount() < len(v.Instances)
}
