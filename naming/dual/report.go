package dual

import (
	"iter"

	"nactor/naming"
	"nactor/naming/upgrade"
)

// Pending returns since when the other structure has something to catch up with, and how
// many attempts have failed; false: nothing waits.
func (s *Service) Pending() (since naming.Instant, attempts int, ok bool) {
	if s.alone != nil || !s.pair.backlog.task.Pending() {
		return 0, 0, false
	}
	return s.pair.backlog.since, s.pair.backlog.attempts, true
}

// Task returns the double write that waits; the zero task for nothing.
func (s *Service) Task() upgrade.Task {
	if s.alone != nil {
		return upgrade.Task{}
	}
	return s.pair.backlog.task
}

// Failure returns why the double write that waits has failed the last time, or nil.
func (s *Service) Failure() error {
	if s.alone != nil {
		return nil
	}
	return s.pair.backlog.failure
}

// InSync reports whether both structures have the same content; see [upgrade.Equal] for
// what counts. It is true where only one is kept. While nothing waits it costs nothing;
// else the structures are compared, once for each change.
func (s *Service) InSync() bool {
	return s.alone != nil || !s.pair.layout.DoubleWrite || s.pair.inSync()
}

// Differences yields how the content of the structures differs; nothing where only one is
// kept.
func (s *Service) Differences() iter.Seq[upgrade.Difference] {
	if s.alone != nil || !s.pair.layout.DoubleWrite {
		return func(func(upgrade.Difference) bool) {}
	}
	return upgrade.Diff(s.pair.views())
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
	if s.alone != nil {
		if s.alone.Exists() {
			two = count(s.alone.View(naming.Revision{}))
		}
		return one, two
	}
	a, b := s.pair.views()
	return count(a), count(b)
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
