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
	setup      setup

	refused   atomic.Bool // by the logic of 1.X
	detecting time.Time   // since when a sign of life is waited for; the server's check's

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

func newClient(s *Server, t *transport, set setup, app string) *client {
	c := &client{
		server: s, transport: t, setup: set,
		controls: make(chan *grpcpb.Payload, maxControl), wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
		subs: map[naming.Key]*subscription{}, acks: map[string]*subscription{},
	}
	if app == "" {
		app = set.Labels["AppName"]
	}
	if app == "" {
		app = "unknown"
	}
	c.connection = s.cfg.Connections.Connect(naming.ConnectionInfo{ID: t.id, Addr: t.remote, Agent: set.ClientVersion, App: app, Changed: c.changed})
	return c
}

// end ends the client: what it published and subscribed goes.
func (c *client) end() {
	c.once.Do(func() {
		close(c.quit)
		c.connection.Close()
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
func (c *client) acked(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	sub := c.acks[id]
	if sub == nil {
		return
	}
	delete(c.acks, id)
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
			if stream.SendMsg(p) != nil {
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
			if stream.SendMsg(push) != nil {
				c.server.leave(c)
				return
			}
		}
	}
}

// due returns the next push, or when to look again.
func (c *client) due(now time.Time) (*grpcpb.Payload, time.Duration) {
	if c.server.cfg.By1X() || !c.server.cfg.Switches().PushEnabled {
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
		delete(c.acks, next.pushed) // not answered in time
		next.pushed, next.dirty, next.calm = "", true, now.Add(retryTime)
		c.todo.put(next)
	}
	id := strconv.FormatUint(c.server.requests.Add(1), 10)
	sub.dirty, sub.pushed, sub.until = false, id, now.Add(ackTime)
	c.todo.put(sub)
	c.acks[id] = sub
	clusters := sub.clusters
	c.mu.Unlock()
	info := c.info(sub.key, wire.Query{Clusters: clusters})
	body := append([]byte(`{"headers":{},"requestId":"`+id+`","module":"naming","serviceInfo":`), info...)
	c.mu.Lock()
	sub.calm = now.Add(gather(len(body), c.server.cfg.PushWindow))
	c.todo.put(sub) // it may have changed meanwhile, and have its place by what was before
	c.mu.Unlock()
	return frame(typeNotify, append(body, '}')), 0
}
