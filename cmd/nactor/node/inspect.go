package node

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"nactor/actors"
	"nactor/http"
	"nactor/naming"
)

var _ http.Node = (*Node)(nil)

// Status implements http.Node. A node serves only once it is up.
func (n *Node) Status() (status, reason string) {
	if err := n.Err(); err != nil {
		return "DOWN", err.Error()
	}
	return "UP", ""
}

// Members implements http.Node.
func (n *Node) Members() []http.Member {
	port := n.cfg.Port
	if _, p, err := net.SplitHostPort(n.Addr()); err == nil {
		port, _ = strconv.Atoi(p)
	}
	return []http.Member{{
		IP: n.cfg.IP, Port: port, State: "UP", Version: n.cfg.AsVersion, RaftPort: port - 1000, LastRefresh: time.Now(),
	}}
}

// PushTotals implements http.Node.
func (n *Node) PushTotals() (sent, failed int64) {
	s := n.push.Stats()
	return s.Sent, s.Failed
}

// Actors implements http.Node: each active service is asked itself.
func (n *Node) Actors(ctx context.Context, q http.ActorQuery) ([]http.Actor, int, error) {
	if q.Kind != "" && q.Kind != actors.ServiceKind || !strings.Contains(n.Members()[0].Address(), q.Node) {
		return nil, 0, nil
	}
	identities := n.services.Active(q.Name)
	slices.Sort(identities)
	begin := min((q.PageNo-1)*q.PageSize, len(identities))
	var page []http.Actor
	for _, id := range identities[begin:min(begin+q.PageSize, len(identities))] {
		a, err := n.Actor(ctx, id)
		if naming.KindOf(err) == naming.KindNotFound && err != nil {
			continue // it has retired since
		}
		if err != nil {
			return nil, 0, err
		}
		page = append(page, a)
	}
	return page, len(identities), nil
}

// Actor implements http.Node.
func (n *Node) Actor(ctx context.Context, identity string) (http.Actor, error) {
	info, err := n.services.Inspect(ctx, identity)
	if err != nil {
		return http.Actor{}, err
	}
	a := http.Actor{
		Identity: info.Identity, Kind: actors.ServiceKind, Node: n.Members()[0].Address(), PID: info.PID,
		Mode: "v2", V2Count: info.Instances, Revision: fmt.Sprintf("%d.%d", info.Revision.Activation, info.Revision.Counter),
		Mailbox: info.Mailbox, Handled: info.Handled, Committing: info.Commiting,
	}
	if info.LastBeat >= 0 {
		ms := info.LastBeat.Milliseconds()
		a.LastBeat = &ms
	}
	return a, nil
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
