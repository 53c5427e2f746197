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

const maxControl = 8 // messages about the connection itself that wait

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
	acks map[string]*subscription // whose push waits for an answer, by request id
	todo agenda
}

func newClient(s *Server, t *transport, id identity) *client {
	c := &client{
		server: s, transport: t, identity: id, since: time.Now(),
		controls: make(chan *grpcpb.Payload, maxControl), wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
		subs: map[naming.Key]*subscription{}, acks: map[string]*subscription{},
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
		c.subs[key] = &subscription{key: key, clusters: clusters, place: -1}
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
		sub.pushed, sub.dirty = "", false
		c.todo.put(sub)
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
	defer c.mu.Unlock()
	sub := c.subs[key]
	if sub == nil || sub.dirty {
		return
	}
	sub.dirty = true
	if sub.pushed == "" {
		c.todo.put(sub)
		c.poke()
	}
}

// acked notes that the client has read a push.
func (c *client) acked(id string, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	sub := c.acks[id]
	if sub == nil {
		return
	}
	delete(c.acks, id)
	c.server.stats.ack(now.Sub(sub.sent))
	sub.pushed = ""
	c.todo.put(sub)
	if sub.dirty {
		c.poke()
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
	if !c.server.cfg.Switches().PushEnabled {
		return nil, time.Hour // the server pokes when that is over
	}
	c.mu.Lock()
	var sub *subscription
	for sub == nil {
		if len(c.todo) == 0 {
			c.mu.Unlock()
			return nil, time.Hour
		}
		next := c.todo[0]
		if wait := next.at().Sub(now); wait > 0 {
			c.mu.Unlock()
			return nil, wait
		}
		if next.pushed == "" {
			sub = next
			continue
		}
		c.server.stats.failed.Add(1) // not answered in time
		delete(c.acks, next.pushed)
		next.pushed, next.dirty, next.calm = "", true, now.Add(retryTime)
		c.todo.put(next)
	}
	id := strconv.FormatUint(c.server.requests.Add(1), 10)
	sub.dirty, sub.pushed, sub.sent, sub.until = false, id, now, now.Add(ackTime)
	c.todo.put(sub)
	c.acks[id] = sub
	clusters := sub.clusters
	c.mu.Unlock()
	c.server.stats.sent.Add(1)
	info := c.info(sub.key, wire.Query{Clusters: clusters})
	body := append([]byte(`{"headers":{},"requestId":"`+id+`","module":"naming","serviceInfo":`), info...)
	c.mu.Lock()
	sub.calm = now.Add(gather(len(body), c.server.cfg.PushWindow))
	c.todo.put(sub) // it may have changed meanwhile, and have its place by what was before
	c.mu.Unlock()
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
