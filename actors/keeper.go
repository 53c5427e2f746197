package actors

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"nactor/actors/actorpb"
	"nactor/naming"
)

// keeper knows which partitions this node serves, and moves them: it takes over what the
// ring gives to this node, after everybody else has handed over or said what they hold, and
// hands over what the ring takes away.
type keeper struct {
	*mesh
	table atomic.Pointer[table]

	mu       sync.Mutex
	taking   map[int]*taking
	parked   []*parkedClaim
	claims   map[uint64]map[int]bool // by id, of ours: the partitions that were not answered for
	releases map[int]int             // partitions that are being handed over: services that are not done
	strays   []stray                 // what came here and belongs elsewhere
	moves    chan func()             // releases and awakenings, one after the other
	quit     chan struct{}
	told     chan struct{} // closed and replaced when something has changed
	news     atomic.Bool   // partitions have been opened that guests do not know of
	wg       sync.WaitGroup
}

// table is the distribution as this node acts on it. Immutable but for the gates.
type table struct {
	Topology
	processes map[string]bool // that are here, this one among them
	self      string
	gates     [naming.Partitions]*gate // nil: not this node's
}

// gate is closed while a partition is being taken over.
type gate struct {
	open   atomic.Bool
	opened chan struct{}

	mu    sync.Mutex
	beats map[naming.Key][]heard // that came meanwhile
	count int
}

// maxKept bounds the heartbeats that wait at a gate.
const maxKept = 10_000

// keep holds heartbeats back until the gate opens; false: it is open.
func (g *gate) keep(key naming.Key, late []heard) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open.Load() {
		return false
	}
	if g.count < maxKept {
		if g.beats == nil {
			g.beats = map[naming.Key][]heard{}
		}
		g.beats[key] = append(g.beats[key], late...)
		g.count += len(late)
	}
	return true
}

// unlock opens the gate.
func (g *gate) unlock() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open.Store(true)
	close(g.opened)
}

// give returns the heartbeats that were kept.
func (g *gate) give() map[naming.Key][]heard {
	g.mu.Lock()
	defer g.mu.Unlock()
	kept := g.beats
	g.beats = nil
	return kept
}

// taking is a partition that is being taken over.
type taking struct {
	need   map[string]bool // nodes that have not said what they hold
	since  time.Time
	pulls  int
	legacy []stray // to be merged once services are awake
}

// parkedClaim is a peer's claim that this node cannot answer yet.
type parkedClaim struct {
	from  string
	claim *actorpb.Claim
	since time.Time
	left  map[int]uint64 // partitions not answered for, and their sums
}

const (
	takePatience = 2500 * time.Millisecond // with those who do not answer a claim
	parkPatience = 1500 * time.Millisecond // with a ring that does not agree with a claim
	moveQueue    = 4096
)

func newKeeper(m *mesh) *keeper {
	k := &keeper{
		mesh: m, taking: map[int]*taking{}, claims: map[uint64]map[int]bool{}, releases: map[int]int{},
		moves: make(chan func(), moveQueue), quit: make(chan struct{}), told: make(chan struct{}),
	}
	k.table.Store(&table{Topology: Topology{Owner: func(int) string { return "" }}, self: m.Self})
	k.wg.Go(k.move)
	return k
}

// move carries out the moves, one at a time: a mass move must not crowd out requests.
func (k *keeper) move() {
	for {
		select {
		case f := <-k.moves:
			f()
		case <-k.quit:
			return
		}
	}
}

func (k *keeper) later(f func()) {
	select {
	case k.moves <- f:
	case <-k.quit:
	}
}

func (k *keeper) stop() {
	close(k.quit)
	k.wg.Wait()
}

// owned returns the ring, and the partitions that this node serves in it.
func (k *keeper) owned() (ring uint64, partitions []int) {
	t := k.table.Load()
	for p, g := range t.gates {
		if g != nil && g.open.Load() {
			partitions = append(partitions, p)
		}
	}
	return t.Ring, partitions
}

// follow acts on a new topology. It is called for one at a time.
func (k *keeper) follow(topo Topology) {
	old := k.table.Load()
	next := &table{Topology: topo, self: k.Self}
	var gained, lost []int
	kept := map[naming.Key][]heard{} // heartbeats at gates that never opened
	for p := range next.gates {
		switch mine := topo.Owner(p) == k.Self; {
		case mine && old.gates[p] != nil:
			next.gates[p] = old.gates[p]
		case mine:
			next.gates[p] = &gate{opened: make(chan struct{})}
			gained = append(gained, p)
		case old.gates[p] != nil:
			lost = append(lost, p)
			maps.Copy(kept, old.gates[p].give())
		}
	}
	next.processes = map[string]bool{topo.Process: true}
	for _, p := range topo.Peers {
		next.processes[p.Process] = true
	}
	k.mesh.follow(topo.Process, topo.Peers)
	// Those that join are asked too: one of them may own what this node takes over, by its
	// own ring, and not know of this node yet.
	up := map[string]bool{}
	for _, p := range topo.Peers {
		if !p.Doubted {
			up[p.ID] = true
		}
	}
	k.mu.Lock()
	k.table.Store(next)
	now := time.Now()
	for _, p := range lost {
		if t := k.taking[p]; t != nil {
			k.strays = append(k.strays, t.legacy...)
			delete(k.taking, p)
		}
		k.releases[p]++ // until the mover has looked at it
	}
	for _, p := range gained {
		t := &taking{need: map[string]bool{}, since: now}
		maps.Copy(t.need, up)
		k.taking[p] = t
	}
	for p, t := range k.taking {
		for id := range t.need {
			if !up[id] {
				delete(t.need, id)
			}
		}
		k.settle(p, t)
	}
	k.mu.Unlock()
	k.reconsider()
	for id := range up {
		k.claim(id, gained)
	}
	for key, late := range kept {
		k.gateway.credited(key, late)
	}
	for _, p := range lost {
		to := topo.Owner(p)
		k.later(func() { k.release(p, to) })
	}
	k.unpark()
	k.changed()
}

// ownsNothing reports whether this node owns nothing.
func (k *keeper) ownsNothing() bool {
	for _, g := range k.table.Load().gates {
		if g != nil {
			return false
		}
	}
	return true
}

// changed wakes those who wait for a change of the distribution.
func (k *keeper) changed() {
	k.mu.Lock()
	defer k.mu.Unlock()
	close(k.told)
	k.told = make(chan struct{})
}

// change returns a channel that is closed at the next change.
func (k *keeper) change() <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.told
}

// claim asks a node for what it knows of partitions that this node takes over.
func (k *keeper) claim(id string, partitions []int) {
	if len(partitions) == 0 {
		return
	}
	number := k.newSession()
	left := make(map[int]bool, len(partitions))
	for _, p := range partitions {
		left[p] = true
	}
	k.mu.Lock()
	k.claims[number] = left
	k.mu.Unlock()
	ring := k.table.Load().Ring
	k.send(id, later(func() *actorpb.Packet {
		c := &actorpb.Claim{Id: number, Ring: ring}
		for _, p := range partitions {
			c.Partitions = append(c.Partitions, uint32(p))
			c.Sums = append(c.Sums, k.Views.Sum(p))
		}
		return &actorpb.Packet{Body: &actorpb.Packet_Claim{Claim: c}}
	}))
}

// onClaim takes a peer's claim.
func (k *keeper) onClaim(from string, c *actorpb.Claim) {
	parked := &parkedClaim{from: from, claim: c, since: time.Now(), left: map[int]uint64{}}
	for i, p := range c.Partitions {
		if p < naming.Partitions && i < len(c.Sums) {
			parked.left[int(p)] = c.Sums[i]
		}
	}
	k.mu.Lock()
	k.parked = append(k.parked, parked)
	k.mu.Unlock()
	k.unpark()
}

// unpark answers the claims that can be answered, partition by partition: those that this
// node's ring gives to the claimant too and that have been handed over, and those that have
// waited long enough for the rings to agree.
func (k *keeper) unpark() {
	type answer struct {
		to      string
		claimed *actorpb.Claimed
		sums    []uint64
	}
	var answers []answer
	k.mu.Lock()
	t, now := k.table.Load(), time.Now()
	rest := k.parked[:0]
	for _, c := range k.parked {
		a := answer{to: c.from, claimed: &actorpb.Claimed{Id: c.claim.Id}}
		for p, sum := range c.left {
			if k.releases[p] > 0 || t.Owner(p) != c.from && now.Sub(c.since) < parkPatience {
				continue
			}
			delete(c.left, p)
			a.claimed.Partitions = append(a.claimed.Partitions, uint32(p))
			a.sums = append(a.sums, sum)
		}
		if len(c.left) > 0 {
			rest = append(rest, c)
		}
		if len(a.sums) > 0 {
			answers = append(answers, a)
		}
	}
	clear(k.parked[len(rest):])
	k.parked = rest
	k.mu.Unlock()
	for _, a := range answers {
		k.send(a.to, later(func() *actorpb.Packet {
			a.claimed.Listing = k.listing(a.claimed.Partitions, a.sums)
			return &actorpb.Packet{Body: &actorpb.Packet_Claimed{Claimed: a.claimed}}
		}))
	}
}

// onClaimed takes an answer to a claim: what the peer holds that this node does not is
// fetched before the partitions open.
func (k *keeper) onClaimed(from string, c *actorpb.Claimed) {
	_, _, ask, merge := k.compare(c.Listing)
	pulls := map[uint64][]naming.Key{}
	k.mu.Lock()
	for i, keys := range [][]naming.Key{ask, merge} {
		if len(keys) > 0 {
			id := k.newSession()<<1 | uint64(i)
			pulls[id] = keys
			k.claims[id] = map[int]bool{}
			for _, key := range keys {
				k.claims[id][key.Partition()] = true
			}
			for p := range k.claims[id] {
				if t := k.taking[p]; t != nil {
					t.pulls++
				}
			}
		}
	}
	for _, p := range c.Partitions {
		delete(k.claims[c.Id], int(p))
		if t := k.taking[int(p)]; t != nil {
			delete(t.need, from)
			k.settle(int(p), t)
		}
	}
	if len(k.claims[c.Id]) == 0 {
		delete(k.claims, c.Id)
	}
	k.mu.Unlock()
	for id, keys := range pulls {
		k.send(from, once{pull(keys, id&1 == 1, id)})
	}
}

// onPulled takes note that an answer to a pull is complete.
func (k *keeper) onPulled(_ string, id uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for p := range k.claims[id] {
		if t := k.taking[p]; t != nil && t.pulls > 0 {
			t.pulls--
			k.settle(p, t)
		}
	}
	delete(k.claims, id)
}

// settle opens a partition when nobody is to be waited for. The lock is held.
func (k *keeper) settle(p int, t *taking) {
	if len(t.need) > 0 || t.pulls > 0 {
		return
	}
	g := k.table.Load().gates[p]
	if g == nil {
		return
	}
	delete(k.taking, p)
	legacy := t.legacy
	select {
	case k.moves <- func() { k.open(p, g, legacy) }:
	default:
		// The queue has room for every partition several times over.
		k.wg.Go(func() { k.later(func() { k.open(p, g, legacy) }) })
	}
}

// open begins to serve a partition and wakes its services: their beats must be watched.
func (k *keeper) open(p int, g *gate, legacy []stray) {
	if k.table.Load().gates[p] != g {
		k.astray(legacy) // gone again
		return
	}
	g.unlock()
	now := time.Now()
	for _, h := range legacy {
		k.inherit(h.at(now))
	}
	for _, v := range k.Views.Partition(p) {
		k.rouse(v)
	}
	for key, late := range g.give() {
		k.gateway.credited(key, late)
	}
	k.news.Store(true)
	k.changed()
}

// tick looks after those who do not answer. To be called every 100 ms or so.
func (k *keeper) tick() {
	now := time.Now()
	k.mu.Lock()
	late := 0
	for p, t := range k.taking {
		if now.Sub(t.since) > takePatience {
			late++
			clear(t.need)
			t.pulls = 0
			k.settle(p, t)
		}
	}
	k.mu.Unlock()
	if late > 0 {
		k.Logger.Warn("took over services without an answer from every node; what those know is merged later", "partitions", late)
	}
	k.unpark()
	k.forward(now)
}

// release hands the services of a partition over to its new owner.
func (k *keeper) release(p int, to string) {
	active := k.handles.partition(p)
	k.mu.Lock()
	k.releases[p] += len(active)
	k.mu.Unlock()
	var mu sync.Mutex
	left := len(active) + 1
	var list []stray
	done := func(h *naming.Heritage) {
		mu.Lock()
		defer mu.Unlock()
		if h != nil {
			list = append(list, stray{*h, time.Now()})
		}
		if left--; left == 0 {
			k.handOff(to, list)
		}
		k.released(p)
	}
	for _, h := range active {
		k.dismiss(h, done)
	}
	done(nil)
}

func (k *keeper) released(p int) {
	k.mu.Lock()
	k.releases[p]--
	last := k.releases[p] == 0
	if last {
		delete(k.releases, p)
	}
	k.mu.Unlock()
	if last {
		k.unpark()
	}
}

// onHandoff takes over services. What it tells has become older by as much as it came late.
func (k *keeper) onHandoff(h *actorpb.Handoff, late time.Duration) {
	now := time.Now()
	for _, pb := range h.Services {
		k.merge(stray{pb.Naming(), now.Add(-late)}.at(now))
	}
}

// merge brings what another node knew into the service, when it is this node's.
func (k *keeper) merge(h naming.Heritage) {
	p := h.View.Key.Partition()
	k.mu.Lock()
	if t := k.taking[p]; t != nil {
		t.legacy = append(t.legacy, stray{h, time.Now()})
		k.mu.Unlock()
		return
	}
	if g := k.table.Load().gates[p]; g == nil {
		k.strays = append(k.strays, stray{h, time.Now()})
		k.mu.Unlock()
		return
	}
	k.mu.Unlock()
	// Also with the gate about to open: grains do not mind.
	k.inherit(h)
}

// settled reports whether what this node owns is open, and what it does not is gone.
func (k *keeper) settled() bool {
	for _, g := range k.table.Load().gates {
		if g != nil && !g.open.Load() {
			return false
		}
	}
	return k.idle()
}

// idle reports whether everything that this node has lost has been handed over.
func (k *keeper) idle() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.releases) == 0 && len(k.parked) == 0 && len(k.strays) == 0
}

// waits until cond holds; cond is asked at each change.
func (k *keeper) await(ctx context.Context, cond func() bool) error {
	for {
		changed := k.change()
		if cond() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
