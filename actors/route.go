package actors

import (
	"context"
	"errors"
	"time"

	"nactor/naming"
	"nactor/naming/dual"
)

// errLost answers a call whose way to its owner, or back, was cut.
var errLost = errors.New("the node that the service lives on was lost")

// How long a caller waits for its own node to show what another one did, and between tries
// while the nodes do not agree about an owner.
const (
	showPatience = time.Second
	retryPause   = 50 * time.Millisecond
)

// route has a command carried out by the owner of the service, wherever that is.
func (s *Services) route(ctx context.Context, key naming.Key, cmd naming.Command) (naming.Result, error) {
	p := key.Partition()
	if g := s.keeper.table.Load().gates[p]; g != nil && g.open.Load() {
		if r, err := s.local(ctx, key, cmd); !errors.Is(err, errMoved) {
			return r, err
		}
	}
	if b, ok := cmd.(naming.Beat); ok {
		if r, ok := s.credit(key, b); ok {
			return r, nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, naming.MaxRequestTime)
	defer cancel()
	for {
		changed := s.keeper.change()
		t := s.keeper.table.Load()
		owner, g := t.Owner(p), t.gates[p]
		var pause <-chan time.Time
		var opened <-chan struct{}
		switch {
		case g != nil && g.open.Load():
			r, err := s.local(ctx, key, cmd)
			if !errors.Is(err, errMoved) {
				return r, err
			}
			pause = time.After(retryPause)
		case g != nil:
			opened = g.opened
		case owner != "" && owner != s.Self:
			r, err := s.gateway.forward(ctx, owner, key, cmd)
			switch {
			case errors.Is(err, errMoved), errors.Is(err, errLost) && repeatable(cmd):
				pause = time.After(retryPause)
			case errors.Is(err, errLost):
				return r, naming.Unavailable("the node that service %s lives on was lost; the request may have been carried out", key.Grouped())
			case err != nil:
				return r, err
			default:
				s.awaitShown(ctx, key, cmd, r.Revision)
				return r, nil
			}
		}
		select {
		case <-changed:
		case <-opened:
		case <-pause:
		case <-ctx.Done():
			return naming.Result{}, naming.Unavailable("service %s has no owner at the moment: %w; try again", key.Grouped(), ctx.Err())
		}
	}
}

// awaitShown waits until this node shows what its caller was answered of a command.
func (s *Services) awaitShown(ctx context.Context, key naming.Key, cmd naming.Command, rev naming.Revision) {
	if rev == (naming.Revision{}) {
		return
	}
	if _, ok := cmd.(naming.Show); ok {
		return // it changes nothing
	}
	if in, ok := cmd.(naming.In); ok {
		if served, _ := s.here(in.Structure); !served {
			return // no reader is shown it
		}
		cmd = in.Command
	}
	if v := s.Views.View(key); v != nil && v.Revision.Compare(rev) >= 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, showPatience)
	defer cancel()
	s.Views.Await(ctx, key, rev, removes(cmd))
}

// removes reports whether the last such command leaves nothing of a service, so that its
// end may be known here before the answer is.
func removes(cmd naming.Command) bool {
	switch cmd.(type) {
	case naming.Deregister, naming.RemoveService:
		return true
	}
	return false
}

// repeatable reports whether carrying the command out twice is the same as once.
func repeatable(cmd naming.Command) bool {
	switch c := cmd.(type) {
	case naming.CreateService, naming.RemoveService:
		return false
	case naming.In:
		return repeatable(c.Command)
	}
	return true
}

// credit answers a heartbeat of an instance that this node knows and shows healthy, and
// sees to it that the owner hears of it.
func (s *Services) credit(key naming.Key, b naming.Beat) (naming.Result, bool) {
	v := s.Views.View(key)
	if v == nil {
		return naming.Result{}, false
	}
	in := s.published(v, b.Addr)
	if in == nil || !in.Healthy || !s.gateway.beat(key, in.Addr()) {
		return naming.Result{}, false
	}
	return naming.Result{Known: true, Interval: naming.BeatInterval(in.Metadata, s.rules.Load().BeatInterval)}, true
}

// published returns the ephemeral instance that a heartbeat from addr is for, or nil: in 2.0
// a client has one in a service, in 1.x one in each cluster of it.
func (s *Services) published(v *naming.View, addr naming.Addr) *naming.Instance {
	if s.Layout().Serves != dual.V1 {
		return v.FindClient(addr.IP, addr.Port, true)
	}
	in := v.Find(addr)
	if in == nil || !in.Ephemeral {
		return nil
	}
	return in
}
