package actors

import (
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"nactor/actors/actorpb"
	"nactor/naming"
)

// link is the ordered, acknowledged stream of packets to one process of another node. It
// sends what waits in its queue first and the feed after that, as fast as the peer
// acknowledges. It ends with the process that it leads to.
type link struct {
	peer    Peer
	process string // of this node
	mesh    *mesh
	session uint64

	mu       sync.Mutex
	queue    []parcel
	next     uint64         // seq of the next packet
	flight   []flying       // sent, not acknowledged, in order
	bytes    int            // in flight
	cursor   uint64         // number of the next change of the feed
	progress naming.Instant // when something was last acknowledged, or first sent
	resent   naming.Instant // when what is in flight was last repeated
	doubted  bool
	number   uint64 // all changes of the feed up to this one are with the peer
	synced   bool   // and so is all that came before the feed
	ended    bool
	wake     chan struct{}
}

// flying is a packet on its way.
type flying struct {
	*actorpb.Packet
	size   int
	sent   time.Time
	number uint64 // all changes of the feed up to this one are with the peer when it arrives
}

// parcel makes the packets of one errand. It is asked when there is room on the way, so
// that what waits takes no memory.
type parcel interface {
	// pack returns the next packet and whether it was the last; nil for nothing to send.
	pack() (*actorpb.Packet, bool)
}

// once is a parcel of one packet.
type once struct{ *actorpb.Packet }

func (o once) pack() (*actorpb.Packet, bool) { return o.Packet, true }

// later is a parcel of one packet that is made when it is sent.
type later func() *actorpb.Packet

func (l later) pack() (*actorpb.Packet, bool) { return l(), true }

// Bounds of what is on its way to one peer.
const (
	maxFlight    = 64
	maxInFlight  = 4 << 20 // bytes
	packetSize   = 192 << 10
	deltasAtOnce = 512
	resendAfter  = time.Second

	// A stall of two seconds is survived; gossip needs as long, and a node that is cut off
	// from all others several times that.
	silence = 2500 * time.Millisecond
)

func newLink(m *mesh, process string, p Peer) *link {
	return &link{peer: p, process: process, mesh: m, session: m.newSession(), next: 1, wake: make(chan struct{}, 1), progress: m.Clock.Now()}
}

// send queues a parcel. It reports false when the link has ended.
func (l *link) send(p parcel) bool {
	l.mu.Lock()
	ended := l.ended
	if !ended {
		l.queue = append(l.queue, p)
	}
	l.mu.Unlock()
	l.poke()
	return !ended
}

func (l *link) poke() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// run sends until quit is closed.
func (l *link) run(quit <-chan struct{}) {
	t := time.NewTicker(resendAfter / 2)
	defer t.Stop()
	for {
		for {
			p := l.take()
			if p == nil {
				break
			}
			l.mesh.out.Send(l.peer.ID, inboxReplica, p)
		}
		select {
		case <-l.wake:
		case <-t.C:
			l.resend()
		case <-quit:
			return
		}
	}
}

// take returns the next packet to send, nil when there is none or no room.
func (l *link) take() *actorpb.Packet {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.flight) < maxFlight && l.bytes < maxInFlight {
		p, number := l.pack()
		if p == nil && number == 0 {
			return nil
		}
		if p == nil {
			continue
		}
		p.Session, p.Seq, p.Sent = l.session, l.next, l.mesh.stopwatch.sent()
		if l.next == 1 {
			p.Process = l.process
		}
		size := proto.Size(p)
		if len(l.flight) == 0 {
			l.progress = l.mesh.Clock.Now()
		}
		l.flight = append(l.flight, flying{p, size, time.Now(), number - 1})
		l.bytes += size
		l.next++
		return p
	}
	return nil
}

// pack returns the next packet without its number, and the number of the next change.
// A nil packet with a number: try again.
func (l *link) pack() (*actorpb.Packet, uint64) {
	if len(l.queue) > 0 {
		p, last := l.queue[0].pack()
		if last {
			l.queue[0] = nil
			if l.queue = l.queue[1:]; len(l.queue) == 0 {
				l.queue = nil
			}
		}
		return p, max(l.cursor, 1)
	}
	if l.cursor == 0 {
		return nil, 0
	}
	changes, ok := l.mesh.feed.read(l.cursor, deltasAtOnce)
	if !ok {
		// Too far behind: compare notes, and go on from here.
		l.begin()
		return nil, l.cursor
	}
	if len(changes) == 0 {
		return nil, 0
	}
	var deltas [][]byte
	size := 0
	for _, c := range changes {
		l.cursor++
		if b := c.encoded(); b != nil {
			deltas = append(deltas, b)
			size += len(b)
		}
		if size > packetSize {
			break
		}
	}
	return &actorpb.Packet{Body: &actorpb.Packet_Deltas{Deltas: &actorpb.Deltas{Deltas: deltas}}}, l.cursor
}

// begin starts the comparison of notes that a new peer, or one far behind, needs. The lock
// is held.
func (l *link) begin() {
	l.synced = false
	l.mesh.feed.leave(l.peer.Process)
	l.cursor = l.mesh.feed.last() + 1
	l.queue = append(l.queue, later(l.mesh.digest))
}

// start makes the link send.
func (l *link) start() {
	l.mu.Lock()
	// Before the digest is made: what changes from here on is in the feed.
	l.mesh.feed.open()
	l.cursor = l.mesh.feed.last() + 1
	l.queue = append(l.queue, later(l.mesh.digest))
	l.mu.Unlock()
	l.poke()
}

// acked takes note of an acknowledgement.
func (l *link) acked(a *actorpb.Ack) {
	l.mu.Lock()
	if a.Session != l.session {
		l.mu.Unlock()
		return
	}
	var number uint64
	n := 0
	for n < len(l.flight) && l.flight[n].Seq <= a.Seq {
		number = max(number, l.flight[n].number)
		l.bytes -= l.flight[n].size
		n++
	}
	if n > 0 {
		l.flight = append(l.flight[:0], l.flight[n:]...)
		l.progress = l.mesh.Clock.Now()
	}
	l.number = max(l.number, number)
	synced, doubted := l.synced, l.doubted
	l.mu.Unlock()
	if n > 0 {
		l.poke()
		if synced && !doubted {
			l.mesh.feed.ack(l.peer.Process, number)
		}
	}
}

// resend repeats what was not acknowledged for a while: the connection may have broken.
func (l *link) resend() {
	l.mu.Lock()
	now := l.mesh.Clock.Now()
	if len(l.flight) == 0 && now.Since(l.progress) >= resendAfter {
		// A sign of life is asked for: an idle link would not notice that it is cut.
		l.queue = append(l.queue, once{&actorpb.Packet{Body: &actorpb.Packet_Deltas{Deltas: &actorpb.Deltas{}}}})
		l.mu.Unlock()
		l.poke()
		return
	}
	if len(l.flight) == 0 || now.Since(max(l.progress, l.resent)) < resendAfter {
		l.mu.Unlock()
		return
	}
	l.resent = now
	again := make([]*actorpb.Packet, 0, len(l.flight))
	for _, p := range l.flight {
		again = append(again, p.Packet)
	}
	l.mu.Unlock()
	for _, p := range again {
		l.mesh.out.Send(l.peer.ID, inboxReplica, p)
	}
}

// inSync makes the peer one whose acknowledgements count. The lock is held.
func (l *link) inSync() {
	if l.synced = true; !l.doubted {
		l.mesh.feed.join(l.peer.Process, l.number)
	}
}

// doubt sets whether the peer's acknowledgements are waited for.
func (l *link) doubt(doubted bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case doubted == l.doubted:
	case doubted:
		l.mesh.feed.leave(l.peer.Process)
		l.mesh.feed.expect(false)
	default:
		l.mesh.feed.expect(true)
		if l.synced {
			l.mesh.feed.join(l.peer.Process, l.number)
		}
	}
	l.doubted = doubted
}

// silent reports whether the peer has not acknowledged anything for longer than it could
// be stalled.
func (l *link) silent(now naming.Instant) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.flight) > 0 && now.Since(l.progress) > silence
}

// end takes the peer out of the feed's books. It returns the heritages that the peer may not
// have got: nobody else has them. What else is lost is found by comparing notes.
func (l *link) end() []stray {
	l.doubt(true)
	l.mesh.feed.close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	var left []stray
	for _, f := range l.flight {
		for _, pb := range f.GetHandoff().GetServices() {
			left = append(left, stray{pb.Naming(), f.sent})
		}
	}
	for _, p := range l.queue {
		if h, ok := p.(*handoffParcel); ok {
			left = append(left, h.list...)
		}
	}
	return left
}

// unanswered reports whether the peer has taken everything and has not told what it holds:
// it did not know this node yet when it was asked.
func (l *link) unanswered() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.synced && len(l.queue) == 0 && len(l.flight) == 0
}

// idle reports whether everything queued has arrived.
func (l *link) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue) == 0 && len(l.flight) == 0
}
