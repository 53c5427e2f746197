package simnet

import (
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
)

// line carries the messages from one process to another, in order.
type line struct {
	net   *Network
	from  *Host
	to    *Host
	queue []letter
	last  time.Time // when the last one is due
	armed bool
}

// lineKey names a line.
type lineKey struct{ from, to *Host }

// letter is a message on its way. It travels as bytes: nothing is shared between hosts.
type letter struct {
	inbox string
	kind  proto.Message
	body  []byte
	due   time.Time
}

// lostEvery is how often a process tries to connect to a dead one, and is told so.
const lostEvery = 250 * time.Millisecond

// Send sends a message to an inbox of another host. It returns at once; the message may be
// lost. Messages that arrive do so in order.
func (h *Host) Send(to, inbox string, message proto.Message) {
	body, err := proto.Marshal(message)
	if err != nil {
		panic(fmt.Sprintf("message %T cannot travel: %v", message, err))
	}
	n := h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	target := n.hosts[to]
	if target == nil || h.dead {
		return
	}
	if target.dead {
		n.stats.Lost++
		if n.open(h.name, to) && n.open(to, h.name) && time.Since(h.toldAt[to]) >= lostEvery {
			h.toldAt[to] = time.Now()
			time.AfterFunc(2*n.latency(), func() { h.tell(to) })
		}
		return
	}
	if n.mute[way{h.name, to}] || !n.held(h.name, to) && n.lose(h.name, to) {
		return
	}
	n.stats.Messages++
	n.stats.Bytes += len(body)
	key := lineKey{h, target}
	l := n.lines[key]
	if l == nil {
		l = &line{net: n, from: h, to: target}
		n.lines[key] = l
	}
	l.last = later(l.last, time.Now().Add(n.latency()))
	l.queue = append(l.queue, letter{inbox, message, body, l.last})
	l.arm()
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// arm sets the timer for the first letter. The lock is held.
func (l *line) arm() {
	if l.armed || len(l.queue) == 0 {
		return
	}
	l.armed = true
	time.AfterFunc(time.Until(l.queue[0].due), func() {
		l.net.mu.Lock()
		l.armed = false
		l.net.mu.Unlock()
		l.fire()
	})
}

// joins reports whether the line is one between two hosts.
func (l *line) joins(a, b string) bool {
	return l.from.name == a && l.to.name == b || l.from.name == b && l.to.name == a
}

// fire delivers what is due, unless a pause or a cut holds it up.
func (l *line) fire() {
	n := l.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.halted(l.from.name, l.to.name) || n.held(l.from.name, l.to.name) {
		return // Resume, Mend and Heal fire
	}
	now := time.Now()
	for len(l.queue) > 0 && !l.queue[0].due.After(now) {
		m := l.queue[0]
		l.queue[0] = letter{}
		l.queue = l.queue[1:]
		if n.cut[way{l.from.name, l.to.name}] || l.to.dead {
			n.stats.Lost++
			continue
		}
		if in := l.to.inboxes[m.inbox]; in != nil {
			in.post(l.from.name, m)
		}
	}
	if len(l.queue) == 0 && l.from.dead {
		delete(n.lines, lineKey{l.from, l.to})
	}
	l.arm()
}

// inbox hands messages over one at a time. Its goroutine lives while there are any.
type inbox struct {
	receive func(from string, message proto.Message)

	mu      sync.Mutex
	queue   []arrival
	running bool
}

type arrival struct {
	from string
	letter
}

func (in *inbox) post(from string, m letter) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.queue = append(in.queue, arrival{from, m})
	if !in.running {
		in.running = true
		go in.run()
	}
}

func (in *inbox) run() {
	for {
		in.mu.Lock()
		if len(in.queue) == 0 {
			in.running = false
			in.mu.Unlock()
			return
		}
		m := in.queue[0]
		in.queue = in.queue[1:]
		in.mu.Unlock()
		message := m.kind.ProtoReflect().New().Interface()
		if err := proto.Unmarshal(m.body, message); err != nil {
			panic(fmt.Sprintf("message %T cannot be read: %v", message, err))
		}
		in.receive(m.from, message)
	}
}
