package actors

import (
	"context"
	"slices"
	"sync"

	"google.golang.org/protobuf/proto"

	"nactor/actors/actorpb"
	"nactor/naming"
	"nactor/naming/dual"
)

var _ naming.Structures = (*Services)(nil)

// here tells where this node finds a structure: in its replica, which has what serves, or
// nowhere, when double write is closed. Neither: with the owner of each service.
func (s *Services) here(x naming.Structure) (replica, nowhere bool) {
	l := s.Layout()
	serves := naming.V2
	if l.Serves == dual.V1 {
		serves = dual.V1
	}
	return x == serves, x == dual.V1 && !l.Keeps(x)
}

// ViewIn implements [naming.Structures].
func (s *Services) ViewIn(ctx context.Context, key naming.Key, x naming.Structure) (*naming.View, error) {
	replica, nowhere := s.here(x)
	switch {
	case replica:
		return s.Views.View(key), nil
	case nowhere:
		return nil, nil
	}
	r, err := s.Do(ctx, key, naming.Show{Structure: x})
	return r.Shown, err
}

// exceptions are the services of a node that are not in both structures.
type exceptions struct {
	kept           bool
	missing, extra []naming.Key
}

// exceptions asks the services of this node whose structures may differ: those for which a
// double write waits.
func (s *Services) exceptions(ctx context.Context, x naming.Structure) exceptions {
	out := exceptions{kept: s.Layout().Keeps(x)}
	if !out.kept {
		return out
	}
	var mu sync.Mutex
	var open sync.WaitGroup
	for _, h := range s.waiting() {
		if ok, _ := h.acquire(); !ok {
			continue
		}
		pid := s.locate(h)
		if pid == nil {
			continue
		}
		open.Add(1)
		s.place.System().Root.Send(pid, &countUp{func(one, two dual.Count, _ bool) {
			defer open.Done()
			this, other := two.Services, one.Services
			if x == dual.V1 {
				this, other = other, this
			}
			mu.Lock()
			defer mu.Unlock()
			switch {
			case this < other:
				out.missing = append(out.missing, h.key)
			case this > other:
				out.extra = append(out.extra, h.key)
			}
		}})
	}
	finished := make(chan struct{})
	go func() { open.Wait(); close(finished) }()
	select {
	case <-finished:
	case <-ctx.Done():
	}
	mu.Lock()
	defer mu.Unlock()
	return exceptions{out.kept, slices.Clone(out.missing), slices.Clone(out.extra)}
}

// waiting returns the services of this node for which a double write waits.
func (s *Services) waiting() []*handle {
	s.backlog.mu.Lock()
	defer s.backlog.mu.Unlock()
	out := make([]*handle, 0, len(s.backlog.wait))
	for h := range s.backlog.wait {
		out = append(out, h)
	}
	return out
}

// ServicesIn implements [naming.Structures].
func (s *Services) ServicesIn(ctx context.Context, namespace string, x naming.Structure) ([]naming.Key, error) {
	replica, nowhere := s.here(x)
	if nowhere {
		return nil, nil
	}
	namespaces := []string{namespace}
	if namespace == "" {
		namespaces = s.Views.Namespaces()
	}
	var all []naming.Key
	for _, ns := range namespaces {
		all = append(all, s.Views.Services(ns)...)
	}
	if replica {
		return all, nil
	}
	found, err := s.allExceptions(ctx, x)
	if err != nil {
		return nil, err
	}
	missing := map[naming.Key]bool{}
	for _, e := range found {
		for _, k := range e.missing {
			missing[k] = true
		}
	}
	all = slices.DeleteFunc(all, func(k naming.Key) bool {
		e, known := found[s.Owner(k)]
		return missing[k] || known && !e.kept
	})
	for _, e := range found {
		for _, k := range e.extra {
			if namespace == "" || namespace == k.Namespace {
				all = append(all, k)
			}
		}
	}
	slices.SortFunc(all, naming.Key.Compare)
	return slices.Compact(all), nil
}

// allExceptions asks all nodes, by id.
func (s *Services) allExceptions(ctx context.Context, x naming.Structure) (map[string]exceptions, error) {
	out := map[string]exceptions{s.Self: s.exceptions(ctx, x)}
	if s.mesh == nil {
		return out, nil
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var failure error
	for _, p := range s.keeper.table.Load().Peers {
		if p.Doubted {
			continue // it owns nothing
		}
		wg.Go(func() {
			m, err := s.asker.ask(ctx, p.ID, func(id uint64) proto.Message { return &actorpb.StructureQuery{Id: id, Structure: uint32(x)} })
			answer, ok := m.(*actorpb.StructureAnswer)
			mu.Lock()
			defer mu.Unlock()
			if err != nil || !ok {
				failure = naming.Unavailable("node %s does not say which services it has in %v; try again", p.ID, x)
				return
			}
			e := exceptions{kept: answer.Kept}
			for _, k := range answer.Missing {
				e.missing = append(e.missing, k.Naming())
			}
			for _, k := range answer.Extra {
				e.extra = append(e.extra, k.Naming())
			}
			out[p.ID] = e
		})
	}
	wg.Wait()
	return out, failure
}
