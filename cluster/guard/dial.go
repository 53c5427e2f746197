package guard

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"
)

// Dial connects to a peer at a TCP address, "host:port", within 10 s or the context's
// deadline. The connection is ready: the peer holds the key. Errors say which node
// and, when the key is to blame, what to set; see [ErrKeyDiffers] and [ErrNoKey].
func Dial(ctx context.Context, addr string, key Key) (net.Conn, error) {
	c, err := dialTCP(ctx, addr, key)
	if err != nil || key.IsZero() {
		return c, err
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	t := tls.Client(c, key.ClientTLS())
	if err := t.HandshakeContext(ctx); err != nil {
		c.Close()
		return nil, fmt.Errorf("connect to node %s: %w", addr, explain(err))
	}
	return t, nil
}

// dialTCP connects without TLS. Without a key it does not talk to another machine.
func dialTCP(ctx context.Context, addr string, key Key) (net.Conn, error) {
	d := net.Dialer{Timeout: handshakeTimeout, KeepAlive: 15 * time.Second}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("connect to node %s: %w", addr, err)
	}
	if key.IsZero() && !addrOf(c).IsLoopback() {
		c.Close()
		return nil, fmt.Errorf("connect to node %s: %w", addr, ErrNoKey)
	}
	return c, nil
}

// explain adds to the error of a client's handshake what an operator can do.
func explain(err error) error {
	var op *net.OpError
	switch reason := reasonOf(err); {
	case errors.Is(err, ErrKeyDiffers):
		return err
	case reason == ReasonPlain:
		return fmt.Errorf("it does not speak TLS: set %s there too: %w", Property, err)
	case errors.As(err, &op) && op.Op == "remote error":
		return fmt.Errorf("%w: %w", ErrKeyDiffers, err)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return fmt.Errorf("it hung up: is %s set there, and is this node one of its members? %w", Property, err)
	}
	return err
}
