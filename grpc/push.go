package grpc

import (
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"nactor/grpc/grpcpb"
	"nactor/naming"
	"nactor/naming/wire"
)

const (
	ackTime   = 5 * time.Second // for a client to answer a push (Nacos: nacos.naming.push.pushTaskTimeout)
	retryTime = time.Second     // then, until the state is pushed again (pushTaskRetryDelay)

	maxControl        = 8 // messages about the connection itself that wait
	defaultPushWindow = 5 * time.Millisecond
)

// client is a client of 2.x on its connection. One goroutine sends all that it is told.
type client struct {
	server     *Server
	transport  *transport
	connection naming.Connection
	identity
	since time.Time

	refused   atomic.Bool  // by the logic of 1.X
	told      atomic.Bool  // to connect to another server
	detecting atomic.Int64 // since when a sign of life is waited for, ns; 0: it is not
	sending   atomic.Int64 // since when the client is being sent something, ns; 0: it is not

	controls chan *grpcpb.Payload
	wake     chan struct{}
	quit     chan struct{} // closed by end
	done     chan struct{} // closed when nothing is sent any more
	once     sync.Once

	mu   sync.Mutex
	subs map[naming.Key]*subscription
	acks map[string]naming.Key // services of the pushes that wait for an answer, by request id
}

// subscription is what a client is to be told of a service: the newest state, however many
// there were.
type subscription struct {
	clusters string
	dirty    bool      // there is a newer state
	pushed   string    // id of the push that waits for an answer
	sent     time.Time // when it was pushed
	until    time.Time // it waits until then; or, with pushed empty, nothing is pushed before
	last     int64     // lastRefTime of what it was told, ms
}

func newClient(s *Server, t *transport, id identity) *client {
	c := &client{
		server: s, transport: t, identity: id, since: time.Now(),
		controls: make(chan *grpcpb.Payload, maxControl), wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
		subs: map[naming.Key]*subscription{}, acks: map[string]naming.Key{},
	}
	c.connection = s.cfg.Connections.Connect(naming.ConnectionInfo{ID: t.id, Addr: t.remote, Agent: id.version, App: id.app, Changed: c.changed})
	return c
}

// end ends the client: what it published and subscribed goes, unless it was told to go on
// elsewhere, which it may do a moment later.
func (c *client) end() {
	c.once.Do(func() {
		close(c.quit)
		if c.told.Load() {
			c.connection.Leave()
		} else {
			c.connection.Close()
		}
	})
}

// control sends a message about the connection. One too many is lost: the client does not
// read, and will be ejected.
func (c *client) control(p *grpcpb.Payload) {
	select {
	case c.controls <- p:
	default:
	}
}

func (c *client) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// begin begins a subscription.
func (c *client) begin(key naming.Key, clusters string) {
	c.mu.Lock()
	if sub := c.subs[key]; sub != nil {
		sub.clusters = clusters
	} else {
		c.subs[key] = &subscription{clusters: clusters}
	}
	c.mu.Unlock()
	c.connection.Subscribe(key, clusters)
}

// finish ends a subscription.
func (c *client) finish(key naming.Key) {
	c.connection.Unsubscribe(key)
	c.mu.Lock()
	defer c.mu.Unlock()
	if sub := c.subs[key]; sub != nil {
		delete(c.acks, sub.pushed)
		delete(c.subs, key)
	}
}

// next returns the time that what the client is told now bears: later than what it was told
// before.
func (c *client) next(key naming.Key, now time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	sub := c.subs[key]
	if sub == nil {
		return now
	}
	sub.last = max(now.UnixMilli(), sub.last+1)
	return time.UnixMilli(sub.last)
}

// changed notes that a subscribed service has a newer state.
func (c *client) changed(key naming.Key) {
	c.mu.Lock()
	sub := c.subs[key]
	if sub != nil {
		sub.dirty = true
	}
	c.mu.Unlock()
	if sub != nil {
		c.poke()
	}
}

// acked notes that the client has read a push.
func (c *client) acked(id string, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key, ok := c.acks[id]
	if !ok {
		return
	}
	delete(c.acks, id)
	if sub := c.subs[key]; sub != nil && sub.pushed == id {
		c.server.stats.ack(now.Sub(sub.sent))
		// The first change after a quiet time is pushed at once, those that follow are gathered.
		sub.pushed, sub.until = "", sub.sent.Add(c.server.cfg.PushWindow)
		if sub.dirty {
			c.poke()
		}
	}
}

// run sends what the client is to be told, until it ends or cannot be told.
func (c *client) run(stream grpc.ServerStream) {
	defer close(c.done)
	alarm := time.NewTimer(time.Hour)
	defer alarm.Stop()
	for {
		select {
		case p := <-c.controls:
			if c.send(stream, p) != nil {
				c.server.leave(c)
				return
			}
			continue
		case <-c.wake:
		case <-alarm.C:
		case <-c.quit:
			return
		}
		for {
			push, again := c.due(time.Now())
			if push == nil {
				alarm.Reset(again)
				break
			}
			if c.send(stream, push) != nil {
				c.server.leave(c)
				return
			}
		}
	}
}

// send sends a message. It waits when the client does not read.
func (c *client) send(stream grpc.ServerStream, p *grpcpb.Payload) error {
	c.sending.Store(time.Now().UnixNano())
	defer c.sending.Store(0)
	return stream.SendMsg(p)
}

// due returns the next push, or when to look again.
func (c *client) due(now time.Time) (*grpcpb.Payload, time.Duration) {
	again := time.Hour
	if !c.server.cfg.Switches().PushEnabled {
		return nil, again // the server pokes when that is over
	}
	c.mu.Lock()
	var key naming.Key
	var chosen *subscription
	for k, sub := range c.subs {
		if sub.pushed != "" && now.After(sub.until) { // not answered in time
			c.server.stats.failed.Add(1)
			delete(c.acks, sub.pushed)
			sub.pushed, sub.until, sub.dirty = "", now.Add(retryTime), true
		}
		switch {
		case sub.pushed != "":
			again = min(again, sub.until.Sub(now)+time.Millisecond)
		case sub.dirty && now.Before(sub.until):
			again = min(again, sub.until.Sub(now))
		case sub.dirty && chosen == nil:
			key, chosen = k, sub
		}
	}
	if chosen == nil {
		c.mu.Unlock()
		return nil, again
	}
	id := strconv.FormatUint(c.server.requests.Add(1), 10)
	chosen.dirty, chosen.pushed, chosen.sent, chosen.until = false, id, now, now.Add(ackTime)
	c.acks[id] = key
	clusters := chosen.clusters
	c.mu.Unlock()
	c.server.stats.sent.Add(1)
	info := c.info(key, wire.Query{Clusters: clusters})
	body := append([]byte(`{"headers":{},"requestId":"`+id+`","module":"naming","serviceInfo":`), info...)
	return frame(typeNotify, append(body, '}')), 0
}

// pushStats count the pushes of all clients.
type pushStats struct {
	sent, failed, acked, costs, maxCost atomic.Int64
}

func (p *pushStats) ack(cost time.Duration) {
	p.acked.Add(1)
	p.costs.Add(int64(cost))
	for {
		was := p.maxCost.Load()
		if int64(cost) <= was || p.maxCost.CompareAndSwap(was, int64(cost)) {
			return
		}
	}
}

// PushStats are counters since the start, for metrics.
type PushStats struct {
	Sent, Failed, Acked int64         // failed: not acknowledged in time
	Costs, MaxCost      time.Duration // from sending to acknowledgement: all together, the longest
}

// Pushes returns the present counters.
func (s *Server) Pushes() PushStats {
	p := &s.stats
	return PushStats{
		Sent: p.sent.Load(), Failed: p.failed.Load(), Acked: p.acked.Load(),
		Costs: time.Duration(p.costs.Load()), MaxCost: time.Duration(p.maxCost.Load()),
	}
}
