package simnet

import "net"

// stream is one end of a connection. While its way is cut, what is written vanishes and
// the other end waits in vain, until its deadline: a network says nothing.
type stream struct {
	net.Conn
	from, to *Host
}

// newStream returns both ends of a connection. The lock is held.
func newStream(from, to *Host) (near, far *stream) {
	a, b := net.Pipe()
	near, far = &stream{a, from, to}, &stream{b, to, from}
	from.conns[near], to.conns[far] = true, true
	return near, far
}

// Write implements net.Conn.
func (s *stream) Write(b []byte) (int, error) {
	n := s.from.net
	n.mu.Lock()
	vanishes := !n.open(s.from.name, s.to.name)
	n.stats.Bytes += len(b)
	n.mu.Unlock()
	if vanishes {
		return len(b), nil
	}
	return s.Conn.Write(b)
}

// Close implements net.Conn.
func (s *stream) Close() error {
	s.from.net.mu.Lock()
	delete(s.from.conns, s)
	s.from.net.mu.Unlock()
	return s.Conn.Close()
}

// drop closes the stream. The lock is held.
func (s *stream) drop() {
	delete(s.from.conns, s)
	s.Conn.Close()
}

// RemoteAddr implements net.Conn; memberlist parses it.
func (s *stream) RemoteAddr() net.Addr { return tcpAddr(s.to.ip) }

// LocalAddr implements net.Conn.
func (s *stream) LocalAddr() net.Addr { return tcpAddr(s.from.ip) }
