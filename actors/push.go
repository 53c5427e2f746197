package actors

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"nactor/naming"
	"nactor/replica"
)

// Rules of Nacos's UdpPushService.
const (
	ackTimeout   = 10 * time.Second // then once more, then never again
	gzipFrom     = 1024             // bytes of JSON from which a packet is compressed
	maxDatagram  = 65507            // what UDP over IPv4 carries; clients poll what does not fit
	pushAttempts = 2
)

// PushConfig is what the push actor needs of its node.
type PushConfig struct {
	Logger      *slog.Logger // naming-push.log
	Views       naming.Reader
	Subscribers naming.Subscriptions
	Switches    func() *naming.Switches
	Delay       time.Duration // from a change to its push; further changes meanwhile are one push
	Bind        string        // local address of the socket; "" for all
	AckTimeout  time.Duration // 0: 10 s, as in Nacos

	// Packet appends the JSON of a push packet with the state of a service, filtered by the
	// subscriber's clusters and numbered ref.
	Packet func(dst []byte, v *naming.View, clusters string, cacheMillis int64, now time.Time, ref int64) []byte
}

// Push tells subscribers over UDP what has changed, as Nacos does it: a packet, an
// acknowledgement within 10 s, else the packet once more. A subscriber has at most one
// packet a service under way; a newer state replaces an older one. A service that this
// node does not know is never pushed as empty.
type Push struct {
	cfg       PushConfig
	system    *actor.ActorSystem
	pid       *actor.PID
	socket    *socket
	coalescer *replica.Coalescer
	stats     pushStats
}

type pushStats struct {
	sent, failed, acked, costs, maxCost, oversized atomic.Int64
}

// PushStats are counters since the start, for metrics.
type PushStats struct {
	Sent, Failed     int64 // pushes; a repeated packet is one push
	Acked            int64
	AvgCost, MaxCost time.Duration // from sending to acknowledgement
	Oversized        int64         // states too large for a datagram, not sent
	Dropped          int64         // packets and acknowledgements that found a queue full
}

// StartPush opens the socket and starts the actor.
func StartPush(system *actor.ActorSystem, cfg PushConfig) (*Push, error) {
	if cfg.AckTimeout == 0 {
		cfg.AckTimeout = ackTimeout
	}
	p := &Push{cfg: cfg, system: system}
	var err error
	if p.socket, err = openSocket(cfg.Bind); err != nil {
		return nil, err
	}
	p.pid, err = system.Root.SpawnNamed(actor.PropsFromProducer(func() actor.Actor { return newPusher(p) }), "push")
	if err != nil {
		p.socket.close()
		return nil, fmt.Errorf("start the push actor: %w", err)
	}
	p.coalescer = replica.NewCoalescer(cfg.Delay, func(n []replica.Notice) { system.Root.Send(p.pid, &due{n}) })
	p.socket.run(func() { system.Root.Send(p.pid, acksWaiting) })
	return p, nil
}

// Notify takes note that subscribers are to be told something. It returns at once.
func (p *Push) Notify(n replica.Notice) { p.coalescer.Add(n) }

// Stop ends the pushing; what is under way is given up.
func (p *Push) Stop(ctx context.Context) error {
	p.coalescer.Close()
	p.socket.close()
	return waitStopped(ctx, p.system.Root.StopFuture(p.pid))
}

func waitStopped(ctx context.Context, f *actor.Future) error {
	done := make(chan error, 1)
	go func() { done <- f.Wait() }() // ends with the future's own time-out at the latest
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Stats returns the present counters.
func (p *Push) Stats() PushStats {
	s := &p.stats
	out := PushStats{
		Sent: s.sent.Load(), Failed: s.failed.Load(), Acked: s.acked.Load(),
		MaxCost: time.Duration(s.maxCost.Load()), Oversized: s.oversized.Load(), Dropped: p.socket.dropped.Load(),
	}
	if out.Acked > 0 {
		out.AvgCost = time.Duration(s.costs.Load() / out.Acked)
	}
	return out
}

type due struct{ notices []replica.Notice }

type (
	wakeForAcks struct{}
	ackAlarm    struct{}
)

var (
	acksWaiting = &wakeForAcks{}
	ackOverdue  = &ackAlarm{}
)

// pusher is the actor behind Push.
type pusher struct {
	*Push
	ref      int64
	byAck    map[ack]*packet
	byTarget map[target]*packet
	overdue  []*packet // in the order in which their acknowledgements are due
	timer    *time.Timer
	armed    bool
}

type target struct {
	addr netip.AddrPort
	key  naming.Key
}

type packet struct {
	target
	ref      int64
	data     []byte
	sent     time.Time // first time
	due      time.Time
	attempts int
	over     bool // acknowledged, replaced or given up
}

func newPusher(p *Push) actor.Actor {
	// A number that grows, also over restarts, and stays exact as a JavaScript number.
	return &pusher{Push: p, ref: time.Now().UnixMicro(), byAck: map[ack]*packet{}, byTarget: map[target]*packet{}}
}

// Receive implements actor.Actor.
func (p *pusher) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *due:
		for _, n := range m.notices {
			p.push(n)
		}
	case *wakeForAcks:
		p.socket.drain(p.acknowledged)
	case *ackAlarm:
		p.armed = false
		p.retry(time.Now())
	case *actor.Stopping, *actor.Restarting:
		if p.timer != nil {
			p.timer.Stop()
		}
		return
	}
	p.arm()
}

// push sends the present state of a service to one new subscriber or to all. Those who
// asked for the same clusters get the same packet.
func (p *pusher) push(n replica.Notice) {
	switches := p.cfg.Switches()
	view := p.cfg.Views.View(n.Key)
	if !switches.PushEnabled || view == nil {
		return
	}
	subs := slices.DeleteFunc(p.cfg.Subscribers.Subscribers(n.Key), func(s naming.Subscriber) bool { return s.Connection != "" })
	if n.New != nil {
		subs = []naming.Subscriber{*n.New}
	}
	now := time.Now()
	made := map[string]*packet{}
	for _, sub := range subs {
		pkt := made[sub.Clusters]
		if pkt == nil {
			p.ref++
			pkt = &packet{ref: p.ref}
			pkt.data = compress(p.cfg.Packet(nil, view, sub.Clusters, switches.DefaultPushCacheMillis, now, p.ref))
			made[sub.Clusters] = pkt
		}
		if len(pkt.data) > maxDatagram {
			p.stats.oversized.Add(1)
			p.cfg.Logger.Warn("state is too large for a datagram; subscribers will poll it", "service", n.Key.String(), "bytes", len(pkt.data))
			continue
		}
		p.start(&packet{target: target{sub.Addr, n.Key}, ref: pkt.ref, data: pkt.data, sent: now})
	}
}

func (p *pusher) start(pkt *packet) {
	if old := p.byTarget[pkt.target]; old != nil {
		p.end(old)
	}
	p.byTarget[pkt.target] = pkt
	p.byAck[ack{pkt.addr, pkt.ref}] = pkt
	p.stats.sent.Add(1)
	p.send(pkt, pkt.sent)
}

func (p *pusher) send(pkt *packet, now time.Time) {
	pkt.attempts++
	pkt.due = now.Add(p.cfg.AckTimeout)
	p.overdue = append(p.overdue, pkt)
	p.socket.send(pkt.addr, pkt.data)
	p.cfg.Logger.Debug("push", "service", pkt.key.String(), "to", pkt.addr, "ref", pkt.ref, "attempt", pkt.attempts, "bytes", len(pkt.data))
}

func (p *pusher) end(pkt *packet) {
	pkt.over = true
	delete(p.byAck, ack{pkt.addr, pkt.ref})
	if p.byTarget[pkt.target] == pkt {
		delete(p.byTarget, pkt.target)
	}
}

func (p *pusher) acknowledged(a ack) {
	pkt := p.byAck[a]
	if pkt == nil {
		return // late, replaced, or not ours
	}
	p.end(pkt)
	cost := int64(time.Since(pkt.sent))
	p.stats.acked.Add(1)
	p.stats.costs.Add(cost)
	p.stats.maxCost.Store(max(p.stats.maxCost.Load(), cost))
}

func (p *pusher) retry(now time.Time) {
	for len(p.overdue) > 0 && (p.overdue[0].over || !p.overdue[0].due.After(now)) {
		pkt := p.overdue[0]
		p.overdue[0] = nil
		p.overdue = p.overdue[1:]
		switch {
		case pkt.over:
		case pkt.attempts < pushAttempts:
			p.send(pkt, now)
		default:
			p.end(pkt)
			p.stats.failed.Add(1)
			p.cfg.Logger.Info("push was not acknowledged", "service", pkt.key.String(), "to", pkt.addr, "ref", pkt.ref)
		}
	}
}

func (p *pusher) arm() {
	if p.armed || len(p.overdue) == 0 {
		return
	}
	p.armed = true
	wait := max(0, time.Until(p.overdue[0].due))
	if p.timer == nil {
		p.timer = time.AfterFunc(wait, func() { p.system.Root.Send(p.pid, ackOverdue) })
		return
	}
	p.timer.Reset(wait)
}

// compress gzips a packet as soon as Nacos would.
func compress(packet []byte) []byte {
	if len(packet) < gzipFrom {
		return packet
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(packet) // neither fails on a bytes.Buffer
	w.Close()
	return b.Bytes()
}
