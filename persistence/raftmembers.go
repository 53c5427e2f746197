package persistence

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"nactor/naming"
)

// Server is a member of the cluster: its id, for good, and the address "host:port" where
// raft reached it when it became one.
type Server struct{ ID, Addr string }

// leadership is what this node knows of the members.
type leadership struct {
	ready atomic.Pointer[raft.Raft] // nil: raft is being made
	seen  sync.Map                  // id → *atomic.Int64, Unix nanoseconds

	mu      sync.Mutex
	changed chan struct{} // closed when the leader, or a state of raft, has changed
	members chan struct{} // closed when the members have changed
}

func newLeadership() leadership {
	return leadership{changed: make(chan struct{}), members: make(chan struct{})}
}

// leaderChange returns a channel that is closed at the next change.
func (l *leadership) leaderChange() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

func (l *leadership) changeLeader() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.changed)
	l.changed = make(chan struct{})
}

// memberChange returns a channel that is closed when other members are applied here.
func (l *leadership) memberChange() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.members
}

func (l *leadership) changeMembers() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.members)
	l.members = make(chan struct{})
}

// heardFrom takes note that a member speaks to us, or answers.
func (l *leadership) heardFrom(id raft.ServerID) {
	at, ok := l.seen.Load(id)
	if !ok {
		at, _ = l.seen.LoadOrStore(id, new(atomic.Int64))
	}
	at.(*atomic.Int64).Store(time.Now().UnixNano())
}

// hasSeen tells whether a member was heard of lately.
func (r *Raft) hasSeen(id string) bool {
	at, ok := r.seen.Load(raft.ServerID(id))
	return ok && time.Since(time.Unix(0, at.(*atomic.Int64).Load())) < 3*r.opt.Heartbeat
}

// observe follows what raft tells of leaders, until Close.
func (r *Raft) observe() {
	// Raft drops what does not fit: no more than that something has changed is needed.
	seen := make(chan raft.Observation, 16)
	o := raft.NewObserver(seen, false, func(o *raft.Observation) bool {
		switch o.Data.(type) {
		case raft.LeaderObservation, raft.RaftState:
			return true
		}
		return false
	})
	r.raft.RegisterObserver(o)
	defer r.raft.DeregisterObserver(o)
	last := ""
	for {
		leader, _ := r.Leader()
		if leader.ID != last {
			last = leader.ID
			r.opt.Logger.Info("the leader has changed", "leader", last, "address", leader.Addr, "term", r.raft.CurrentTerm())
			r.opt.OnLeader(last)
		}
		select {
		case <-seen:
			r.changeLeader()
		case <-r.life.Done():
			return
		}
	}
}

// Leader returns the leader as this node knows it, and false when it knows none. The
// address is "" when it is not known. It may have lost the lead already.
func (r *Raft) Leader() (Server, bool) {
	_, id := r.raft.LeaderWithID()
	if id == "" {
		return Server{}, false
	}
	s := Server{ID: string(id)}
	if a, ok := r.opt.AddressOf(s.ID); ok {
		s.Addr = a
		return s, true
	}
	for _, m := range r.configuration().Servers {
		if m.ID == id {
			s.Addr = string(m.Address)
		}
	}
	return s, true
}

// IsLeader tells whether this node leads, as far as it knows; see [Raft.VerifyLeader].
func (r *Raft) IsLeader() bool { return r.raft.State() == raft.Leader }

// VerifyLeader returns nil if this node led at some moment during the call. Errors: kind
// [naming.KindUnavailable].
func (r *Raft) VerifyLeader() error {
	if r.life.Err() != nil {
		return errClosed()
	}
	if err := r.await(r.raft.VerifyLeader()); err != nil {
		return naming.Unavailable("this node is not the leader of the cluster: %w", err)
	}
	return nil
}

// await returns a future's error, or why there will be none: after a failure raft's main
// loop may have stopped.
func (r *Raft) await(f raft.Future) error {
	done := make(chan error, 1)
	go func() { done <- f.Error() }() // ends with raft
	select {
	case err := <-done:
		return err
	case <-r.broken:
		return *r.failure.Load()
	}
}

// configuration returns the newest members, perhaps not yet agreed upon.
func (r *Raft) configuration() raft.Configuration {
	made := r.ready.Load()
	if made == nil {
		return raft.Configuration{}
	}
	f := made.GetConfiguration()
	if f.Error() != nil { // it has none
		return raft.Configuration{}
	}
	return f.Configuration()
}

// Peers returns all members, this node too, ordered by id, with the addresses where they
// are now if that is known.
func (r *Raft) Peers() []Server {
	var out []Server
	for _, m := range r.configuration().Servers {
		s := Server{string(m.ID), string(m.Address)}
		if now, ok := r.opt.AddressOf(s.ID); ok {
			s.Addr = now
		}
		out = append(out, s)
	}
	slices.SortFunc(out, compareServers)
	return out
}

func compareServers(a, b Server) int {
	return cmp.Or(strings.Compare(a.ID, b.ID), strings.Compare(a.Addr, b.Addr))
}

func (r *Raft) isMember(id raft.ServerID) bool {
	return slices.ContainsFunc(r.configuration().Servers, func(s raft.Server) bool { return s.ID == id })
}

// mayspeak tells whose messages raft may get. A node that lags behind does not know new
// members from the log; who is in the cluster it learns elsewhere, too.
func (r *Raft) mayspeak(id raft.ServerID) bool {
	if len(r.configuration().Servers) == 0 || r.isMember(id) {
		return true
	}
	_, known := r.opt.AddressOf(string(id))
	return known
}

func (r *Raft) term() uint64 {
	if made := r.ready.Load(); made != nil {
		return made.CurrentTerm()
	}
	return 0
}

// HasState tells whether this node is, or was, a member of a cluster.
func (r *Raft) HasState() bool { return len(r.configuration().Servers) > 0 || r.raft.LastIndex() > 0 }

// Bootstrap makes a cluster of the servers, of which this node is one. It is for the
// beginning of a cluster only: on one of its nodes, or with the same servers on several.
// Errors: the node has state already; kind [naming.KindInvalid].
func (r *Raft) Bootstrap(servers []Server) error {
	servers = slices.SortedFunc(slices.Values(servers), compareServers)
	var c raft.Configuration
	for i, s := range servers {
		if s.ID == "" || len(s.ID) > maxNodeID || s.Addr == "" || i > 0 && servers[i-1].ID == s.ID {
			return naming.Invalid("a cluster of %v cannot be made: each node needs an id of its own and an address", servers)
		}
		c.Servers = append(c.Servers, raft.Server{Suffrage: raft.Voter, ID: raft.ServerID(s.ID), Address: raft.ServerAddress(s.Addr)})
	}
	if !slices.ContainsFunc(servers, func(s Server) bool { return s.ID == r.id.Store }) {
		return naming.Invalid("a cluster of %v cannot be made by node %s, which is not in it", servers, r.id.Store)
	}
	if r.HasState() {
		return fmt.Errorf("make a cluster in %s: %w", r.opt.Dir, raft.ErrCantBootstrap)
	}
	if err := r.raft.BootstrapCluster(c).Error(); err != nil {
		return fmt.Errorf("make a cluster in %s: %w", r.opt.Dir, err)
	}
	r.opt.Logger.Info("a cluster is made", "servers", servers)
	return nil
}

// AddVoter makes a node a member, or changes a member's address, where AddressOf does not
// know another. It may be called on any member and returns when that one knows it. A new
// member must answer before, and no member may have its address. Errors: kinds
// [naming.KindInvalid] and [naming.KindUnavailable].
func (r *Raft) AddVoter(ctx context.Context, id, addr string) error {
	return r.changeMember(ctx, request(opAddVoter, id, addr),
		func(ctx context.Context, _ []byte) error { return r.addVoterHere(ctx, id, addr) },
		func() bool { return r.hasVoter(id, addr) })
}

// changeMember asks the leader until it has done so.
func (r *Raft) changeMember(ctx context.Context, body []byte, here func(context.Context, []byte) error, done func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, r.opt.Patience)
	defer cancel()
	stop := context.AfterFunc(r.life, cancel)
	defer stop()
	var last error
	for {
		changed, members := r.leaderChange(), r.memberChange()
		err := r.ask(ctx, body, here)
		if err == nil && done() {
			return nil
		}
		if err != nil {
			last = err
		}
		var known *naming.Error
		if errors.As(err, &known) {
			return err
		}
		again := time.NewTimer(retryAfter)
		select {
		case <-again.C:
		case <-changed:
		case <-members:
		case <-ctx.Done():
			again.Stop()
			if err == nil { // the leader has it, and this node will
				return nil
			}
			return naming.Unavailable("the members were not changed: %w; it may still take effect", last)
		}
		again.Stop()
	}
}

// hasVoter tells whether a node is a member that is reached at an address. Where AddressOf
// knows that, the log need not: raft reads an address that it changes without a lock.
func (r *Raft) hasVoter(id, addr string) bool {
	return slices.Contains(r.Peers(), Server{id, addr})
}

func (r *Raft) addVoterHere(ctx context.Context, id, addr string) error {
	if id == "" || len(id) > maxNodeID || addr == "" || len(addr) > maxAddress {
		return naming.Invalid("node %.64q at %.64q cannot become a member: it needs an id and an address", id, addr)
	}
	if r.raft.State() != raft.Leader {
		return errNotLeader
	}
	for _, m := range r.Peers() {
		if m.Addr == addr && m.ID != id {
			return naming.Invalid("node %s cannot become a member: member %s has its address %s; remove that one first", id, m.ID, addr)
		}
	}
	if r.hasVoter(id, addr) {
		return nil
	}
	if !r.isMember(raft.ServerID(id)) {
		if err := r.ping(ctx, Server{id, addr}); err != nil {
			return naming.Unavailable("node %s does not answer at %s, and is not made a member: %w", id, addr, err)
		}
	}
	return r.awaitMembers(ctx, func() { r.raft.AddVoter(raft.ServerID(id), raft.ServerAddress(addr), 0, r.opt.Patience) },
		func() bool { return r.hasVoter(id, addr) })
}

// awaitMembers changes the members and waits until the change is applied here. Not raft's
// future: one that is under way when raft ends may never answer.
func (r *Raft) awaitMembers(ctx context.Context, change func(), done func() bool) error {
	members, changed := r.memberChange(), r.leaderChange()
	patience := time.NewTimer(r.opt.Patience)
	defer patience.Stop()
	change()
	for {
		select {
		case <-members:
			if done() {
				return nil
			}
			members = r.memberChange()
		case <-changed:
			// A leader that has removed itself ends before the removal is applied here.
			if r.raft.State() != raft.Leader && !done() {
				return errNotLeader
			}
			changed = r.leaderChange()
		case <-patience.C:
			return naming.Unavailable("no majority of the cluster agreed to other members within %v", r.opt.Patience)
		case <-r.broken:
			return *r.failure.Load()
		case <-ctx.Done():
			return naming.Unavailable("the change of the members was given up: %w", ctx.Err())
		}
	}
}

// resign has another member lead, if this one does and there are others.
func (r *Raft) resign() {
	if r.raft.State() != raft.Leader || len(r.Peers()) < 2 || r.guard.cut.Load() {
		return
	}
	if err := r.await(r.raft.LeadershipTransfer()); err != nil {
		r.opt.Logger.Warn("no other member took over the lead", "err", err)
	}
}

// handOver has others lead while this node's disk is full, until Close.
func (r *Raft) handOver() {
	for {
		select {
		case <-r.handover:
			r.opt.Logger.Warn("this node's disk is full: another member has to lead", "dir", r.opt.Dir)
			r.resign()
		case <-r.life.Done():
			return
		}
	}
}
