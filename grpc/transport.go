package grpc

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/stats"
)

// transport is one TCP connection. Its id, "<unix ms>_<ip>_<port>", is that of the client that
// sets itself up on it: all requests of a client travel over the same one.
type transport struct {
	id     string
	remote netip.AddrPort
	conn   net.Conn // nil: not known; nothing can be closed then

	once       sync.Once
	registered chan struct{} // closed when a client has set itself up
	client     atomic.Pointer[client]
	active     atomic.Int64 // when the client was last heard of, ns
}

func (t *transport) heard() { t.active.Store(time.Now().UnixNano()) }

func (t *transport) idle(now time.Time) time.Duration {
	return now.Sub(time.Unix(0, t.active.Load()))
}

// close ends the TCP connection.
func (t *transport) close() {
	if t.conn != nil {
		t.conn.Close()
	}
}

type transportKey struct{}

func transportOf(ctx context.Context) *transport {
	t, _ := ctx.Value(transportKey{}).(*transport)
	return t
}

// connections finds the TCP connection of a remote address: gRPC does not tell.
type connections struct {
	net.Listener
	open sync.Map // remote address, connection
}

// Accept implements [net.Listener].
func (c *connections) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	tracked := &tracked{Conn: conn, of: c, key: conn.RemoteAddr().String()}
	c.open.Store(tracked.key, tracked)
	return tracked, nil
}

type tracked struct {
	net.Conn
	of  *connections
	key string
}

// Close implements [net.Conn].
func (t *tracked) Close() error {
	t.of.open.CompareAndDelete(t.key, t)
	return t.Conn.Close()
}

// TagConn implements [stats.Handler]: a TCP connection begins.
func (s *Server) TagConn(ctx context.Context, info *stats.ConnTagInfo) context.Context {
	remote, _ := netip.ParseAddrPort(info.RemoteAddr.String())
	remote = netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port())
	t := &transport{
		id:         fmt.Sprintf("%d_%s_%d", time.Now().UnixMilli(), remote.Addr(), remote.Port()),
		remote:     remote,
		registered: make(chan struct{}),
	}
	if conn, ok := s.conns.open.Load(info.RemoteAddr.String()); ok {
		t.conn = conn.(net.Conn)
	}
	t.heard()
	return context.WithValue(ctx, transportKey{}, t)
}

// HandleConn implements [stats.Handler]: a TCP connection ends, and the client on it.
func (s *Server) HandleConn(ctx context.Context, event stats.ConnStats) {
	if _, ended := event.(*stats.ConnEnd); !ended {
		return
	}
	if t := transportOf(ctx); t != nil {
		if c := t.client.Load(); c != nil {
			s.leave(c)
		}
	}
}

// TagRPC implements [stats.Handler].
func (s *Server) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// HandleRPC implements [stats.Handler].
func (s *Server) HandleRPC(context.Context, stats.RPCStats) {}
