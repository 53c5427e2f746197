package simnet

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/hashicorp/memberlist"
	"google.golang.org/protobuf/proto"
)

// Host is one life of a process. It is a memberlist.Transport, and the way to the actors of
// other hosts.
type Host struct {
	net  *Network
	name string
	ip   netip.Addr

	packets chan *memberlist.Packet
	accept  chan net.Conn
	gone    chan struct{} // closed by Kill

	// The rest is guarded by the network's lock.
	dead    bool
	mute    bool // gossip has ended
	conns   map[*stream]bool
	inboxes map[string]*inbox
	lost    func(name string)
	toldAt  map[string]time.Time
	held    []func() // packets that a pause holds up
}

var _ memberlist.Transport = (*Host)(nil)

// Bounds of what waits for a process, as a kernel has them. More is lost.
const (
	packetBuffer = 1024
	maxHeld      = 1024
)

func newHost(n *Network, name string, ip netip.Addr) *Host {
	return &Host{
		net: n, name: name, ip: ip,
		packets: make(chan *memberlist.Packet, packetBuffer), accept: make(chan net.Conn, 64), gone: make(chan struct{}),
		conns: map[*stream]bool{}, inboxes: map[string]*inbox{}, toldAt: map[string]time.Time{},
	}
}

// Name returns the name of the host.
func (h *Host) Name() string { return h.name }

// IP returns the address of the host.
func (h *Host) IP() string { return h.ip.String() }

// Alive reports whether the process has not been killed.
func (h *Host) Alive() bool {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	return !h.dead
}

// Gone is closed when the process has been killed.
func (h *Host) Gone() <-chan struct{} { return h.gone }

// Kill ends the process, as far as others can see: its ports refuse from now on, its
// connections break. What it has sent arrives, what it still does reaches nobody.
func (h *Host) Kill() { h.end(false) }

// Crash is Kill of the whole machine: what is on its way is lost too.
func (h *Host) Crash() { h.end(true) }

func (h *Host) end(crash bool) {
	h.net.mu.Lock()
	if h.dead {
		h.net.mu.Unlock()
		return
	}
	h.dead = true
	close(h.gone)
	conns := h.conns
	h.conns = map[*stream]bool{}
	h.held = nil
	var told []*Host
	for key, l := range h.net.lines {
		switch {
		case key.from == h && crash:
			h.net.stats.Lost += len(l.queue)
			l.queue = nil
		case key.to == h:
			h.net.stats.Lost += len(l.queue)
			l.queue = nil
			if h.net.open(h.name, key.from.name) {
				told = append(told, key.from)
			}
			delete(h.net.lines, key)
		}
	}
	delay := h.net.latency()
	h.net.mu.Unlock()
	for c := range conns {
		c.Close()
	}
	for _, other := range told {
		time.AfterFunc(delay, func() { other.tell(h.name) })
	}
}

// OnLost sets who is told that the connection to another host broke.
func (h *Host) OnLost(f func(name string)) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	h.lost = f
}

// tell tells that the connection to another host broke.
func (h *Host) tell(name string) {
	h.net.mu.Lock()
	f := h.lost
	if h.dead {
		f = nil
	}
	h.net.mu.Unlock()
	if f != nil {
		f(name)
	}
}

// refusedTime is how long a dial to a host that does not answer takes.
const refusedTime = 500 * time.Millisecond

// Refused reports whether a connection to a host is refused, which takes an answer. One
// that is cut off is silent.
func (h *Host) Refused(name string) bool {
	h.net.mu.Lock()
	heard := h.net.open(h.name, name) && h.net.open(name, h.name)
	alive := h.net.alive(name)
	h.net.mu.Unlock()
	if !heard {
		h.pass(refusedTime)
		return false
	}
	return !alive
}

// pass lets time pass, unless the process ends.
func (h *Host) pass(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-h.gone:
	}
}

// FinalAdvertiseAddr implements memberlist.Transport.
func (h *Host) FinalAdvertiseAddr(_ string, port int) (net.IP, int, error) {
	return h.ip.AsSlice(), port, nil
}

// PacketCh implements memberlist.Transport.
func (h *Host) PacketCh() <-chan *memberlist.Packet { return h.packets }

// StreamCh implements memberlist.Transport.
func (h *Host) StreamCh() <-chan net.Conn { return h.accept }

// Shutdown implements memberlist.Transport. The process lives on without gossip.
func (h *Host) Shutdown() error {
	h.net.mu.Lock()
	h.mute = true
	conns := h.conns
	h.conns = map[*stream]bool{}
	h.net.mu.Unlock()
	for c := range conns {
		c.Close()
	}
	return nil
}

// at returns the host with an address of the form ip:port; nil: nobody's. The lock is held.
func (n *Network) at(addr string) *Host {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil
	}
	if i := int(ap.Addr().As4()[3]) - 1; i < len(n.names) {
		return n.hosts[n.names[i]]
	}
	return nil
}

// WriteTo implements memberlist.Transport.
func (h *Host) WriteTo(b []byte, addr string) (time.Time, error) {
	n := h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	to := n.at(addr)
	if to == nil || h.dead || h.mute || n.lose(h.name, to.name) {
		return now, nil
	}
	n.stats.Packets++
	p := &memberlist.Packet{Buf: append([]byte(nil), b...), From: tcpAddr(h.ip)}
	time.AfterFunc(n.latency(), func() { to.take(h.name, p) })
	return now, nil
}

func (h *Host) take(from string, p *memberlist.Packet) {
	n := h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case h.dead || h.mute || n.cut[way{from, h.name}]:
		return
	case n.halted(from, h.name):
		if len(h.held) < maxHeld {
			h.held = append(h.held, func() { h.take(from, p) })
		}
		return
	}
	p.Timestamp = time.Now()
	select {
	case h.packets <- p:
	default:
		n.stats.Lost++
	}
}

func tcpAddr(ip netip.Addr) net.Addr { return &net.TCPAddr{IP: ip.AsSlice()} }

// DialTimeout implements memberlist.Transport.
func (h *Host) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	n := h.net
	n.mu.Lock()
	to := n.at(addr)
	if to == nil || h.dead || h.mute || !n.open(h.name, to.name) || !n.open(to.name, h.name) {
		n.mu.Unlock()
		h.pass(timeout)
		return nil, fmt.Errorf("dial %s: %w", addr, errTimeout)
	}
	delay := 2 * n.latency()
	n.mu.Unlock()
	h.pass(delay)
	n.mu.Lock()
	defer n.mu.Unlock()
	if h.dead || h.mute {
		return nil, net.ErrClosed
	}
	if to.dead || to.mute {
		return nil, fmt.Errorf("dial %s: %w", addr, syscall.ECONNREFUSED)
	}
	near, far := newStream(h, to)
	select {
	case to.accept <- far:
		n.stats.Streams++
		return near, nil
	default:
		near.drop()
		far.drop()
		return nil, fmt.Errorf("dial %s: %w", addr, syscall.ECONNREFUSED)
	}
}

var errTimeout = errors.New("no answer in time")

// Open opens an inbox for the messages of other hosts. receive gets one at a time.
func (h *Host) Open(name string, receive func(from string, message proto.Message)) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	h.inboxes[name] = &inbox{receive: receive}
}
