package actors

import (
	"context"
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"nactor/naming"
)

// ClientKind is the kind of the actors of connections.
const ClientKind = "client"

// client is the actor of one connection: what it publishes, as its client wants it, and what
// has to be done to make it so. The registry is asked on goroutines of their own, for one
// service at a time.
type client struct {
	*Clients
	*connection
	ctx    actor.Context
	pubs   map[naming.Key]*publication
	closed bool
	left   bool // what is published stays
}

// publication is what a client publishes in one service.
type publication struct {
	wanted    []*naming.Instance
	published []naming.Addr // that may be registered by this connection
	asked     uint64        // changes of wanted
	busy      bool          // the registry is being asked
	waiters   []waiter
}

// waiter waits until the registry has been told of a change.
type waiter struct {
	asked uint64
	reply func(error)
}

// Messages to a client. reply returns at once.
type (
	publish struct {
		key    naming.Key
		wanted []*naming.Instance // none: withdraw
		reply  func(error)
	}
	carried struct { // the registry was told
		key   naming.Key
		asked uint64
		err   error
	}
	verify struct{} // what is listed is to be compared with what is wanted
	stale  struct { // this is listed as the connection's
		key  naming.Key
		addr naming.Addr
	}
	hangUp struct{ leave bool } // the connection has ended; leave: what it published stays
)

// Receive implements actor.Actor.
func (c *client) Receive(ctx actor.Context) {
	c.ctx = ctx
	switch m := ctx.Message().(type) {
	case *publish:
		c.publish(m)
	case *carried:
		c.carried(m)
	case *verify:
		for key, p := range c.pubs {
			if !p.busy && c.lacks(key, p) {
				c.carry(key, p)
			}
		}
	case *stale:
		c.stale(m)
	case *hangUp:
		c.hangUp(m.leave)
	case *actor.Restarting:
		// Who waits hears nothing, and asks again: what is wanted is not known any more.
		c.pubs = map[naming.Key]*publication{}
	}
}

func (c *client) publish(m *publish) {
	if c.closed {
		m.reply(errHungUp)
		return
	}
	p := c.pubs[m.key]
	if p == nil {
		if len(m.wanted) == 0 {
			m.reply(nil)
			return
		}
		p = &publication{}
		c.pubs[m.key] = p
	}
	p.wanted = m.wanted
	p.asked++
	p.waiters = append(p.waiters, waiter{p.asked, m.reply})
	if !p.busy {
		c.carry(m.key, p)
	}
}

// carry has the registry make a service hold what is wanted.
func (c *client) carry(key naming.Key, p *publication) {
	var commands []naming.Command
	for _, addr := range p.published {
		if !slices.ContainsFunc(p.wanted, func(in *naming.Instance) bool { return in.Addr() == addr }) {
			commands = append(commands, naming.Deregister{Addr: addr, Ephemeral: true, Client: c.info.ID})
		}
	}
	for _, in := range p.wanted {
		if !slices.Contains(p.published, in.Addr()) {
			p.published = append(p.published, in.Addr())
		}
		own := *in // the registry keeps what it is given
		own.Client = c.identity
		commands = append(commands, naming.Register{Instance: &own})
	}
	p.busy = true
	root, self, asked := c.ctx.ActorSystem().Root, c.ctx.Self(), p.asked
	c.background(func(ctx context.Context) {
		var err error
		for _, cmd := range commands {
			wait, cancel := context.WithTimeout(ctx, naming.MaxRequestTime)
			if _, e := c.Do(wait, key, cmd); e != nil && err == nil {
				err = e
			}
			cancel()
		}
		root.Send(self, &carried{key, asked, err})
	})
}

func (c *client) carried(m *carried) {
	p := c.pubs[m.key]
	if p == nil {
		return
	}
	p.busy = false
	switch kind := naming.KindOf(m.err); {
	case m.err == nil && m.asked == p.asked:
		p.published = p.published[:0]
		for _, in := range p.wanted {
			p.published = append(p.published, in.Addr())
		}
	case m.err != nil && m.asked == p.asked && (kind == naming.KindInvalid || kind == naming.KindRejected || kind == naming.KindNotFound):
		p.wanted = nil // it would be refused again and again
	}
	p.waiters = slices.DeleteFunc(p.waiters, func(w waiter) bool {
		if w.asked > m.asked {
			return false
		}
		w.reply(m.err)
		return true
	})
	switch {
	case c.left:
		delete(c.pubs, m.key)
		c.rest()
		return
	case m.asked != p.asked:
		c.carry(m.key, p)
		return
	}
	if len(p.wanted) == 0 && (m.err == nil || c.closed) {
		delete(c.pubs, m.key) // what may be left is found by who looks for it
	}
	c.rest()
}

// lacks reports whether something that is wanted is not listed: a node that died or was cut
// off had it, or an operator has removed it. What somebody else publishes at its place, who is
// here, is left alone.
func (c *client) lacks(key naming.Key, p *publication) bool {
	view := c.Views.View(key)
	return slices.ContainsFunc(p.wanted, func(in *naming.Instance) bool {
		if view == nil {
			return true
		}
		switch held := view.FindClient(in.IP, in.Port, true); {
		case held == nil:
			return true
		case held.Client == nil, held.Client.ID == c.info.ID:
			return false
		default:
			return c.Services.present != nil && !c.Services.present(held.Client.Node)
		}
	})
}

// stale withdraws what is listed and not wanted.
func (c *client) stale(m *stale) {
	p := c.pubs[m.key]
	if p == nil {
		p = &publication{}
		c.pubs[m.key] = p
	}
	if p.busy || slices.ContainsFunc(p.wanted, func(in *naming.Instance) bool { return in.Addr() == m.addr }) {
		return
	}
	if !slices.Contains(p.published, m.addr) {
		p.published = append(p.published, m.addr)
	}
	c.carry(m.key, p)
}

func (c *client) hangUp(leave bool) {
	c.closed, c.left = true, leave
	for key, p := range c.pubs {
		p.wanted = nil
		p.asked++
		switch {
		case leave && !p.busy:
			delete(c.pubs, key)
		case !p.busy:
			c.carry(key, p)
		}
	}
	c.rest()
}

// rest ends a client that has hung up and is done.
func (c *client) rest() {
	if c.closed && len(c.pubs) == 0 {
		c.ctx.Stop(c.ctx.Self())
	}
}
