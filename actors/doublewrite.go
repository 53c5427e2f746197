package actors

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"nactor/naming"
	"nactor/naming/dual"
	"nactor/naming/upgrade/switchover"
)

// relayout has a service go by another layout. done is called once it does, or cannot.
type relayout struct {
	to   dual.Layout
	done func(error)
}

// Relayout has all services of this node go by a layout, those that come to life later
// too. It returns when they do, or with the error of ctx or of a service that cannot; it
// may be called again then. halfway is called when half of them do; nil: nobody.
func (s *Services) Relayout(ctx context.Context, to dual.Layout, halfway func()) error {
	s.layout.Store(&to)
	all := s.handles.all()
	var failure atomic.Pointer[error]
	var open sync.WaitGroup
	open.Add(len(all))
	done := func(err error) {
		if err != nil {
			failure.CompareAndSwap(nil, &err)
		}
		open.Done()
	}
	var left atomic.Int64
	left.Store(int64(len(all)))
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		// The mailbox may carry a message out on the goroutine that sends it.
		go func() {
			for i := w; i < len(all); i += workers {
				s.relayout(all[i], to, done)
				if left.Add(-1) == int64(len(all)/2) && halfway != nil {
					halfway()
				}
			}
		}()
	}
	finished := make(chan struct{})
	go func() { open.Wait(); close(finished) }()
	select {
	case <-finished:
	case <-ctx.Done():
		return fmt.Errorf("have the services go by %v: %w", to, ctx.Err())
	}
	if err := failure.Load(); err != nil {
		return *err
	}
	if !to.DoubleWrite {
		s.backlog.clear()
	}
	return nil
}

func (s *Services) relayout(h *handle, to dual.Layout, done func(error)) {
	// Also to one that has too many calls: this is not one to be refused.
	if h.pending.Add(1) <= 0 {
		h.pending.Add(-1)
		done(nil) // it is retiring, and wakes up in the new layout
		return
	}
	pid := s.locate(h)
	if pid == nil {
		done(nil)
		return
	}
	s.place.System().Root.Send(pid, &relayout{to, done})
}

// Layout returns what services that come to life now go by.
func (s *Services) Layout() dual.Layout { return *s.layout.Load() }

// relayout goes by another layout; readers see nothing of it, as a rule.
func (s *service) relayout(m *relayout) {
	if s.moved {
		m.done(nil)
		return
	}
	e := s.state.Switch(s.env(s.Clock.Now()), m.to)
	s.dirty = s.dirty || e.Changed
	s.records = append(s.records, e.Records...)
	s.noteBacklog()
	m.done(e.Err)
}

// backlog knows which services of this node wait for a double write.
type backlog struct {
	mu   sync.Mutex
	wait map[*handle]waiting
}

// clear is for when nothing can wait any more. The map goes too: it stays as large as it
// once was.
func (b *backlog) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wait = nil
}

// waiting is a double write that waits.
type waiting struct {
	since    naming.Instant
	attempts int // that failed
	repairs  int // of operators, on the structure that does not serve
	failure  error
	differs  []string // how the structures differ, after a failure
}

// maxDifferences bounds how many differences of a service are told.
const maxDifferences = 5

// noteBacklog tells the node when a double write has begun to wait, failed, or been done.
func (s *service) noteBacklog() {
	since, attempts, ok := s.state.Pending()
	now := waiting{since: since, attempts: attempts, repairs: s.state.Repairs()}
	if !ok {
		now = waiting{}
	}
	if now.since == s.noted.since && now.attempts == s.noted.attempts && now.repairs == s.noted.repairs {
		return
	}
	s.noted = now
	if now.attempts > 0 || now.repairs > 0 {
		now.failure = s.state.Failure()
		for d := range s.state.Differences() {
			if now.differs = append(now.differs, d.String()); len(now.differs) == maxDifferences {
				break
			}
		}
	}
	b := &s.backlog
	b.mu.Lock()
	defer b.mu.Unlock()
	if !ok {
		delete(b.wait, s.handle)
		return
	}
	if b.wait == nil {
		b.wait = map[*handle]waiting{}
	}
	b.wait[s.handle] = now
}

// forgetBacklog is for a life that ends or begins.
func (s *service) forgetBacklog() {
	s.noted = waiting{}
	s.backlog.mu.Lock()
	defer s.backlog.mu.Unlock()
	delete(s.backlog.wait, s.handle)
}

// DoubleWrite tells how far the structures of this node's services are apart.
type DoubleWrite struct {
	Services  int           // active
	Pending   int           // that wait for a double write
	Oldest    time.Duration // age of the one that waits longest
	Failed    int           // whose structures differ: their last double write failed, or an operator wrote to one of the two
	Differing []switchover.Differing
}

// maxDiffering bounds how many services are named.
const maxDiffering = 10

// DoubleWrite tells how far the structures are apart. It looks only at services that have
// something to catch up with.
func (s *Services) DoubleWrite() DoubleWrite {
	d := DoubleWrite{Services: int(s.handles.count.Load())}
	now := s.Clock.Now()
	s.backlog.mu.Lock()
	defer s.backlog.mu.Unlock()
	for h, w := range s.backlog.wait {
		d.Pending++
		if w.attempts == 0 && w.repairs == 0 {
			d.Oldest = max(d.Oldest, now.Since(w.since))
			continue
		}
		if w.attempts == 0 && len(w.differs) == 0 {
			continue // repaired
		}
		d.Failed++
		text := fmt.Sprintf("an operator wrote to one structure alone; the double write puts it right within %v", dual.RepairTime)
		if w.attempts > 0 {
			d.Oldest = max(d.Oldest, now.Since(w.since))
			text = fmt.Sprintf("%d attempts failed: %v", w.attempts, w.failure)
		}
		if len(d.Differing) < maxDiffering {
			d.Differing = append(d.Differing, switchover.Differing{Service: upgradeName(h.key), Differences: append([]string{text}, w.differs...)})
		}
	}
	slices.SortFunc(d.Differing, func(a, b switchover.Differing) int { return cmp.Compare(a.Service, b.Service) })
	return d
}

// upgradeName is how Nacos's upgrade metrics name a service.
func upgradeName(key naming.Key) string {
	return key.Namespace + "##" + key.Grouped()
}
