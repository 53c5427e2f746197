package persistence

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// The first byte of a connection between members says what it is for.
const (
	forRaft    = 'R'
	forForward = 'F'
)

// Bounds of what strangers can hold.
const (
	maxSilent  = 128 // connections that have not said anything; the oldest has to go
	maxRaft    = 256 // connections of raft, each with a buffer of 256 KiB; the quietest has to go
	maxForward = 64
	firstWords = 5 * time.Second
)

// mux shares one listener among raft and what is forwarded. It knows every connection, to
// end it. To raft it is a [raft.StreamLayer].
type mux struct {
	raft.StreamLayer
	serve func(net.Conn) // of forwarded requests, until the connection ends
	log   func(string, ...any)

	accepted chan net.Conn
	closed   chan struct{}
	once     sync.Once
	closeErr error
	done     sync.WaitGroup

	mu     sync.Mutex
	silent []*muxConn
	open   map[byte]map[*muxConn]bool // by kind; 0: those to others
}

// muxConn is a connection whose end the mux learns of.
type muxConn struct {
	net.Conn
	m      *mux
	kind   byte
	second []byte       // read already
	heard  atomic.Int64 // when something was read last, Unix nanoseconds
}

func newMux(stream raft.StreamLayer, serve func(net.Conn), log func(string, ...any)) *mux {
	return &mux{
		StreamLayer: stream, serve: serve, log: log, accepted: make(chan net.Conn), closed: make(chan struct{}),
		open: map[byte]map[*muxConn]bool{0: {}, forRaft: {}, forForward: {}},
	}
}

// start accepts connections until Close.
func (m *mux) start() { m.done.Go(m.listen) }

func (m *mux) listen() {
	wait := time.Duration(0)
	for {
		c, err := m.StreamLayer.Accept()
		if err == nil {
			wait = 0
			m.take(c)
			continue
		}
		// Too many open files, or a peer that was gone at once: it passes.
		wait = min(max(2*wait, 5*time.Millisecond), time.Second)
		timer := time.NewTimer(wait)
		select {
		case <-m.closed:
			timer.Stop()
			return
		case <-timer.C:
			if errors.Is(err, net.ErrClosed) {
				continue // it is closed, and we are about to be
			}
			m.log("a connection cannot be accepted", "err", err)
		}
	}
}

// take waits for a connection's first byte, apart from the others.
func (m *mux) take(c net.Conn) {
	s := &muxConn{Conn: c, m: m}
	m.mu.Lock()
	if m.isClosed() {
		m.mu.Unlock()
		c.Close()
		return
	}
	if len(m.silent) >= maxSilent {
		m.silent[0].Conn.Close()
		m.silent = m.silent[1:]
	}
	m.silent = append(m.silent, s)
	m.mu.Unlock()
	m.done.Go(func() {
		if err := m.sort(s); err != nil {
			s.Close()
			if m.isClosed() {
				return
			}
			m.log("a connection is refused", "from", c.RemoteAddr(), "err", err)
		}
	})
}

// sort hands a connection to whom it is for. Raft gets it with the first byte of its first
// message: what raft holds a buffer for has at least spoken.
func (m *mux) sort(s *muxConn) error {
	_ = s.Conn.SetReadDeadline(time.Now().Add(firstWords)) // else Close ends it
	b := make([]byte, 2)
	n := 0
	for n < len(b) {
		k, err := s.Conn.Read(b[n:])
		if n += k; n == len(b) {
			break
		}
		if err != nil {
			return fmt.Errorf("it said nothing: %w", err)
		}
	}
	_ = s.Conn.SetReadDeadline(time.Time{})
	s.heard.Store(time.Now().UnixNano())
	s.kind, s.second = b[0], b[1:]
	if err := m.admit(s); err != nil {
		return err
	}
	if s.kind == forForward {
		m.serve(s)
		s.Close()
		return nil
	}
	select {
	case m.accepted <- s:
		return nil
	case <-m.closed:
		return s.Close()
	}
}

func (m *mux) admit(s *muxConn) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(s)
	open, ok := m.open[s.kind]
	ok = ok && s.kind != 0
	limit := maxRaft
	if s.kind == forForward {
		limit = maxForward
	}
	switch {
	case m.isClosed():
		return net.ErrClosed
	case !ok:
		return fmt.Errorf("it begins with byte %d", s.kind)
	}
	if len(open) >= limit { // members speak ten times a second
		quietest := s
		for c := range open {
			if c.heard.Load() < quietest.heard.Load() {
				quietest = c
			}
		}
		quietest.Conn.Close() // who reads from it lets go of it
		delete(open, quietest)
	}
	open[s] = true
	return nil
}

// forget takes a connection off the silent ones.
func (m *mux) forget(s *muxConn) {
	for i, other := range m.silent {
		if other == s {
			m.silent = append(m.silent[:i:i], m.silent[i+1:]...)
			return
		}
	}
}

// Read implements [net.Conn].
func (c *muxConn) Read(p []byte) (int, error) {
	if len(c.second) > 0 && len(p) > 0 {
		n := copy(p, c.second)
		c.second = c.second[n:]
		return n, nil
	}
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.heard.Store(time.Now().UnixNano())
	}
	return n, err
}

// Close implements [net.Conn].
func (c *muxConn) Close() error {
	c.m.mu.Lock()
	c.m.forget(c)
	delete(c.m.open[c.kind], c)
	c.m.mu.Unlock()
	return c.Conn.Close()
}

func (m *mux) isClosed() bool {
	select {
	case <-m.closed:
		return true
	default:
		return false
	}
}

// Accept implements [net.Listener] for raft.
func (m *mux) Accept() (net.Conn, error) {
	select {
	case c := <-m.accepted:
		return c, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

// Dial implements [raft.StreamLayer] for raft.
func (m *mux) Dial(to raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	return m.dial(to, timeout, forRaft)
}

func (m *mux) dial(to raft.ServerAddress, timeout time.Duration, kind byte) (net.Conn, error) {
	c, err := m.StreamLayer.Dial(to, timeout)
	if err != nil {
		return nil, err
	}
	_ = c.SetWriteDeadline(time.Now().Add(timeout)) // the write tells
	if _, err := c.Write([]byte{kind}); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	_ = c.SetWriteDeadline(time.Time{})
	s := &muxConn{Conn: c, m: m}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.isClosed() {
		return nil, errors.Join(net.ErrClosed, c.Close())
	}
	m.open[0][s] = true
	return s, nil
}

// Close ends the listener and every connection, and waits for who serves those that came in.
func (m *mux) Close() error {
	m.once.Do(func() {
		close(m.closed)
		m.closeErr = m.StreamLayer.Close()
		m.mu.Lock()
		for _, s := range m.silent {
			s.Conn.Close()
		}
		for _, open := range m.open {
			for s := range open {
				s.Conn.Close()
			}
		}
		m.mu.Unlock()
		m.done.Wait()
	})
	return m.closeErr
}

// ignoreClosed drops the error of closing twice.
func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
