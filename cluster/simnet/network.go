package simnet

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Network connects hosts. All its faults are of one direction inside; what takes two names
// works both ways.
type Network struct {
	mu     sync.Mutex
	rand   *rand.Rand
	hosts  map[string]*Host // the last life of each
	names  []string         // in the order of their addresses
	cut    map[way]bool
	mute   map[way]bool // for messages, not for gossip
	paused map[string]bool
	holds  bool // cuts hold messages up instead of losing them
	lines  map[lineKey]*line
	delay  time.Duration
	jitter time.Duration
	drop   float64
	stats  Stats
}

// way is one direction between two hosts.
type way struct{ from, to string }

// Stats count what the network has done.
type Stats struct{ Packets, Streams, Messages, Bytes, Lost int }

// New returns a network without hosts. Its chances follow from seed.
func New(seed uint64) *Network {
	return &Network{
		rand:  rand.New(rand.NewPCG(seed, 0)),
		hosts: map[string]*Host{}, cut: map[way]bool{}, mute: map[way]bool{}, paused: map[string]bool{}, lines: map[lineKey]*line{},
		delay: 200 * time.Microsecond,
	}
}

// Boot starts a process on the host of a name, which must not have a living one.
func (n *Network) Boot(name string) *Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	if old := n.hosts[name]; old != nil && !old.dead {
		panic(fmt.Sprintf("%s is running", name))
	}
	delete(n.paused, name)
	h := newHost(n, name, n.ip(name))
	n.hosts[name] = h
	return h
}

// IP returns the address of a host, which need not have been booted yet.
func (n *Network) IP(name string) netip.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ip(name)
}

func (n *Network) ip(name string) netip.Addr {
	i := slices.Index(n.names, name)
	if i < 0 {
		i = len(n.names)
		n.names = append(n.names, name)
	}
	return netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)})
}

// Hold says what becomes of messages that a cut stops: with true they are delivered when it
// ends, as TCP does, else they are lost, as when it gives up.
func (n *Network) Hold(holds bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.holds = holds
}

// Cut lets nothing pass between two hosts. What is on its way is lost, but for messages that
// are held up, see Hold.
func (n *Network) Cut(a, b string) {
	n.CutOneWay(a, b)
	n.CutOneWay(b, a)
}

// CutOneWay lets nothing pass from one host to another.
func (n *Network) CutOneWay(from, to string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut[way{from, to}] = true
}

// Mend undoes Cut.
func (n *Network) Mend(a, b string) {
	n.mu.Lock()
	delete(n.cut, way{a, b})
	delete(n.cut, way{b, a})
	again := n.stopped(func(l *line) bool { return l.joins(a, b) })
	n.mu.Unlock()
	call(again)
}

// stopped returns what makes some lines go on. The lock is held.
func (n *Network) stopped(which func(*line) bool) (again []func()) {
	for _, l := range n.lines {
		if which(l) {
			again = append(again, l.fire)
		}
	}
	return again
}

func call(all []func()) {
	for _, f := range all {
		f()
	}
}

// Silence loses all messages from one host to another, while gossip goes on between them.
func (n *Network) Silence(from, to string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mute[way{from, to}] = true
}

// Partition cuts the hosts of each group from those of all other groups.
func (n *Network) Partition(groups ...[]string) {
	for i, g := range groups {
		for _, other := range groups[i+1:] {
			for _, a := range g {
				for _, b := range other {
					n.Cut(a, b)
				}
			}
		}
	}
}

// Heal undoes every cut, silence and loss.
func (n *Network) Heal() {
	n.mu.Lock()
	clear(n.cut)
	clear(n.mute)
	n.drop = 0
	again := n.stopped(func(*line) bool { return true })
	n.mu.Unlock()
	call(again)
}

// Drop makes the network lose a share of all packets and messages.
func (n *Network) Drop(share float64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.drop = share
}

// Delay sets how long everything is under way: base, and up to jitter more.
func (n *Network) Delay(base, jitter time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.delay, n.jitter = base, jitter
}

// Pause holds up all that a host sends and all that is sent to it, as a process that is
// stopped does; its timers go on, and it finds that nobody answers.
func (n *Network) Pause(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.paused[name] = true
}

// Resume delivers what Pause held up.
func (n *Network) Resume(name string) {
	n.mu.Lock()
	if !n.paused[name] {
		n.mu.Unlock()
		return
	}
	delete(n.paused, name)
	var again []func()
	for _, h := range n.hosts {
		again = append(again, h.held...)
		h.held = nil
	}
	again = append(again, n.stopped(func(l *line) bool { return l.from.name == name || l.to.name == name })...)
	n.mu.Unlock()
	call(again)
}

// Break ends the connections between two living hosts as a reset does: what is on its way
// is lost, and both are told.
func (n *Network) Break(a, b string) {
	n.mu.Lock()
	x, y := n.hosts[a], n.hosts[b]
	for key, l := range n.lines {
		if key.from == x && key.to == y || key.from == y && key.to == x {
			n.stats.Lost += len(l.queue)
			l.queue = nil
		}
	}
	n.mu.Unlock()
	x.tell(b)
	y.tell(a)
}

// Paused reports whether a host is paused.
func (n *Network) Paused(name string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.paused[name]
}

// Connected reports whether two hosts live and hear each other.
func (n *Network) Connected(a, b string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.alive(a) && n.alive(b) && n.open(a, b) && n.open(b, a)
}

// Stats returns the present counters.
func (n *Network) Stats() Stats {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.stats
}

func (n *Network) alive(name string) bool {
	h := n.hosts[name]
	return h != nil && !h.dead
}

// open reports whether something gets from one host to another now. The lock is held.
func (n *Network) open(from, to string) bool {
	return !n.cut[way{from, to}] && !n.paused[from] && !n.paused[to]
}

// halted reports whether a pause holds up what goes between two hosts. The lock is held.
func (n *Network) halted(from, to string) bool { return n.paused[from] || n.paused[to] }

// held reports whether a cut holds up the messages from one host to another. The lock is held.
func (n *Network) held(from, to string) bool { return n.holds && n.cut[way{from, to}] }

// lose decides about one packet or message. The lock is held.
func (n *Network) lose(from, to string) bool {
	if n.cut[way{from, to}] || n.drop > 0 && n.rand.Float64() < n.drop {
		n.stats.Lost++
		return true
	}
	return false
}

// latency is the time that one thing is under way. The lock is held.
func (n *Network) latency() time.Duration {
	d := n.delay
	if n.jitter > 0 {
		d += time.Duration(n.rand.Int64N(int64(n.jitter)))
	}
	return d
}
