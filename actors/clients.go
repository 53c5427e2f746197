package actors

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"nactor/naming"
)

// Clients are the connections of this node, an actor each. What they publish is in the
// services' grains, on whichever node; here is what they want, and it is seen to that it is so:
// after the death of an owner, a cut, a request that was lost.
type Clients struct {
	*Services
	system *actor.ActorSystem

	mu     sync.Mutex
	open   map[string]*connection
	front  Front
	left   map[string]naming.Instant // when connections ended whose clients go on elsewhere, by id
	made   int                       // connections so far
	ending bool                      // what is published is left to the next connection of its client

	tokens chan struct{} // bounds the requests of all clients that are under way
	quit   context.Context
	stop   context.CancelFunc
	wg     sync.WaitGroup
}

var _ naming.Connections = (*Clients)(nil)

// connection is the front's side of a client.
type connection struct {
	clients  *Clients
	info     naming.ConnectionInfo
	identity *naming.Client
	pid      *actor.PID
	part     int // of verifyParts

	mu     sync.Mutex
	subs   map[naming.Key]bool
	closed bool
}

const (
	// verifyEvery is how often what a client wants is compared with what is listed; each time it
	// is the turn of one of verifyParts of them, so that thousands do not work at the same moment.
	verifyEvery = 5 * time.Second
	verifyParts = 50
	// staleEvery is how often all that is listed is searched for what connections of this node
	// have left behind, in rounds of verifyEvery, a part after the other too.
	staleEvery = 2

	maxCarried = 512 // requests of clients under way
)

var errHungUp = naming.Unavailable("the connection has ended")

// NewClients returns the connections of a node whose services these are. They must have been
// placed.
func NewClients(s *Services) *Clients {
	quit, stop := context.WithCancel(context.Background())
	c := &Clients{Services: s, system: s.place.System(), open: map[string]*connection{}, left: map[string]naming.Instant{}, tokens: make(chan struct{}, maxCarried), quit: quit, stop: stop}
	s.connected.Store(c)
	return c
}

// Connect implements [naming.Connections].
func (c *Clients) Connect(info naming.ConnectionInfo) naming.Connection {
	conn := &connection{clients: c, info: info, identity: &naming.Client{ID: info.ID, Node: c.process()}, subs: map[naming.Key]bool{}}
	props := actor.PropsFromProducer(func() actor.Actor {
		return &client{Clients: c, connection: conn, pubs: map[naming.Key]*publication{}}
	})
	conn.pid = c.system.Root.SpawnPrefix(props, ClientKind)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made++
	conn.part = c.made % verifyParts
	c.open[info.ID] = conn
	return conn
}

// process names this life of this node.
func (c *Clients) process() string {
	if c.keeper == nil {
		return c.Self
	}
	return c.keeper.table.Load().Process
}

// Len returns how many connections are open.
func (c *Clients) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}

// Notify tells the subscribed connections that a service has a newer view. It returns at once.
func (c *Clients) Notify(key naming.Key) {
	for _, id := range c.Views.Followers(key) {
		c.mu.Lock()
		conn := c.open[id]
		c.mu.Unlock()
		if conn != nil {
			conn.info.Changed(key)
		}
	}
}

// Leave has connections that end from now on leave what they published where it is: this node
// stops, and their clients go on at another one, which takes it over.
func (c *Clients) Leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ending = true
}

// Run looks after what clients want until ctx ends.
func (c *Clients) Run(ctx context.Context) {
	t := time.NewTicker(verifyEvery / verifyParts)
	defer t.Stop()
	for part := 0; ; part = (part + 1) % (verifyParts * staleEvery) {
		select {
		case <-t.C:
			for _, conn := range c.turn(part % verifyParts) {
				c.system.Root.Send(conn.pid, &verify{})
			}
			const parts = verifyParts * staleEvery
			c.sweep(part*naming.Partitions/parts, (part+1)*naming.Partitions/parts)
		case <-ctx.Done():
			c.stop()
			c.wg.Wait()
			return
		}
	}
}

// turn returns the connections whose turn it is.
func (c *Clients) turn(part int) []*connection {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []*connection
	for _, conn := range c.open {
		if conn.part == part {
			out = append(out, conn)
		}
	}
	return out
}

// sweep withdraws what is listed, in some partitions, as published over a connection of this
// process that has ended, or that does not publish it any more: the request to withdraw it was
// lost.
func (c *Clients) sweep(from, to int) {
	process := c.process()
	c.mu.Lock()
	maps.DeleteFunc(c.left, func(_ string, since naming.Instant) bool { return since.Add(naming.ConnectionGrace) <= c.Clock.Now() })
	c.mu.Unlock()
	for p := from; p < to; p++ {
		for _, v := range c.Views.Partition(p) {
			for _, in := range v.Instances {
				if in.Client == nil || in.Client.Node != process {
					continue
				}
				c.mu.Lock()
				conn, ending := c.open[in.Client.ID], c.ending
				if _, left := c.left[in.Client.ID]; left {
					ending = true
				}
				c.mu.Unlock()
				switch {
				case conn != nil:
					c.system.Root.Send(conn.pid, &stale{v.Key, in.Addr()})
				case !ending:
					key, cmd := v.Key, naming.Deregister{Addr: in.Addr(), Ephemeral: true, Client: in.Client.ID}
					c.background(func(ctx context.Context) {
						wait, cancel := context.WithTimeout(ctx, naming.MaxRequestTime)
						defer cancel()
						_, _ = c.Do(wait, key, cmd) // the next sweep repeats it
					})
				}
			}
		}
	}
}

// background runs a request, not more than maxCarried at a time.
func (c *Clients) background(request func(context.Context)) {
	c.wg.Go(func() {
		select {
		case c.tokens <- struct{}{}:
			defer func() { <-c.tokens }()
		case <-c.quit.Done():
		}
		request(c.quit)
	})
}

// Publish implements [naming.Connection].
func (c *connection) Publish(ctx context.Context, key naming.Key, instances []*naming.Instance) error {
	done := make(chan error, 1)
	c.clients.system.Root.Send(c.pid, &publish{key, instances, func(err error) { done <- err }})
	timer := time.NewTimer(naming.MaxRequestTime)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return naming.Unavailable("service %s was not reached in time; it is tried on while the connection lasts", key.Grouped())
	case <-ctx.Done():
		return naming.Unavailable("request to service %s given up: %w", key.Grouped(), ctx.Err())
	}
}

// Withdraw implements [naming.Connection].
func (c *connection) Withdraw(ctx context.Context, key naming.Key) error {
	return c.Publish(ctx, key, nil)
}

// Subscribe implements [naming.Connection].
func (c *connection) Subscribe(key naming.Key, clusters string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.subs[key] = true
	c.clients.Views.Follow(key, naming.Subscriber{Addr: c.info.Addr, Agent: c.info.Agent, App: c.info.App, Clusters: clusters, Connection: c.info.ID})
}

// Unsubscribe implements [naming.Connection].
func (c *connection) Unsubscribe(key naming.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.subs[key] {
		delete(c.subs, key)
		c.clients.Views.Unfollow(key, c.info.ID)
	}
}

// Close implements [naming.Connection].
func (c *connection) Close() { c.close(false) }

// Leave implements [naming.Connection].
func (c *connection) Leave() { c.close(true) }

func (c *connection) close(leave bool) {
	c.mu.Lock()
	already := c.closed
	c.closed = true
	for key := range c.subs {
		c.clients.Views.Unfollow(key, c.info.ID)
	}
	clear(c.subs)
	c.mu.Unlock()
	if already {
		return
	}
	c.clients.mu.Lock()
	delete(c.clients.open, c.info.ID)
	if leave {
		c.clients.left[c.info.ID] = c.clients.Clock.Now()
	}
	leave = leave || c.clients.ending
	c.clients.mu.Unlock()
	c.clients.system.Root.Send(c.pid, &hangUp{leave})
}
