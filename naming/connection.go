package naming

import (
	"context"
	"net/netip"
)

// Client is the connection over which an instance is published, as clients of 2.x do it:
// the instance lives and dies with the connection, no heartbeats are sent for it. Immutable;
// the instances of a connection share one.
type Client struct {
	ID   string // connection id, unique in the cluster: "<unix ms>_<ip>_<port>" of the client's end
	Node string // name of the process that holds the connection; a restarted node has another one
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
}
