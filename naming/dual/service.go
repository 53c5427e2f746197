package dual

import (
	"nactor/naming"
	"nactor/naming/heritage"
	"nactor/naming/upgrade"
	"nactor/naming/v1"
	"nactor/naming/v2"
)

// Service is one service in one or both structures. Not safe for concurrent use.
//
// It is a [v2.Service] where 2.0 is alone, which is what stays when the upgrade is over and
// so costs nothing more than the structure itself; else a pair.
type Service struct{ held structure }

// structure is what both structures can do, and a pair of them.
type structure interface {
	Step(naming.Env, naming.Command) naming.Effects
	View(naming.Revision) *naming.View
	Exists() bool
	Len() int
	Deadline() (naming.Instant, bool)
	Clock(naming.Addr, bool) *naming.BeatClock
	Heritage(*naming.View, naming.Instant) naming.Heritage
	Inherit(naming.Env, naming.Heritage) naming.Effects
	Credit(naming.Env, naming.Heritage) naming.Effects
	Reconcile(naming.Env, naming.Saved) naming.Effects
	Memory() *heritage.Memory
}

var (
	_ structure = (*v1.Service)(nil)
	_ structure = (*v2.Service)(nil)
	_ structure = (*pair)(nil)
)

// New returns a service that does not exist yet; its first command may bring it to life.
func New(key naming.Key, layout Layout) *Service {
	layout = layout.normal()
	if layout == alone {
		return &Service{v2.New(key)}
	}
	p := &pair{key: key, layout: layout}
	for _, s := range []Structure{V1, V2} {
		if layout.Keeps(s) {
			p.renew(s)
		}
	}
	p.serve()
	return &Service{p}
}

// Restore starts a new life of a service from its last view, which a node in any layout may
// have made. Every beat clock starts at now: a new owner grants one full time-out of grace.
func Restore(view *naming.View, now naming.Instant, layout Layout) *Service {
	s := New(view.Key, layout)
	if s.serves() == V2 {
		s.begin(nil, v2.Restore(upgrade.V2View(view, unheard), now), now)
	} else {
		s.begin(v1.Restore(view, now), nil, now)
	}
	return s
}

// FromSaved starts a service from what the store holds of it, whichever structure wrote it.
func FromSaved(saved naming.Saved, now naming.Instant, layout Layout) *Service {
	s := New(saved.Key, layout)
	if s.serves() == V2 {
		saved, _ = upgrade.V2Saved(saved, unheard)
		s.begin(nil, v2.FromSaved(saved, now), now)
	} else {
		s.begin(v1.FromSaved(saved, now), nil, now)
	}
	return s
}

// unheard is the clock of instances that nobody has heard of yet.
func unheard(naming.Addr, bool) *naming.BeatClock { return nil }

// begin gives a new service the structure that serves; the other is made from it.
func (s *Service) begin(one *v1.Service, two *v2.Service, now naming.Instant) {
	p := s.pair()
	switch {
	case p == nil:
		s.held = two
		return
	case one != nil:
		p.one = one
	default:
		p.two = two
	}
	p.serve()
	if p.layout.DoubleWrite {
		p.convert(now)
	}
}

// pair returns nil where 2.0 is alone.
func (s *Service) pair() *pair {
	p, _ := s.held.(*pair)
	return p
}

// serves returns which structure takes the commands.
func (s *Service) serves() Structure { return s.Layout().Serves }

// Layout returns the layout that the service is in, with nothing left out.
func (s *Service) Layout() Layout {
	if p := s.pair(); p != nil {
		return p.layout
	}
	return alone
}

// Step carries out one command on the structure that serves and returns what it did. What
// that is for the other structure waits for a [naming.Tick]; see [Service.Pending]. A step
// with Effects.Err set changed nothing.
func (s *Service) Step(env naming.Env, cmd naming.Command) naming.Effects {
	switch c := cmd.(type) {
	case naming.In:
		return s.in(env, c)
	case naming.Show:
		return naming.Effects{Result: naming.Result{Shown: s.viewIn(c.Structure)}, Empty: !s.Exists()}
	}
	return s.held.Step(env, cmd)
}

// View returns the picture that readers are shown, instances sorted by address.
func (s *Service) View(rev naming.Revision) *naming.View { return s.held.View(rev) }

// Exists reports whether readers know the service.
func (s *Service) Exists() bool { return s.held.Exists() }

// Len returns the number of instances that readers are shown.
func (s *Service) Len() int { return s.held.Len() }

// Deadline returns when a Tick may next change something or has to carry out a double
// write; false: not before another command.
func (s *Service) Deadline() (naming.Instant, bool) { return s.held.Deadline() }

// Clock returns the beat clock of an instance, which both structures share, or nil when
// there is no such instance.
func (s *Service) Clock(addr naming.Addr, ephemeral bool) *naming.BeatClock {
	return s.held.Clock(addr, ephemeral)
}
