package node

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"nactor/cluster"
	"nactor/cluster/guard"
	"nactor/naming"
	"nactor/persistence"
)

// store is what a node keeps its durable data in.
type store interface {
	persistence.Store
	Settings(onChange ...func(*naming.Switches)) (*persistence.Settings, error)
}

// openStore opens this node's own database, or its part of the cluster's.
func (n *Node) openStore() error {
	if !configured(n.cfg) {
		bolt, err := persistence.Open(persistence.Options{
			Dir: n.cfg.DataDir(), Logger: n.logs.Raft, MinFree: n.cfg.StoreMinFree, Fatal: n.end,
		})
		if err == nil {
			n.store = bolt
		}
		return err
	}
	bind := net.JoinHostPort(n.cfg.BindAddress, strconv.Itoa(n.cfg.RaftPort()))
	listener, err := guard.Listen(bind, n.key, guard.Filter{Logger: n.logs.Raft})
	if err != nil {
		return err
	}
	stream, err := guard.NewStream(listener, net.JoinHostPort(n.cfg.IP, strconv.Itoa(n.cfg.RaftPort())))
	if err != nil {
		return fmt.Errorf("listen for the stores of other nodes: %w", err)
	}
	n.raft, err = persistence.OpenRaft(persistence.RaftOptions{
		Dir: n.cfg.DataDir(), Logger: n.logs.Raft, MinFree: n.cfg.StoreMinFree, Fatal: n.end, Stream: stream,
		SnapshotEntries: n.cfg.StoreSnapshot, TrailingEntries: min(n.cfg.StoreSnapshot, trailingEntries),
		AddressOf: n.raftAddress, Heartbeat: storeHeartbeat, Lease: storeHeartbeat,
		OnApply: func(keys []naming.Key) {
			if s := n.live.Load(); s != nil {
				s.Reconcile(keys)
			}
		},
		OnLeader: func(string) { n.wakeStore() },
	})
	if err != nil {
		return err
	}
	n.store = n.raft
	return n.readRemoved()
}

// raftAddress returns where the store of a node is now: addresses may change, ids do not.
func (n *Node) raftAddress(id string) (string, bool) {
	m := n.membership()
	if m == nil {
		return "", false
	}
	if found := m.Members().Find(id); found != nil && found.Status != cluster.Left {
		return found.RaftAddr(), true
	}
	return "", false
}

// trailingEntries of the log are kept for members that lag behind.
const trailingEntries = 1024

// storeHeartbeat is how long a follower waits for the leader before it asks for an election:
// persistent writes work again 1 to 2 s after a leader has died.
const storeHeartbeat = 600 * time.Millisecond

// storePause is how often the members of the store are compared with those of the cluster,
// should no event tell.
const storePause = time.Second

func (n *Node) wakeStore() {
	select {
	case n.storeWake <- struct{}{}:
	default:
	}
}

// keepStore makes the members of the store follow those of the cluster, until ctx ends.
func (n *Node) keepStore(ctx context.Context) {
	t := time.NewTicker(storePause)
	defer t.Stop()
	for {
		switch {
		case !n.raft.HasState():
			n.bootstrap()
		case n.raft.IsLeader():
			n.adjustVoters(ctx)
		}
		if err := n.expelled(); err != nil {
			n.end(err)
			return
		}
		n.membership().Announce(func(self *cluster.Member) {
			self.Settled, self.Removed = self.Settled || n.raft.HasState(), n.returned()
		})
		select {
		case <-t.C:
		case <-n.storeWake:
		case <-ctx.Done():
			return
		}
	}
}

// bootstrap makes the store's cluster of the listed nodes, once all of them are here and
// none has been a member before: each of them makes the same.
func (n *Node) bootstrap() {
	var servers []persistence.Server
	ms := n.membership().Members()
	own := false
	for _, p := range n.cfg.Peers {
		m := ms.At(p.String())
		if m == nil || !m.Up() || m.Settled {
			return
		}
		own = own || m.ID == n.store.NodeID()
		servers = append(servers, persistence.Server{ID: m.ID, Addr: m.RaftAddr()})
	}
	if !own {
		return // it will be made a member
	}
	if err := n.raft.Bootstrap(servers); err != nil {
		n.logs.Main.Warn("cannot make the store's cluster", "err", err)
	}
}

// adjustVoters makes this leader's voters fit: nodes that are here become members or get
// their new address; nodes that left for good are removed.
func (n *Node) adjustVoters(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	ms := n.membership().Members()
	voters := n.raft.Peers()
	for _, m := range ms.All() {
		i := slices.IndexFunc(voters, func(s persistence.Server) bool { return s.ID == m.ID })
		if !m.Up() || m.State == cluster.Leaving || n.refuses(m) || i >= 0 && voters[i].Addr == m.RaftAddr() {
			continue
		}
		if err := n.raft.AddVoter(ctx, m.ID, m.RaftAddr()); err != nil {
			n.logs.Raft.Info("cannot make a node a member of the store yet", "node", m.Addr(), "err", err)
		}
	}
	for _, v := range voters {
		if reason := n.look(ms, voters, v).obsolete(len(voters), n.cfg.DeadServer); reason != "" {
			n.logs.Main.Info("a node is no longer a member of the store", "id", v.ID, "address", v.Addr, "reason", reason)
			if err := n.raft.Remove(ctx, v.ID); err != nil {
				n.logs.Main.Warn("cannot remove a node from the store", "id", v.ID, "err", err)
				return
			}
			n.wakeStore() // one at a time, and a new node may wait for its place
			return
		}
	}
}

// storeReady returns what the store waits for, "" when it serves.
func (n *Node) storeReady() string {
	if !n.raft.HasState() {
		if missing := n.missing(); len(missing) > 0 {
			return fmt.Sprintf("the first start of a cluster needs every listed node once: waiting for %s", strings.Join(missing, ", "))
		}
		return "waiting to become a member of the store"
	}
	if leader, ok := n.raft.Leader(); !ok || leader.ID == "" {
		return "the store has no leader: waiting for a majority of its members"
	}
	if !n.raft.CaughtUp() {
		return "the store is catching up with its leader"
	}
	return ""
}
