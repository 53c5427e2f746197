package actors

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	"nactor/naming"
)

const (
	tickEvery    = 100 * time.Millisecond
	compareEvery = 10 * time.Second
	compareSoon  = time.Second // after a change of the ring: what was on its way then may have missed its owner
)

// Inboxes returns what takes the messages of other nodes, by the name of the inbox. Each is
// to be called for one message at a time.
func (s *Services) Inboxes() map[string]func(from string, message proto.Message) {
	return map[string]func(string, proto.Message){
		inboxReplica: s.mesh.receive, inboxCommand: s.gateway.receive, inboxAsk: s.asker.receive,
	}
}

// Follow acts on a change of the membership. It is to be called for one at a time.
func (s *Services) Follow(t Topology) {
	s.keeper.follow(t)
	s.gateway.follow(t.Peers)
}

// Lost tells that the connection to a node broke: what was on its way is gone.
func (s *Services) Lost(id string) { s.gateway.lost(id) }

// Run looks after what nobody answers until ctx ends, and then ends the links to other
// nodes.
func (s *Services) Run(ctx context.Context) {
	t := time.NewTicker(tickEvery)
	defer t.Stop()
	compared := time.Now()
	reminded := compared
	var ring uint64
	var changed time.Time // when the ring did; zero: notes have been compared since
	for {
		select {
		case now := <-t.C:
			if s.stood() {
				s.revive()
			}
			s.mesh.listen()
			s.mesh.reconsider()
			s.keeper.tick()
			s.mesh.feed.sweep()
			s.wakeBehind()
			if r := s.keeper.table.Load().Ring; r != ring {
				ring, changed = r, now
			}
			if now.Sub(reminded) > compareSoon {
				reminded = now
				s.mesh.remind()
			}
			soon := !changed.IsZero() && now.Sub(changed) > compareSoon
			if soon {
				changed = time.Time{}
			}
			if s.keeper.news.Swap(false) {
				s.mesh.compareWithGuests()
			}
			if soon || now.Sub(compared) > compareEvery {
				compared = now
				s.mesh.compareNotes()
			}
		case <-ctx.Done():
			s.gateway.stop()
			s.keeper.stop()
			s.mesh.stop()
			s.asker.wg.Wait()
			return
		}
	}
}

// AwaitSync waits until every node that owners returns has told all that it owns, that which
// it is just taking over too; while it returns false nothing is known about who they are. It
// is asked at each change of the membership.
func (s *Services) AwaitSync(ctx context.Context, owners func() ([]string, bool)) error {
	return s.keeper.await(ctx, func() bool {
		ids, known := owners()
		for _, id := range ids {
			if !s.mesh.told(id) {
				return false
			}
		}
		return known
	})
}

// AwaitOpen waits until this node serves its share.
func (s *Services) AwaitOpen(ctx context.Context) error {
	return s.keeper.await(ctx, func() bool {
		t := s.keeper.table.Load()
		mine := false
		for _, g := range t.gates {
			if g != nil && !g.open.Load() {
				return false
			}
			mine = mine || g != nil
		}
		if mine {
			s.serving.Store(true)
		}
		return mine
	})
}

// AwaitReleased waits until all that this node does not own any more has been handed over,
// and has arrived.
func (s *Services) AwaitReleased(ctx context.Context) error {
	t := time.NewTicker(tickEvery / 10)
	defer t.Stop()
	for {
		nobody := s.keeper.table.Load().Owner(0) == "" // all are leaving
		if _, mine := s.keeper.owned(); len(mine) == 0 && s.keeper.idle() && (nobody || s.mesh.idle()) {
			return nil
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return naming.Unavailable("hand over to the other nodes: %w", ctx.Err())
		}
	}
}

// Settled reports whether all services that this node owns have arrived, and all others are
// gone.
func (s *Services) Settled() bool { return s.keeper.settled() }

// Owner returns the id of the node that owns a service, "" when there is none.
func (s *Services) Owner(key naming.Key) string {
	if s.keeper == nil {
		return s.Self
	}
	return s.keeper.table.Load().Owner(key.Partition())
}
