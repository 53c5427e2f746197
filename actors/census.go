package actors

import (
	"context"
	"slices"
	"sync"

	"nactor/naming"
	"nactor/naming/dual"
)

// Census is what the two structures of this node hold. Of services that live on other nodes,
// or are not active, only the view is here: it counts for both.
type Census struct {
	One, Two     dual.Count // Services is how many there are
	Own1, Own2   dual.Count // of them, those that live here
	Only1, Only2 []string   // namespace##group@@service; at most maxOnly of each
	Ephemeral2   int        // services
	Persistent2  int
}

// maxOnly bounds how many services are named that only one structure has.
const maxOnly = 100

// countUp is a question to a service for its part of a census.
type countUp struct {
	done func(one, two dual.Count, ephemeral bool)
}

// Census counts, asking each active service.
func (s *Services) Census(ctx context.Context) Census {
	var c Census
	var mu sync.Mutex
	add := func(key naming.Key, own bool, one, two dual.Count, ephemeral bool) {
		mu.Lock()
		defer mu.Unlock()
		c.One, c.Two = plus(c.One, one), plus(c.Two, two)
		if own {
			c.Own1, c.Own2 = plus(c.Own1, one), plus(c.Own2, two)
		}
		if ephemeral {
			c.Ephemeral2 += two.Services
		} else {
			c.Persistent2 += two.Services
		}
		both := s.Layout().DoubleWrite
		if both && one.Services > two.Services && len(c.Only1) < maxOnly {
			c.Only1 = append(c.Only1, upgradeName(key))
		}
		if both && two.Services > one.Services && len(c.Only2) < maxOnly {
			c.Only2 = append(c.Only2, upgradeName(key))
		}
	}
	var open sync.WaitGroup
	active := map[naming.Key]bool{}
	for _, h := range s.handles.all() {
		if ok, _ := h.acquire(); !ok {
			continue
		}
		pid := s.locate(h)
		if pid == nil {
			continue
		}
		active[h.key] = true
		open.Add(1)
		s.place.System().Root.Send(pid, &countUp{func(one, two dual.Count, ephemeral bool) {
			add(h.key, true, one, two, ephemeral)
			open.Done()
		}})
	}
	layout := s.Layout()
	for p := range naming.Partitions {
		for _, v := range s.Views.Partition(p) {
			if active[v.Key] {
				continue
			}
			n := countView(v)
			one, two := n, n
			if layout.Serves != dual.V1 && !layout.DoubleWrite {
				one = dual.Count{}
			}
			if layout.Serves == dual.V1 && !layout.DoubleWrite {
				two = dual.Count{}
			}
			add(v.Key, s.Owner(v.Key) == s.Self, one, two, v.Ephemeral)
		}
	}
	finished := make(chan struct{})
	go func() { open.Wait(); close(finished) }()
	select {
	case <-finished:
	case <-ctx.Done():
	}
	mu.Lock()
	defer mu.Unlock()
	out := c
	out.Only1, out.Only2 = slices.Sorted(slices.Values(c.Only1)), slices.Sorted(slices.Values(c.Only2))
	return out
}

func plus(a, b dual.Count) dual.Count {
	return dual.Count{Services: a.Services + b.Services, Ephemeral: a.Ephemeral + b.Ephemeral, Persistent: a.Persistent + b.Persistent}
}

func countView(v *naming.View) dual.Count {
	n := dual.Count{Services: 1}
	for _, in := range v.Instances {
		if in.Ephemeral {
			n.Ephemeral++
		} else {
			n.Persistent++
		}
	}
	return n
}

// countUp answers a census. A service that moved is counted where it is now.
func (s *service) countUp(m *countUp) {
	if s.moved {
		m.done(dual.Count{}, dual.Count{}, false)
		return
	}
	one, two := s.state.Counts()
	m.done(one, two, s.shown != nil && s.shown.Ephemeral)
}
