package faulttest

import (
	"sync"
	"time"
)

// instant is a time since a history began.
type instant = time.Duration

// forever is later than anything in a history.
const forever = instant(1<<62 - 1)

// history is what clients asked and were told, what readers saw, and what was done to the
// nodes meanwhile. Nodes, services and instances are numbers.
type history struct {
	began   time.Time
	variety variety

	mu        sync.Mutex
	instances []*instance
	reads     []read
	troubles  []trouble
	absences  []absence
	wipes     []instant // all nodes died at once: what is not persistent is gone
}

func newHistory() *history { return &history{began: time.Now()} }

func (h *history) now() instant { return time.Since(h.began) }

// instance is an address in a service. It may be registered and withdrawn repeatedly, but
// by one client, which does one thing at a time.
type instance struct {
	id         int
	service    int
	persistent bool
	disabled   bool

	mu     sync.Mutex
	writes []write
	edits  int // that were asked for
}

// what a write asks for.
type operation int

const (
	register operation = iota
	beat
	deregister
	edit
)

func (o operation) String() string { return [...]string{"register", "beat", "deregister", "edit"}[o] }

// outcome is what became of a write as far as its client knows.
type outcome int

const (
	// maybe: no answer, or an error; it may have been carried out, or be carried out yet.
	maybe outcome = iota
	acked
	// stranger: a beat's instance is not known to the server; nothing was changed.
	stranger
)

func (o outcome) String() string { return [...]string{"maybe", "acked", "stranger"}[o] }

// write is one attempt at one node.
type write struct {
	op        operation
	node      int
	call, ret instant
	outcome   outcome
	edit      int // number of edits that its content comes from
}

// read is a list of a service that one node was asked for.
type read struct {
	node, service int
	call, ret     instant
	err           string // empty: it was answered with 200
	shown         []shown
}

type shown struct {
	id      int // -1: nobody has registered it
	healthy bool
	edit    int  // its content is that of an edit
	torn    bool // it is that of no edit
}

// trouble is a time in which some nodes do not hear others.
type trouble struct {
	from, to instant
	set      instant // when it had taken effect: cutting takes a while
	// side tells the side of each node; missing ones are on side 0. Nodes of different sides do
	// not hear each other.
	side map[int]int
	// settle is how long after the end a node may need to know what the others know.
	settle time.Duration
	asleep bool // a side does not hear because it does not run
}

func (tr *trouble) parts(a, b int) bool { return tr.side[a] != tr.side[b] }

// absence is a time in which a node need not answer.
type absence struct {
	node     int
	from, to instant
	// sudden: it was killed, and had no time to hand anything over.
	sudden bool
}

// newInstance makes an instance that has not been registered.
func (h *history) newInstance(service int, persistent bool) *instance {
	h.mu.Lock()
	defer h.mu.Unlock()
	id := len(h.instances)
	in := &instance{id: id, service: service, persistent: persistent, disabled: h.variety.disabled(id)}
	h.instances = append(h.instances, in)
	return in
}

func (h *history) instance(id int) *instance {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.instances[id]
}

func (in *instance) wrote(w write) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.writes = append(in.writes, w)
}

func (h *history) saw(r read) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reads = append(h.reads, r)
}

// begin notes that a trouble begins; the function that is returned, that it is over.
func (h *history) begin(tr trouble) (over func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := len(h.troubles)
	tr.from, tr.to = h.now(), forever
	tr.set = tr.from
	h.troubles = append(h.troubles, tr)
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.troubles[i].to = h.now()
	}
}

// effective notes that the trouble that began last has taken effect.
func (h *history) effective() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.troubles[len(h.troubles)-1].set = h.now()
}

// leaves notes that a node need not answer from now on.
func (h *history) leaves(node int, sudden bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.absences = append(h.absences, absence{node, h.now(), forever, sudden})
}

// returns notes that a node answers again.
func (h *history) returns(node int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.absences {
		if a := &h.absences[i]; a.node == node && a.to == forever {
			a.to = h.now()
		}
	}
}

// wiped notes that no node lives.
func (h *history) wiped() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wipes = append(h.wipes, h.now())
}

// counts returns how many writes were acknowledged and lists answered since an instant.
func (h *history) counts(since instant) (writes, lists int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, in := range h.instances {
		in.mu.Lock()
		for _, w := range in.writes {
			if w.ret >= since && w.outcome == acked {
				writes++
			}
		}
		in.mu.Unlock()
	}
	for _, r := range h.reads {
		if r.ret >= since && r.err == "" {
			lists++
		}
	}
	return writes, lists
}
