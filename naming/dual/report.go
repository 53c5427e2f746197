package dual

import (
	"iter"

	"nactor/naming"
	"nactor/naming/upgrade"
)

// Pending returns since when the other structure has something to catch up with, and how
// many attempts have failed; false: nothing waits.
func (s *Service) Pending() (since naming.Instant, attempts int, ok bool) {
	p := s.pair()
	if p == nil || !p.backlog.task.Pending() {
		return 0, 0, false
	}
	return p.backlog.since, p.backlog.attempts, true
}

// Task returns the double write that waits; the zero task for nothing.
func (s *Service) Task() upgrade.Task {
	if p := s.pair(); p != nil {
		return p.backlog.task
	}
	return upgrade.Task{}
}

// Failure returns why the double write that waits has failed the last time, or nil.
func (s *Service) Failure() error {
	if p := s.pair(); p != nil {
		return p.backlog.failure
	}
	return nil
}

// InSync reports whether both structures have the same content; see [upgrade.Equal] for
// what counts. It is true where only one is kept. While nothing waits it costs nothing;
// else the structures are compared, once for each change.
func (s *Service) InSync() bool {
	p := s.pair()
	return p == nil || !p.layout.DoubleWrite || p.inSync()
}

// Differences yields how the content of the structures differs; nothing where only one is
// kept.
func (s *Service) Differences() iter.Seq[upgrade.Difference] {
	p := s.pair()
	if p == nil || !p.layout.DoubleWrite {
		return func(func(upgrade.Difference) bool) {}
	}
	return upgrade.Diff(p.views())
}

// Count is what one structure holds of a service.
type Count struct {
	Services   int // 0 or 1
	Ephemeral  int // instances
	Persistent int // instances
}

// Counts returns what each structure holds; zero for one that is not kept. It looks at
// every instance.
func (s *Service) Counts() (one, two Count) {
	if p := s.pair(); p != nil {
		a, b := p.views()
		return count(a), count(b)
	}
	return Count{}, count(shown(s.held))
}

func count(v *naming.View) (c Count) {
	if v == nil {
		return c
	}
	c.Services = 1
	for _, in := range v.Instances {
		if in.Ephemeral {
			c.Ephemeral++
		} else {
			c.Persistent++
		}
	}
	return c
}
