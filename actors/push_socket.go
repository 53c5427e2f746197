package actors

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/valyala/fastjson"
)

// Queues between the socket's goroutines and the push actor. What does not fit is dropped
// and counted: a lost packet is sent again, a lost acknowledgement costs one repetition.
const (
	sendQueue = 4096
	ackQueue  = 4096
)

// ack is what a client acknowledges: who, and which packet.
type ack struct {
	from netip.AddrPort
	ref  int64
}

type datagram struct {
	to   netip.AddrPort
	data []byte
}

// socket is the UDP socket with a goroutine for each direction, so that the actor never
// waits for the kernel.
type socket struct {
	conn    *net.UDPConn
	out     chan datagram
	acks    chan ack
	waiting atomic.Bool // the actor has been told that there are acks
	wake    func()
	done    chan struct{}
	wg      sync.WaitGroup
	dropped atomic.Int64
}

// openSocket opens a socket on any port of addr; run makes it work.
func openSocket(addr string) (*socket, error) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(addr)})
	if err != nil {
		return nil, fmt.Errorf("open the UDP socket for pushes: %w", err)
	}
	return &socket{
		conn: conn, out: make(chan datagram, sendQueue), acks: make(chan ack, ackQueue), done: make(chan struct{}),
	}, nil
}

// run starts the goroutines; close ends them. wake is called when acknowledgements have
// come: drain then hands them over.
func (s *socket) run(wake func()) {
	s.wake = wake
	s.wg.Go(s.write)
	s.wg.Go(s.read)
}

func (s *socket) send(to netip.AddrPort, data []byte) {
	select {
	case s.out <- datagram{to, data}:
	default:
		s.dropped.Add(1)
	}
}

// drain hands over the acknowledgements that have come.
func (s *socket) drain(each func(ack)) {
	s.waiting.Store(false)
	for {
		select {
		case a := <-s.acks:
			each(a)
		default:
			return
		}
	}
}

func (s *socket) close() {
	close(s.done)
	s.conn.Close()
	s.wg.Wait()
}

func (s *socket) write() {
	for {
		select {
		case d := <-s.out:
			// An unreachable client shows as a missing acknowledgement.
			s.conn.WriteToUDPAddrPort(d.data, d.to)
		case <-s.done:
			return
		}
	}
}

func (s *socket) read() {
	buf := make([]byte, 2048)
	var parser fastjson.Parser
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an ICMP error of an earlier datagram
		}
		ref, ok := parseAck(&parser, buf[:n])
		if !ok {
			s.dropped.Add(1)
			continue
		}
		select {
		case s.acks <- ack{netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), ref}:
			if !s.waiting.Swap(true) {
				s.wake()
			}
		default:
			s.dropped.Add(1)
		}
	}
}

// parseAck reads a client's acknowledgement: {"type":"push-ack","lastRefTime":N,…} with N
// as a string (Java, Go) or a number (Node).
func parseAck(p *fastjson.Parser, b []byte) (ref int64, ok bool) {
	v, err := p.ParseBytes(b)
	if err != nil || string(v.GetStringBytes("type")) != "push-ack" {
		return 0, false
	}
	if s := v.GetStringBytes("lastRefTime"); s != nil {
		ref, err = strconv.ParseInt(string(s), 10, 64)
		return ref, err == nil
	}
	n := v.Get("lastRefTime")
	if n == nil {
		return 0, false
	}
	ref, err = n.Int64()
	return ref, err == nil
}
