package persistence

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"nactor/naming"
)

// Remove takes a node out of the cluster. It may be called on any member and returns when
// that one knows it. It is refused when of the members that would be left too few answer.
// Errors: kinds [naming.KindInvalid] and [naming.KindUnavailable].
func (r *Raft) Remove(ctx context.Context, id string) error {
	return r.changeMember(ctx, request(opRemove, id),
		func(ctx context.Context, _ []byte) error { return r.removeHere(ctx, id) },
		func() bool { return !r.isMember(raft.ServerID(id)) })
}

func (r *Raft) removeHere(ctx context.Context, id string) error {
	if r.raft.State() != raft.Leader {
		return errNotLeader
	}
	if !r.isMember(raft.ServerID(id)) {
		return nil
	}
	if err := r.enoughWithout(ctx, id); err != nil {
		return err
	}
	return r.awaitMembers(ctx, func() { r.raft.RemoveServer(raft.ServerID(id), 0, r.opt.Patience) },
		func() bool { return !r.isMember(raft.ServerID(id)) })
}

// enoughWithout tells why a member cannot be spared.
func (r *Raft) enoughWithout(ctx context.Context, id string) error {
	rest := slices.DeleteFunc(r.Peers(), func(s Server) bool { return s.ID == id })
	if len(rest) == 0 {
		return naming.Invalid("node %s is the last member of the cluster and cannot be removed", id)
	}
	if n := r.answering(ctx, rest); n <= len(rest)/2 {
		return naming.Unavailable("node %s is not removed: of the %d nodes that would be left %d answer, and %d are needed", id, len(rest), n, len(rest)/2+1)
	}
	return nil
}

// Spare tells why a member that is said to be dead should not be removed: it answers, or of
// the others too few do. It changes nothing. Errors: kinds [naming.KindInvalid] and
// [naming.KindUnavailable].
func (r *Raft) Spare(ctx context.Context, id string) error {
	for _, m := range r.Peers() {
		if m.ID == id && r.ping(ctx, m) == nil {
			return naming.Invalid("node %s is not removed: it answers at %s; stop it first", id, m.Addr)
		}
	}
	return r.enoughWithout(ctx, id)
}

// ping asks a node whether it lives. Another one at its address does not answer for it.
func (r *Raft) ping(ctx context.Context, s Server) error {
	if s.ID == r.id.Store {
		return nil
	}
	if now, ok := r.opt.AddressOf(s.ID); ok {
		s.Addr = now
	}
	ctx, cancel := context.WithTimeout(ctx, r.opt.Patience/3)
	defer cancel()
	b, err := r.forward.Call(ctx, s.ID, s.Addr, request(opPing, s.ID))
	if err != nil {
		return err
	}
	return readAnswer(b)
}

// answering returns how many of the servers live.
func (r *Raft) answering(ctx context.Context, servers []Server) int {
	var n atomic.Int64
	var all sync.WaitGroup
	for _, s := range servers {
		all.Go(func() {
			if r.ping(ctx, s) == nil {
				n.Add(1)
			}
		})
	}
	all.Wait()
	return int(n.Load())
}
