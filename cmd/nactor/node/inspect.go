package node

import (
	"context"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"nactor/actors"
	"nactor/cluster"
	"nactor/cmd/nactor/config"
	"nactor/grpc"
	"nactor/http"
	"nactor/naming"
	"nactor/naming/upgrade/switchover"
)

var (
	_ http.Members   = (*Node)(nil)
	_ http.Inspector = (*Node)(nil)
)

// Status implements http.Members. A node serves only once it is up.
func (n *Node) Status() http.Status {
	if err := n.Err(); err != nil {
		return http.Status{State: "DOWN", Reason: err.Error()}
	}
	if s := n.status.Load(); s != nil {
		return *s
	}
	return http.Status{State: "STARTING"}
}

func (n *Node) setStatus(state, reason string) {
	n.status.Store(&http.Status{State: state, Reason: reason})
}

// Self implements http.Members.
func (n *Node) Self() http.Member {
	if m := n.membership(); m != nil {
		return n.withStore(member(m.Self()))
	}
	port := n.listener.Addr().(*net.TCPAddr).Port
	return http.Member{
		IP: n.cfg.IP, Port: port, State: "UP", Version: n.cfg.AsVersion, RaftPort: port - 1000, LastRefresh: time.Now(),
		GRPC: !switchover.Old(n.cfg.AsVersion),
	}
}

// Members implements http.Members: all that were seen and have not left, those that are
// listed, and the members of the store; without those that were removed for good.
func (n *Node) Members() []http.Member {
	ms := n.membership()
	if ms == nil {
		return []http.Member{n.Self()}
	}
	var out []http.Member
	shown := map[string]bool{}
	for _, up := range []bool{true, false} { // of a dead one whose address another has taken nothing is shown
		for _, m := range ms.Members().All() {
			if m.Up() == up && !n.isRemoved(m.ID) && !shown[m.Addr()] && (m.Status != cluster.Left || n.listed(m.Addr())) {
				out = append(out, n.withStore(member(m)))
				shown[m.Addr()] = true
			}
		}
	}
	unseen := func(addr string) {
		host, port, err := net.SplitHostPort(addr)
		if p, bad := strconv.Atoi(port); err == nil && bad == nil && !shown[addr] {
			out = append(out, http.Member{IP: host, Port: p, State: "DOWN"})
			shown[addr] = true
		}
	}
	for _, p := range n.cfg.Peers {
		unseen(p.String())
	}
	for _, v := range n.raft.Peers() {
		if ms.Members().Find(v.ID) == nil && !n.isRemoved(v.ID) {
			unseen(n.httpAddr(v.Addr))
		}
	}
	return out
}

func (n *Node) listed(addr string) bool {
	return slices.ContainsFunc(n.cfg.Peers, func(p config.Peer) bool { return p.String() == addr })
}

// Store implements http.Members.
func (n *Node) Store() http.StoreState {
	if n.raft == nil {
		return http.StoreState{Role: "LEADER", Leader: n.Self().Address()}
	}
	st := n.raft.Status()
	return http.StoreState{Role: strings.ToUpper(st.State), Leader: n.addrOf(st.Leader.ID), Term: st.Term}
}

// raftGroups are the names under which Nacos 2.0 shows its raft groups of naming. Here they
// are one.
var raftGroups = []string{"naming_instance_metadata", "naming_persistent_service", "naming_persistent_service_v2", "naming_service_metadata"}

// withStore adds what this node knows of the store that the member takes part in.
func (n *Node) withStore(m http.Member) http.Member {
	leader, ok := n.raft.Leader()
	if !ok || m.State == "DOWN" {
		return m
	}
	g := http.RaftGroup{Leader: leader.Addr, Term: int64(n.raft.Status().Term)}
	for _, p := range n.raft.Peers() {
		g.Members = append(g.Members, p.Addr)
	}
	for _, name := range raftGroups {
		g.Name = name
		m.RaftGroups = append(m.RaftGroups, g)
	}
	return m
}

// member shows a member in Nacos's words.
func member(m *cluster.Member) http.Member {
	state := "DOWN"
	switch {
	case m.Status == cluster.Suspect:
		state = "SUSPICIOUS"
	case m.Status == cluster.Alive && m.State == cluster.Joining:
		state = "STARTING"
	case m.Status == cluster.Alive:
		state = "UP"
	}
	seen := m.Seen
	if m.Up() {
		seen = time.Now() // gossip probes all members all the time, and would have told
	}
	return http.Member{
		IP: m.Host, Port: m.HTTPPort, State: state, Version: m.Version, RaftPort: m.RaftPort, LastRefresh: seen, ReadyToUpgrade: m.Ready,
		GRPC: !switchover.Old(m.Version),
	}
}

// pushes tells the front what to report of pushes, by UDP and to clients of 2.x.
func (n *Node) pushes() http.PushStats {
	udp := n.push.Stats()
	out := http.PushStats{Sent: udp.Sent, Failed: udp.Failed, AvgCost: udp.AvgCost, MaxCost: udp.MaxCost}
	if f := n.clientFront.Load(); f != nil {
		s := f.Pushes()
		out.Sent, out.Failed, out.MaxCost = out.Sent+s.Sent, out.Failed+s.Failed, max(out.MaxCost, s.MaxCost)
		if acked := udp.Acked + s.Acked; acked > 0 {
			out.AvgCost = (udp.AvgCost*time.Duration(udp.Acked) + s.Costs) / time.Duration(acked)
		}
	}
	return out
}

// checks returns what was checked.
func (n *Node) checks() http.CheckStats {
	s := n.prober.Stats()
	return http.CheckStats{TCP: s.TCP, HTTP: s.HTTP, MySQL: s.MySQL}
}

// Actors implements http.Inspector.
func (n *Node) Actors(ctx context.Context, q http.ActorQuery) ([]http.Actor, int, error) {
	node := ""
	if q.Node != "" {
		if node = n.idOf(q.Node); node == "" {
			return nil, 0, nil
		}
	}
	limit := q.Page * q.Size
	count, list := 0, []http.Actor(nil)
	for kind, active := range map[string]func(ctx context.Context, part, node string, limit int) (int, []actors.Activation){
		actors.ServiceKind: n.services.Active, actors.ClientKind: n.clients.ActiveClients,
	} {
		if q.Kind != "" && q.Kind != kind {
			continue
		}
		total, some := active(ctx, q.Name, node, limit)
		count += total
		for _, a := range some {
			list = append(list, http.Actor{Identity: a.Identity, Kind: kind, Node: n.addrOf(a.Node), PID: a.PID})
		}
	}
	slices.SortFunc(list, func(a, b http.Actor) int { return strings.Compare(a.Identity, b.Identity) })
	return list[min((q.Page-1)*q.Size, len(list)):min(limit, len(list))], count, nil
}

// idOf returns the id of the node at an address, or "".
func (n *Node) idOf(addr string) string {
	if m := n.membership(); m != nil {
		if found := m.Members().At(addr); found != nil {
			return found.ID
		}
		return ""
	}
	if strings.Contains(n.Self().Address(), addr) {
		return n.store.NodeID()
	}
	return ""
}

// addrOf returns the address of the node with an id.
func (n *Node) addrOf(id string) string {
	if m := n.membership(); m != nil {
		if found := m.Members().Find(id); found != nil {
			return found.Addr()
		}
		return id
	}
	return n.Self().Address()
}

// Actor implements http.Inspector.
func (n *Node) Actor(ctx context.Context, identity string) (http.ActorDetail, error) {
	info, err := n.services.Inspect(ctx, identity)
	if err != nil {
		return http.ActorDetail{}, err
	}
	pending := 0
	if info.Pending {
		pending = 1
	}
	return http.ActorDetail{
		Actor: http.Actor{Identity: info.Identity, Kind: actors.ServiceKind, Node: n.addrOf(info.Node), PID: info.PID},
		Mode:  info.Serves.String(), Revision: info.Revision, V1Instances: info.V1, V2Instances: info.V2, PendingDoubleWrite: pending,
		Mailbox: info.Mailbox, Handled: info.Handled, LastBeat: info.LastBeat,
	}, nil
}

// measure registers what the rooms count.
func (n *Node) measure(r *prometheus.Registry) {
	counter := func(name, help string, value func() float64) {
		r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value))
	}
	gauge := func(name, help string, value func() float64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	gauge("nactor_grains", "Active service grains.", func() float64 { return float64(n.services.Stats().Active) })
	counter("nactor_grain_restarts_total", "Grains that failed and were restarted.", func() float64 { return float64(n.services.Stats().Restarts) })
	if configured(n.cfg) {
		counter("nactor_replication_alone_total", "Changes acknowledged with fewer replicas than nactor.replication.min-acks.", func() float64 { return float64(n.services.Stats().Alone) })
		counter("nactor_beats_dropped_total", "Heartbeats for other nodes dropped at full queues.", func() float64 { return float64(n.services.Stats().BeatsDropped) })
	}
	pushes := func() (s grpc.PushStats) {
		if f := n.clientFront.Load(); f != nil {
			s = f.Pushes()
		}
		return s
	}
	counter("nactor_connection_pushes_total", "Pushes to clients of 2.x.", func() float64 { return float64(pushes().Sent) })
	counter("nactor_connection_pushes_acked_total", "Of them, those acknowledged.", func() float64 { return float64(pushes().Acked) })
	counter("nactor_connection_pushes_failed_total", "Of them, those not acknowledged in time.", func() float64 { return float64(pushes().Failed) })
	gauge("nactor_connections", "Clients of 2.x that are connected.", func() float64 { return float64(n.clients.Len()) })
	counter("nactor_push_acked_total", "Pushes acknowledged.", func() float64 { return float64(n.push.Stats().Acked) })
	counter("nactor_push_dropped_total", "Datagrams dropped at full queues.", func() float64 { return float64(n.push.Stats().Dropped) })
	counter("nactor_push_oversized_total", "States too large for a datagram.", func() float64 { return float64(n.push.Stats().Oversized) })
}

// owner returns the address of the node that a service lives on; "" when it is not known.
func (n *Node) owner(key naming.Key) string {
	ms := n.membership()
	if ms == nil {
		return n.Self().Address()
	}
	if m := ms.Members().Find(n.services.Owner(key)); m != nil {
		return m.Addr()
	}
	return ""
}
