package guard

import (
	"container/list"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	// handshakeTimeout ends a connection that has not proved who it is by then.
	handshakeTimeout = 5 * time.Second
	// maxPending is how many connections may be about to prove who they are.
	maxPending = 256
)

// The reasons that a connection is refused for, keys of Rejected.
const (
	ReasonShortage = "shortage" // none came: the machine is out of something, such as file descriptors
	ReasonAddress  = "address"  // it comes from an address that is not a member's
	ReasonCrowded  = "crowded"  // the oldest of too many that had not proved who they are
	ReasonClosed   = "closed"   // hung up before the handshake: a probe of the port
	ReasonSlow     = "slow"     // did not finish the handshake in time
	ReasonPlain    = "plain"    // does not speak TLS: it has no key
	ReasonKey      = "key"      // holds another key, or none
	ReasonBroken   = "broken"   // any other failure of the handshake
)

// door lets connections come in until they have proved who they are, a bounded number at a
// time. When it is full the oldest has to go: a peer needs milliseconds, so whoever has been
// there longest is the least likely to be one.
type door struct {
	key     Key
	allowed func(netip.Addr) bool // nil: everyone
	tally   *tally

	mu      sync.Mutex
	pending list.List // of *visitor, the oldest in front
}

// visitor is a connection that has not proved who it is.
type visitor struct {
	conn net.Conn
	at   *list.Element
	gone chan struct{} // closed when it had to make room
}

// enter takes a connection in, or closes it and returns nil. It does not block.
func (d *door) enter(c net.Conn) *visitor {
	addr := addrOf(c)
	switch {
	case d.key.IsZero() && !addr.IsLoopback():
		d.tally.note(ReasonAddress, addr.String(), ErrNoKey)
		c.Close()
		return nil
	case d.allowed != nil && !d.allowed(addr):
		d.tally.note(ReasonAddress, addr.String(), "not the address of a member")
		c.Close()
		return nil
	}
	v := &visitor{conn: c, gone: make(chan struct{})}
	d.mu.Lock()
	var oldest *visitor
	if d.pending.Len() >= maxPending {
		oldest = d.pending.Remove(d.pending.Front()).(*visitor)
		oldest.at = nil
	}
	v.at = d.pending.PushBack(v)
	d.mu.Unlock()
	if oldest != nil {
		close(oldest.gone)
		oldest.conn.Close()
		d.tally.note(ReasonCrowded, addrOf(oldest.conn).String(), "too many connections that say nothing")
	}
	return v
}

// leave ends the visit, whatever came of it. It reports whether the connection may go on.
func (d *door) leave(v *visitor) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if v.at == nil {
		return false
	}
	d.pending.Remove(v.at)
	v.at = nil
	return true
}

// failed counts a handshake that came to nothing.
func (d *door) failed(v *visitor, err error) {
	select {
	case <-v.gone:
		return // counted when it had to go
	default:
	}
	reason := reasonOf(err)
	if reason == ReasonClosed {
		d.tally.count(reason)
		return
	}
	var detail any = err
	switch reason {
	case ReasonPlain:
		detail = "it does not speak TLS: set " + Property + " there too"
	case ReasonKey:
		detail = ErrKeyDiffers
	}
	d.tally.note(reason, addrOf(v.conn).String(), detail)
}

// closeAll ends all visits.
func (d *door) closeAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for e := d.pending.Front(); e != nil; e = e.Next() {
		e.Value.(*visitor).conn.Close()
	}
}

// reasonOf says what made a handshake fail.
func reasonOf(err error) string {
	var record tls.RecordHeaderError
	var op *net.OpError
	switch {
	case errors.Is(err, ErrKeyDiffers):
		return ReasonKey
	case errors.As(err, &record):
		return ReasonPlain
	case errors.As(err, &op) && op.Op == "remote error": // the peer's TLS says that it does not like us
		return ReasonKey
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ReasonSlow
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return ReasonClosed
	case err != nil && err.Error() == "tls: client didn't provide a certificate":
		return ReasonKey
	}
	return ReasonBroken
}

// addrOf returns the address of the peer; the zero Addr if it has none.
func addrOf(c net.Conn) netip.Addr {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
