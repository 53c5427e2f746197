package actors

import (
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"nactor/actors/actorpb"
	"nactor/naming"
)

// Peers is how the actors of a node reach those of other nodes. Package cluster implements
// it.
type Peers interface {
	// Send sends a message to an inbox of another node. It returns at once; the message may
	// be lost. Messages that arrive do so in order.
	Send(to, inbox string, message proto.Message)
}

// The inboxes that a node must open for its services, see [Services.Inboxes].
const (
	inboxReplica = "replica"
	inboxCommand = "command"
	inboxAsk     = "ask"
)

// Peer is another node that can be spoken to.
type Peer struct {
	ID      string // of the node
	Process string // of this life of it
	Doubted bool   // it may be dead or cut off: nobody waits for it, and it owns nothing
}

// Topology is who is here and who owns what. Immutable.
type Topology struct {
	Process string // this life of this node
	Ring    uint64 // names the distribution; equal on all nodes that have the same
	Owner   func(partition int) string
	Peers   []Peer // all that are believed to live, without this node
}

// mesh is this node's links to all others, and the other ends of theirs.
type mesh struct {
	*Services
	out  Peers
	feed *feed

	mu      sync.Mutex
	links   map[string]*linkRun // by process
	routes  map[string]*link    // by node
	from    map[string]*inbound // by node
	wg      sync.WaitGroup
	refused map[naming.Key]refusal
	// stopped ends all links for good: who is here may change until the membership ends.
	stopped bool

	sessions atomic.Uint64
}

type linkRun struct {
	*link
	quit     chan struct{}
	reported bool // as silent
}

// inbound is the receiving end of a peer's link.
type inbound struct {
	transit transit

	mu      sync.Mutex
	process string // that the session is of
	session uint64
	next    uint64
	synced  bool            // the peer has told all that it owned when this session began
	told    map[int]bool    // the partitions that it has told of last
	asked   *actorpb.Digest // the last one, that it will tell of
}

func newMesh(s *Services) *mesh {
	m := &mesh{
		Services: s, out: s.Peers, feed: newFeed(s.MinAcks),
		links: map[string]*linkRun{}, routes: map[string]*link{}, from: map[string]*inbound{}, refused: map[naming.Key]refusal{},
	}
	m.sessions.Store(uint64(time.Now().UnixNano()))
	m.feed.onAppend = m.pokeAll
	return m
}

func (m *mesh) newSession() uint64 { return m.sessions.Add(1) }

// follow makes the links of this process fit the peers.
func (m *mesh) follow(process string, peers []Peer) {
	m.keeper.astray(m.relink(process, peers))
}

// relink makes the links fit the peers, and returns the heritages that those which went may
// not have got.
func (m *mesh) relink(process string, peers []Peer) (left []stray) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopped {
		peers = nil
	}
	here := map[string]bool{}
	m.routes = map[string]*link{}
	for _, p := range peers {
		here[p.Process] = true
		run := m.links[p.Process]
		if run == nil {
			run = &linkRun{link: newLink(m, process, p), quit: make(chan struct{})}
			m.links[p.Process] = run
			run.start()
			m.wg.Go(func() { run.run(run.quit) })
		}
		m.routes[p.ID] = run.link
		run.doubt(p.Doubted)
	}
	for process, run := range m.links {
		if !here[process] {
			delete(m.links, process)
			left = append(left, run.end()...)
			close(run.quit)
		}
	}
	return left
}

// stop ends all links. What is heard of peers afterwards starts none.
func (m *mesh) stop() {
	m.mu.Lock()
	m.stopped = true
	m.mu.Unlock()
	m.follow("", nil)
	m.wg.Wait()
}

// to returns the link to a node, nil when there is none.
func (m *mesh) to(id string) *link {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.routes[id]
}

// send queues a parcel for a node; one for a node that is not here is lost.
func (m *mesh) send(id string, p parcel) {
	if l := m.to(id); l != nil {
		l.send(p)
	}
}

func (m *mesh) pokeAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, run := range m.links {
		run.poke()
	}
}

// listen finds the peers that do not acknowledge any more, and those that do again.
func (m *mesh) listen() {
	if m.Silent == nil {
		return
	}
	m.mu.Lock()
	now := m.Clock.Now()
	heard := map[string]bool{}
	for _, run := range m.links {
		if silent := run.silent(now); silent != run.reported {
			run.reported = silent
			heard[run.peer.ID] = silent
		}
	}
	m.mu.Unlock()
	for id, silent := range heard {
		m.Silent(id, silent)
	}
}

// remind asks those again who have not told what they hold.
func (m *mesh) remind() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, run := range m.links {
		if run.unanswered() {
			run.send(later(m.digest))
		}
	}
}

// idle reports whether everything has arrived everywhere.
func (m *mesh) idle() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, run := range m.links {
		if !run.idle() {
			return false
		}
	}
	return true
}

// receive takes what comes over the links. It is called for one message at a time.
func (m *mesh) receive(from string, message proto.Message) {
	switch p := message.(type) {
	case *actorpb.Packet:
		m.packet(from, p)
	case *actorpb.Ack:
		if l := m.to(from); l != nil {
			l.acked(p)
		}
	}
}

func (m *mesh) packet(from string, p *actorpb.Packet) {
	in := m.inbound(from)
	late := in.transit.late(p.Sent, m.stopwatch.elapsed())
	in.mu.Lock()
	if p.Seq == 1 && p.Session != in.session && m.begins(from, in, p) {
		in.process, in.session, in.next, in.synced, in.told, in.asked = p.Process, p.Session, 1, false, nil, nil
	}
	session, expected := in.session, in.next
	if session == p.Session && expected == p.Seq {
		in.next++
	}
	in.mu.Unlock()
	if session != p.Session || p.Seq > expected {
		return // of a session that is over, or after a gap: it will be repeated
	}
	if p.Seq == expected {
		m.deliver(from, in, p, late)
	}
	m.out.Send(from, inboxReplica, &actorpb.Ack{Session: session, Seq: p.Seq})
}

// begins reports whether a session that begins takes the place of the one that is listened to.
// Those of one process are numbered in order. Of two processes the one counts that the
// membership takes for the node: its clock may be behind that of its life before, and another
// one may run in a copy of its home.
func (m *mesh) begins(from string, in *inbound, p *actorpb.Packet) bool {
	if p.Process == "" || p.Process == in.process {
		return p.Session > in.session
	}
	for _, peer := range m.keeper.table.Load().Peers {
		if peer.ID == from {
			return peer.Process == p.Process
		}
	}
	return in.process == "" // it has heard of this node before this node of it
}

// inbound returns the receiving end of a node's link.
func (m *mesh) inbound(from string) *inbound {
	m.mu.Lock()
	defer m.mu.Unlock()
	in := m.from[from]
	if in == nil {
		in = &inbound{}
		m.from[from] = in
	}
	return in
}

// deliver acts on a packet that came late.
func (m *mesh) deliver(from string, in *inbound, p *actorpb.Packet, late time.Duration) {
	switch b := p.Body.(type) {
	case *actorpb.Packet_Deltas:
		m.deltas(from, in, b.Deltas)
	case *actorpb.Packet_Digest:
		m.onDigest(from, in, b.Digest)
	case *actorpb.Packet_Listing:
		m.onListing(from, b.Listing)
	case *actorpb.Packet_Pull:
		m.onPull(from, b.Pull)
	case *actorpb.Packet_Views:
		m.onViews(from, b.Views)
	case *actorpb.Packet_Gone:
		for _, e := range b.Gone.Entries {
			m.Views.Drop(e.Key.Naming(), e.Revision.Naming())
		}
	case *actorpb.Packet_Synced:
		m.onSynced(in, b.Synced)
	case *actorpb.Packet_Claim:
		m.keeper.onClaim(from, b.Claim)
	case *actorpb.Packet_Claimed:
		m.keeper.onClaimed(from, b.Claimed)
	case *actorpb.Packet_Handoff:
		m.keeper.onHandoff(b.Handoff, late)
	}
}

// deltas shows what another node's services have become. What does not fit is asked for as
// a whole, once the peer has told everything: before that it is on its way.
func (m *mesh) deltas(from string, in *inbound, d *actorpb.Deltas) {
	in.mu.Lock()
	synced := in.synced
	in.mu.Unlock()
	var missing []naming.Key
	for _, b := range d.Deltas {
		if key, ok := m.apply(b); !ok && synced {
			missing = append(missing, key)
		}
	}
	if len(missing) > 0 {
		m.send(from, once{pull(missing, false, 0)})
	}
}
