package naming

import (
	"context"
	"net/netip"
	"time"
)

// Client is the connection over which an instance is published, as clients of 2.x do it:
// the instance lives and dies with the connection, no heartbeats are sent for it. Immutable;
// the instances of a connection share one.
type Client struct {
	ID   string // connection id, unique in the cluster: "<unix ms>_<ip>_<port>" of the client's end
	Node string // name of the process that holds the connection; a restarted node has another one
}

// Rules of instances that are published over connections: they are looked at every
// ConnectionCheck, and removed when the process that holds the connection has been away for
// ConnectionGrace, if no other connection has published them meanwhile: as long as instances
// are kept whose heartbeats stop. The slowest official client, Rust's, is back after 21 s. Nacos
// takes 180 s.
const (
	ConnectionCheck = 5 * time.Second
	ConnectionGrace = 30 * time.Second
)

// Judge notes on the instance's clock that the process of the connection is here. It reports
// whether that has been away for too long, and when to look again.
func (c *Client) Judge(clock *BeatClock, env Env) (gone bool, next Instant) {
	if env.Present == nil || env.Present(c.Node) {
		clock.Hear(env.Now)
	}
	if clock.Last.Add(ConnectionGrace) <= env.Now {
		return true, env.Now.Add(ConnectionCheck)
	}
	return false, c.Look(env.Now, clock.Last)
}

// Look returns when an instance that was last heard of at last must be looked at again.
func (c *Client) Look(now, last Instant) Instant {
	return min(now.Add(ConnectionCheck), last.Add(ConnectionGrace))
}

// Is reports whether a request that names a connection means what c published; one that names
// none means whatever is there.
func (c *Client) Is(id string) bool { return id == "" || c != nil && c.ID == id }

// Same reports whether two instances were published over the same connection, or none.
func (c *Client) Same(o *Client) bool {
	return c == o || c != nil && o != nil && *c == *o
}

// Connections is where a front that holds connections announces them.
type Connections interface {
	// Connect begins a client. The front calls Close on what it gets when the connection is gone.
	Connect(info ConnectionInfo) Connection
}

// ConnectionInfo is what is known of a connection when it begins.
type ConnectionInfo struct {
	ID      string         // see [Client]
	Addr    netip.AddrPort // the client's end
	Agent   string         // client version
	App     string
	Changed func(Key) // a service it is subscribed to has a newer view, or none; must return at once
}

// Connection is one client that stays connected. Its methods are safe for concurrent use.
type Connection interface {
	// Publish makes instances all that the client publishes in a service, in place of what it
	// published there before (Nacos: one publication for each client and service; a batch is one
	// publication of several). The connection owns the instances from here on and sees to it that
	// they are listed for as long as it is open. Errors are those of [Registry.Do].
	Publish(ctx context.Context, key Key, instances []*Instance) error
	// Withdraw ends what the client publishes in a service; nothing there is fine.
	Withdraw(ctx context.Context, key Key) error
	// Subscribe has Changed called from now on; clusters is as the client gave it.
	Subscribe(key Key, clusters string)
	// Unsubscribe ends a subscription.
	Unsubscribe(key Key)
	// Close ends the client: it returns at once, what was published is withdrawn soon after.
	Close()
	// Leave is Close for a client that was told to go on over another connection: what was published
	// stays for [ConnectionGrace], or until it is published there.
	Leave()
}
