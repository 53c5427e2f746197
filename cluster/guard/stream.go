package guard

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/hashicorp/raft"
)

// Stream carries raft between nodes. Closing it closes the listener.
type Stream struct {
	*Listener
	advertised address
}

var _ raft.StreamLayer = (*Stream)(nil)

// address is a "host:port" as other nodes know it: a name in it stays a name.
type address string

// Network implements [net.Addr].
func (address) Network() string { return "tcp" }

// String implements [net.Addr].
func (a address) String() string { return string(a) }

// NewStream makes a listener, which it owns from then on, raft's stream layer. Others reach
// this node at the advertised address, "host:port".
func NewStream(l *Listener, advertised string) (*Stream, error) {
	if host, _, err := net.SplitHostPort(advertised); err != nil || host == "" {
		return nil, fmt.Errorf("%q is not an address that other nodes could connect to: give it as host:port", advertised)
	}
	return &Stream{l, address(advertised)}, nil
}

// Addr returns the advertised address.
func (s *Stream) Addr() net.Addr { return s.advertised }

// Dial implements [raft.StreamLayer] with the listener's key. To raft a time-out of zero is
// none; see [Dial] for the longest that it can take.
func (s *Stream) Dial(to raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx := context.Background()
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	return Dial(ctx, string(to), s.key)
}
