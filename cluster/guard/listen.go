package guard

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// Filter says who may connect besides holding the key, and where refusals are told. The
// zero Filter is everyone, told to nobody.
type Filter struct {
	// Allowed reports whether a connection may come from an address, for example that of a
	// member. It is called on the goroutine that accepts and must not block. Nil: from
	// anywhere. IPv4 addresses come as such. Without a key only loopback gets that far.
	Allowed func(netip.Addr) bool
	Logger  *slog.Logger
}

// Listener accepts connections of peers. Accept returns those that have proved to hold the
// key, and goes on after shortages of the machine, such as of file descriptors. Close it.
type Listener struct {
	inner net.Listener
	key   Key
	*tally
	door  door
	ready chan net.Conn
	quit  chan struct{} // closed by Close
	done  chan struct{} // closed when nothing is accepted any more
	err   error         // why not, once done is closed
	stop  sync.Once
	wg    sync.WaitGroup
}

var _ net.Listener = (*Listener)(nil)

// Listen listens at a TCP address, "host:port", for peers that hold the key.
func Listen(addr string, key Key, filter Filter) (*Listener, error) {
	inner, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for other nodes: %w", err)
	}
	return NewListener(inner, key, filter), nil
}

// NewListener guards a listener, which it owns from then on.
func NewListener(inner net.Listener, key Key, filter Filter) *Listener {
	l := &Listener{
		inner: inner, key: key, tally: newTally(filter.Logger, inner.Addr().String()),
		ready: make(chan net.Conn), quit: make(chan struct{}), done: make(chan struct{}),
	}
	l.door.key, l.door.allowed, l.door.tally = key, filter.Allowed, l.tally
	l.wg.Go(l.run)
	return l
}

// run accepts until the listener is closed or fails for good.
func (l *Listener) run() {
	defer close(l.done)
	var pause time.Duration
	for {
		c, err := l.inner.Accept()
		switch {
		case err == nil:
			pause = 0
			if v := l.door.enter(c); v != nil {
				l.wg.Go(func() { l.admit(v) })
			}
		case !passing(err):
			l.err = err
			return
		default:
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			l.note(ReasonShortage, "", err)
			select {
			case <-time.After(pause):
			case <-l.quit:
				l.err = net.ErrClosed
				return
			}
		}
	}
}

// passing reports whether an error of accept is worth waiting out.
func passing(err error) bool {
	for _, shortage := range []error{
		syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED, syscall.ENOBUFS, syscall.ENOMEM, syscall.EINTR,
	} {
		if errors.Is(err, shortage) {
			return true
		}
	}
	return false
}

// admit finds out who came in and hands the connection to Accept.
func (l *Listener) admit(v *visitor) {
	conn := v.conn
	if !l.key.IsZero() {
		t := tls.Server(v.conn, l.key.ServerTLS())
		err := v.conn.SetDeadline(time.Now().Add(handshakeTimeout))
		if err == nil {
			err = t.Handshake()
		}
		if err == nil {
			err = v.conn.SetDeadline(time.Time{})
		}
		if err != nil {
			l.door.failed(v, err)
			l.door.leave(v)
			v.conn.Close()
			return
		}
		conn = t
	}
	select {
	case l.ready <- conn:
		l.door.leave(v)
	case <-v.gone:
	case <-l.done:
		l.door.leave(v)
		v.conn.Close()
	}
}

// Accept implements [net.Listener]. After Close its error is [net.ErrClosed].
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.ready:
		return c, nil
	case <-l.done:
		return nil, l.err
	}
}

// Addr implements [net.Listener].
func (l *Listener) Addr() net.Addr { return l.inner.Addr() }

// Close ends the listener and the connections that Accept has not returned. It waits for
// all goroutines of the listener.
func (l *Listener) Close() error {
	var err error
	l.stop.Do(func() {
		close(l.quit)
		err = l.inner.Close()
		<-l.done
		l.door.closeAll()
	})
	l.wg.Wait()
	return err
}
