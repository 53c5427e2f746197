package node

import (
	"context"
	"net"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"nactor/actors"
	"nactor/http"
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
	port := n.listener.Addr().(*net.TCPAddr).Port
	return http.Member{
		IP: n.cfg.IP, Port: port, State: "UP", Version: n.cfg.AsVersion, RaftPort: port - 1000, LastRefresh: time.Now(),
	}
}

// Members implements http.Members.
func (n *Node) Members() []http.Member { return []http.Member{n.Self()} }

// pushes tells the front what to report of pushes.
func (n *Node) pushes() http.PushStats {
	s := n.push.Stats()
	return http.PushStats{Sent: s.Sent, Failed: s.Failed, AvgCost: s.AvgCost, MaxCost: s.MaxCost}
}

// Actors implements http.Inspector.
func (n *Node) Actors(_ context.Context, q http.ActorQuery) ([]http.Actor, int, error) {
	here := n.Self().Address()
	if q.Kind != "" && q.Kind != actors.ServiceKind || !strings.Contains(here, q.Node) {
		return nil, 0, nil
	}
	active := n.services.Active(q.Name)
	begin := min((q.Page-1)*q.Size, len(active))
	var page []http.Actor
	for _, a := range active[begin:min(begin+q.Size, len(active))] {
		page = append(page, http.Actor{Identity: a.Identity, Kind: actors.ServiceKind, Node: here, PID: a.PID})
	}
	return page, len(active), nil
}

// Actor implements http.Inspector.
func (n *Node) Actor(ctx context.Context, identity string) (http.ActorDetail, error) {
	info, err := n.services.Inspect(ctx, identity)
	if err != nil {
		return http.ActorDetail{}, err
	}
	return http.ActorDetail{
		Actor: http.Actor{Identity: info.Identity, Kind: actors.ServiceKind, Node: n.Self().Address(), PID: info.PID},
		Mode:  "v2", Revision: info.Revision, V2Instances: info.Instances,
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
	counter("nactor_push_acked_total", "Pushes acknowledged.", func() float64 { return float64(n.push.Stats().Acked) })
	counter("nactor_push_dropped_total", "Datagrams dropped at full queues.", func() float64 { return float64(n.push.Stats().Dropped) })
	counter("nactor_push_oversized_total", "States too large for a datagram.", func() float64 { return float64(n.push.Stats().Oversized) })
}
