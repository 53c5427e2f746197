package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"nactor/actors"
	"nactor/actors/actorpb"
	"nactor/cluster"
	"nactor/cluster/guard"
	"nactor/cmd/nactor/config"
	"nactor/naming"
)

// Both must divide services alike.
var _ = [1]struct{}{}[naming.Partitions-cluster.Partitions]

// ports between nodes, as this node advertises them.
func (n *Node) self() cluster.Member {
	return cluster.Member{
		ID: n.store.NodeID(), Host: n.cfg.IP, HTTPPort: n.listener.Addr().(*net.TCPAddr).Port,
		RemotePort: n.cfg.RemotePort(), RaftPort: n.cfg.RaftPort(), SerfPort: n.cfg.SerfPort(), Version: n.cfg.AsVersion,
		Settled: n.raft.HasState(), // from the first word on: else a new node could make a cluster of its own with those that restart
	}
}

// clusterKey checks that the nodes can trust each other.
func (n *Node) clusterKey() error {
	if n.cfg.ClusterKey != "" {
		key, err := guard.ParseKey(n.cfg.ClusterKey)
		if err != nil {
			return &SettingsError{err}
		}
		n.key = key
	}
	hosts := []string{n.cfg.IP}
	for _, p := range slices.Concat(n.cfg.Peers, n.cfg.Join) {
		hosts = append(hosts, p.Host)
	}
	if err := guard.CheckKey(n.key, hosts); err != nil {
		return &SettingsError{err}
	}
	return nil
}

// joinCluster starts the actors and the membership. The node is not ready afterwards.
func (n *Node) joinCluster() error {
	self := n.self()
	remote, err := guard.NewRemote(n.key, guard.Policy{
		Self: self.RemoteAddr(), Types: actorpb.Wire(), MaxBytes: 64 << 20,
		Target: func(id string) bool { return strings.HasPrefix(id, cluster.InboxPrefix) },
		Filter: guard.Filter{Logger: n.logs.Main},
	})
	if err != nil {
		return err
	}
	gossipKey := n.cfg.GossipKey
	if gossipKey == nil && !n.key.IsZero() {
		gossipKey = n.key.GossipKey()
	}
	inboxes := n.services.Inboxes()
	maps.Copy(inboxes, n.upgrade.Inboxes())
	n.cluster, err = cluster.Start(cluster.Config{
		Logger: n.logs.Main, Kinds: append(n.services.Kinds(), n.upgrade.Kinds()...), Remote: remote.Options(), Inboxes: inboxes,
		Partition: partition,
		Gossip: cluster.Gossip{
			Self: self, Logger: n.logs.Main, Bind: n.cfg.BindAddress, Seeds: n.seeds(), Key: gossipKey,
			Snapshot: filepath.Join(n.cfg.DataDir(), "members.snapshot"), Changed: n.membersChanged,
		},
	})
	if err != nil {
		return err
	}
	if err := reach(self.RemoteAddr()); err != nil {
		return err
	}
	n.services.Place(n.cluster)
	n.cluster.OnLost(n.services.Lost)
	n.peers.set(n.cluster)
	return nil
}

// reach checks that this node's own address leads to it, as the others will be told.
func reach(addr string) error {
	conn, err := net.DialTimeout("tcp", addr, reachTime)
	if err != nil {
		return fmt.Errorf("other nodes would not reach this one at %s: %w; set nacos.inetutils.ip-address to an address of this machine that they can use", addr, err)
	}
	return conn.Close()
}

const reachTime = 3 * time.Second

// membership returns who is here; nil while this node has not joined, or is alone.
func (n *Node) membership() *cluster.Membership {
	if c := n.peers.to.Load(); c != nil {
		return c.Membership()
	}
	return nil
}

// seeds returns the gossip ports of the nodes to join.
func (n *Node) seeds() []string {
	var out []string
	for _, p := range slices.Concat(n.cfg.Peers, n.cfg.Join) {
		out = append(out, net.JoinHostPort(p.Host, strconv.Itoa(p.Port+n.cfg.SerfPort()-n.cfg.Port)))
	}
	return out
}

// membersChanged acts on a new state of the membership.
func (n *Node) membersChanged(ms *cluster.Members) {
	if ms.Rival() != nil {
		return // becomeReady waits whether it is an earlier life; a copy must not speak in this node's name
	}
	id := n.store.NodeID()
	ring := ms.Ring()
	t := actors.Topology{Ring: ring.ID(), Owner: ring.Owner}
	for _, m := range ms.All() {
		if m.ID == id {
			t.Process = m.Process
		}
		if m.ID != id && (m.Up() || m.Status == cluster.Suspect) {
			t.Peers = append(t.Peers, actors.Peer{ID: m.ID, Process: m.Process, Doubted: !m.Up()})
		}
	}
	n.services.Follow(t)
	n.upgrade.Changed()
	n.wakeStore()
}

// becomeReady takes this node into service: after it holds what the others hold.
func (n *Node) becomeReady(ctx context.Context) error {
	m := n.membership()
	logged, alone := time.Now(), time.Now()
	for {
		wait, cancel := context.WithTimeout(ctx, readyPause)
		err := n.inSync(wait)
		cancel()
		if err := n.tooLate(); err != nil {
			return err
		}
		if err := n.Err(); err != nil {
			return err
		}
		other := m.Conflict()
		switch {
		case other == nil && err == nil:
			if err := n.goAlong(ctx); err != nil {
				return err
			}
			return n.serveShare(ctx)
		case other == nil:
			alone = time.Now()
		case time.Since(alone) > conflictPatience:
			return fmt.Errorf("node %s at %s has the same id %s as this one: %w; move %s away on one of them and start it again",
				other.Process, other.Addr(), other.ID, ErrCopied, n.cfg.DataDir())
		default:
			err = fmt.Errorf("another node, at %s, has this one's id: waiting whether it is an earlier life of this one", other.Addr())
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n.setStatus("STARTING", err.Error())
		if time.Since(logged) > 10*time.Second {
			logged = time.Now()
			n.logs.Main.Info("not ready yet", "reason", err)
		}
	}
}

// conflictPatience is for how long another node with this one's id may be an earlier life
// of it, killed, that gossip still believes in.
const conflictPatience = 8 * time.Second

// serveShare makes this node an owner.
func (n *Node) serveShare(ctx context.Context) error {
	n.membership().Announce(func(self *cluster.Member) { self.State = cluster.Ready })
	if err := n.services.AwaitOpen(ctx); err != nil {
		return err
	}
	n.setStatus("UP", "")
	return nil
}

// stoodStill has this node join anew after it has not run for a while, unless it was alone.
// It reports whether it does.
func (n *Node) stoodStill(d time.Duration) bool {
	m := n.membership()
	if m == nil || m.Self().State != cluster.Ready || n.alone() {
		return false
	}
	n.logs.Main.Warn("this node stood still; it joins again, as others may have taken over", "for", d.Round(time.Millisecond))
	n.setStatus("STARTING", "this node stood still and has to hear first what happened meanwhile")
	n.wg.Go(func() {
		m.Announce(func(self *cluster.Member) { self.State = cluster.Joining })
		err := n.services.AwaitRevived(n.running)
		if err == nil {
			err = n.becomeReady(n.running)
		}
		if err != nil && n.running.Err() == nil {
			n.end(fmt.Errorf("join again after a standstill: %w", err))
		}
	})
	return true
}

// inSync waits until this node holds what the others do. The error says what is missing.
func (n *Node) inSync(ctx context.Context) error {
	err := n.services.AwaitSync(ctx, func() ([]string, bool) {
		var ids []string
		for _, m := range n.membership().Members().All() {
			if m.ID != n.store.NodeID() && m.Up() && m.State == cluster.Ready {
				ids = append(ids, m.ID)
			}
		}
		return ids, !n.alone() || len(n.missing()) == 0
	})
	switch waits := n.storeReady(); {
	case waits != "":
		<-ctx.Done()
		return errors.New(waits)
	case err == nil:
		return nil
	case n.alone():
		return fmt.Errorf("waiting for other nodes: none of %s answers", strings.Join(n.missing(), ", "))
	}
	return errors.New("waiting for the other nodes to tell what they hold")
}

// missing returns the listed nodes that are not here.
func (n *Node) missing() []string {
	var out []string
	ms := n.membership().Members()
	for _, p := range slices.Concat(n.cfg.Peers, n.cfg.Join) {
		if m := ms.At(p.String()); m == nil || !m.Up() {
			out = append(out, p.String())
		}
	}
	return out
}

// alone reports whether no other node is here.
func (n *Node) alone() bool {
	for _, m := range n.membership().Members().All() {
		if m.ID != n.store.NodeID() && m.Up() {
			return false
		}
	}
	return true
}

// leaveCluster hands over what this node owns. Requests are still answered meanwhile, by
// the new owners.
func (n *Node) leaveCluster(ctx context.Context) {
	m := n.membership()
	if m == nil {
		return
	}
	m.Announce(func(self *cluster.Member) { self.State = cluster.Leaving })
	ctx, cancel := context.WithTimeout(ctx, handOverTime)
	defer cancel()
	released := make(chan error, 1)
	go func() { released <- n.services.AwaitReleased(ctx) }() // ends with ctx
	t := time.NewTicker(readyPause)
	defer t.Stop()
	for n.heirs() {
		select {
		case err := <-released:
			if err != nil {
				n.logs.Main.Warn("left without handing everything over; the other nodes go on from their replicas", "err", err)
			}
			return
		case <-t.C:
		}
	}
	cancel()
	<-released
	n.logs.Main.Info("left; there is no other node to hand over to")
}

// heirs reports whether there are nodes that may take over what this one owns: others that are
// not about to stop too.
func (n *Node) heirs() bool {
	for _, m := range n.membership().Members().All() {
		if m.ID != n.store.NodeID() && m.State != cluster.Leaving && (m.Up() || m.Status == cluster.Suspect) {
			return true
		}
	}
	return false
}

// readyPause is how often it is looked at what a node that starts still waits for.
const readyPause = 100 * time.Millisecond

// handOverTime bounds the hand-over at a graceful stop.
const handOverTime = 10 * time.Second

// configured reports whether the node is one of several.
func configured(c *config.Config) bool { return c.Mode == config.Cluster }
