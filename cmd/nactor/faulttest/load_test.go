package faulttest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// plan says how much a load does.
type plan struct {
	services, instances int        // ephemeral
	saved, savedIn      int        // persistent: services, instances
	beat, life          [2]seconds // between two beats; from registration to the end
	savedLife           [2]seconds
	crashes             float64 // share of the ephemeral ones that end without a word
	edits               float64 // chance of an edit between two beats
	lists               int     // a second, at each node
	variety             variety
}

type seconds float64

func (p plan) allServices() int { return p.services + p.saved }

// usual is some hundred requests a second.
var usual = plan{
	services: 200, instances: 700, saved: 20, savedIn: 60,
	beat: [2]seconds{1, 3}, life: [2]seconds{4, 60}, savedLife: [2]seconds{2, 10}, crashes: 1.0 / 3, lists: 250,
}

func between(s [2]seconds) time.Duration {
	return time.Duration((float64(s[0]) + rand.Float64()*float64(s[1]-s[0])) * float64(time.Second))
}

// load is clients at work. Each looks after one instance and speaks to whichever node it
// picks, and to another one when that does not answer. Readers keep to one node each.
type load struct {
	plan
	t       testing.TB
	history *history
	targets atomic.Pointer[[]*node]

	first  sync.WaitGroup // the first registrations
	calm   chan struct{}  // closed: what lives goes on to live
	stop   chan struct{}
	wg     sync.WaitGroup
	rounds sync.Map // node id → *atomic.Int64, services listed

	living sync.Map // *instance: registered, and looked after

	mu     sync.Mutex
	moving int           // clients in the middle of a registration, an end or an edit
	held   chan struct{} // no other one begins until it is closed; nil: they may

	helpless atomic.Bool  // no node can answer now
	gaveUp   atomic.Int64 // requests that no node answered
	turned   atomic.Int64 // requests that needed another node
	answers  atomic.Int64
	why      atomic.Pointer[string] // the last request was not answered
}

func startLoad(t testing.TB, h *history, p plan, nodes []*node) *load {
	l := &load{plan: p, t: t, history: h, calm: make(chan struct{}), stop: make(chan struct{})}
	l.targets.Store(&nodes)
	t.Cleanup(l.halt)
	for i := range p.instances {
		l.first.Add(1)
		l.wg.Go(func() { l.lives(i%p.services, false, l.first.Done) })
	}
	for i := range p.savedIn {
		l.first.Add(1)
		l.wg.Go(func() { l.lives(p.services+i%p.saved, true, l.first.Done) })
	}
	for _, n := range nodes {
		l.watch(n)
	}
	return l
}

// halt ends the load at once.
func (l *load) halt() {
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
	l.wg.Wait()
}

// settle lets no instance come or go from now on.
func (l *load) settle() { close(l.calm) }

// add makes clients use one more node, and reads from it.
func (l *load) add(n *node) {
	nodes := append(append([]*node(nil), *l.targets.Load()...), n)
	l.targets.Store(&nodes)
	l.watch(n)
}

// remove makes clients forget a node. Its readers stay.
func (l *load) remove(n *node) {
	var nodes []*node
	for _, other := range *l.targets.Load() {
		if other != n {
			nodes = append(nodes, other)
		}
	}
	l.targets.Store(&nodes)
}

// pause waits, and reports false when one of the channels was closed first.
func pause(d time.Duration, ends ...chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	var other chan struct{}
	if len(ends) > 1 {
		other = ends[1]
	}
	select {
	case <-timer.C:
		return true
	case <-ends[0]:
	case <-other:
	}
	return false
}

func closed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// quiet lets no instance come, go or change until resume is called. Beats go on.
func (l *load) quiet(t testing.TB) (resume func()) {
	t.Helper()
	held := make(chan struct{})
	l.mu.Lock()
	l.held = held
	l.mu.Unlock()
	eventually(t, time.Minute, "no client in the middle of something", func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.moving > 0 {
			return fmt.Errorf("%d are", l.moving)
		}
		return nil
	})
	return func() {
		l.mu.Lock()
		l.held = nil
		l.mu.Unlock()
		close(held)
	}
}

// tryMove reports whether a client may let its instance come, go or change; l.moved follows.
func (l *load) tryMove() (ok bool, held chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held != nil {
		return false, l.held
	}
	l.moving++
	return true, nil
}

func (l *load) moved() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.moving--
}

// move is tryMove that waits until it may, or the load comes to its end.
func (l *load) move() bool {
	for {
		ok, held := l.tryMove()
		if ok {
			return true
		}
		select {
		case <-held:
		case <-l.calm:
			return false
		case <-l.stop:
			return false
		}
	}
}

// lives looks after one instance after the other. begun is called when the first is known.
func (l *load) lives(service int, persistent bool, begun func()) {
	begun = sync.OnceFunc(begun)
	defer begun()
	pause(between([2]seconds{0, 2}), l.stop) // not all at once
	for {
		in := l.history.newInstance(service, persistent)
		for again := true; again; again = rand.IntN(2) == 0 {
			if !l.come(in) {
				return
			}
			begun()
			if !l.keep(in) {
				return
			}
			crash := !persistent && rand.Float64() < l.crashes
			if !l.leave(in, crash) {
				return
			}
			if crash {
				break
			}
			if !pause(between([2]seconds{0, 3}), l.stop, l.calm) {
				return
			}
		}
	}
}

// come registers until that is acknowledged.
func (l *load) come(in *instance) bool {
	if !l.move() {
		return false
	}
	defer l.moved()
	if !l.insist(in, register) {
		return false
	}
	l.living.Store(in, true)
	return true
}

// leave ends an instance; the client has begun to move. A crash: not a word.
func (l *load) leave(in *instance, crash bool) bool {
	defer l.moved()
	l.living.Delete(in)
	return crash || l.insist(in, deregister)
}

func (l *load) insist(in *instance, op operation) bool {
	for !l.ask(in, op) {
		if !pause(time.Second, l.stop) {
			return false
		}
	}
	return true
}

// keep beats until the instance's time is over, and begins to move then; for ever once the
// load is calm.
func (l *load) keep(in *instance) bool {
	life := l.life
	if in.persistent {
		life = l.savedLife
	}
	end := time.Now().Add(between(life))
	for {
		wait := between(l.beat)
		if in.persistent {
			wait = min(wait, max(time.Until(end), 100*time.Millisecond))
		}
		if !pause(wait, l.stop) {
			return false
		}
		if !in.persistent {
			l.ask(in, beat)
		}
		if closed(l.calm) {
			if in.persistent {
				return false
			}
			continue
		}
		if ok, _ := l.tryMove(); ok {
			if time.Now().After(end) {
				return true
			}
			if rand.Float64() < l.edits {
				in.mu.Lock()
				in.edits++
				in.mu.Unlock()
				l.ask(in, edit)
			}
			l.moved()
		}
	}
}

// ask asks one node after the other. A beat of an instance that is not known registers it.
func (l *load) ask(in *instance, op operation) bool {
	nodes := *l.targets.Load()
	var errs []error
	for i, at := range rand.Perm(len(nodes)) {
		if closed(l.stop) {
			return false
		}
		switch out, err := l.try(in, op, nodes[at]); {
		case out == acked:
			l.answers.Add(1)
			if i > 0 {
				l.turned.Add(1)
			}
			return true
		case out == stranger:
			return l.ask(in, register)
		default:
			errs = append(errs, err)
		}
	}
	if !closed(l.stop) && !l.helpless.Load() {
		l.gaveUp.Add(1)
		why := fmt.Sprintf("%v, persistent %v: %v", op, in.persistent, errors.Join(errs...))
		l.why.Store(&why)
	}
	return false
}

// attempt asks one node and notes what came of it.
func (l *load) attempt(in *instance, op operation, n *node) outcome {
	out, _ := l.try(in, op, n)
	return out
}

func (l *load) try(in *instance, op operation, n *node) (outcome, error) {
	w := write{op: op, node: n.id, call: l.history.now(), outcome: acked, edit: in.edits}
	err := error(nil)
	switch op {
	case register:
		err = n.api.register(in)
	case deregister:
		err = n.api.deregister(in)
	case edit:
		err = n.api.edit(in)
	case beat:
		var known bool
		if known, err = n.api.beat(in); err == nil && !known {
			w.outcome = stranger
		}
	}
	if err != nil {
		w.outcome = maybe
		if op != beat && unsent(err) {
			return maybe, err
		}
	}
	w.ret = l.history.now()
	in.wrote(w)
	return w.outcome, err
}

// unsent reports whether a request cannot have reached the server.
func unsent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// readers is how many read from a node at once.
const readers = 2

// watch lists all services at one node, again and again.
func (l *load) watch(n *node) {
	done := new(atomic.Int64)
	l.rounds.Store(n.id, done)
	for i := range readers {
		l.wg.Go(func() {
			tick := time.NewTicker(time.Second * readers / time.Duration(l.lists))
			defer tick.Stop()
			for s := i; ; s += readers {
				select {
				case <-tick.C:
				case <-l.stop:
					return
				}
				r := read{node: n.id, service: s % l.allServices(), call: l.history.now()}
				var err error
				r.shown, err = n.api.list(r.service)
				if err != nil {
					r.err = err.Error()
				}
				r.ret = l.history.now()
				l.history.saw(r)
				done.Add(1)
				if err != nil && !pause(50*time.Millisecond, l.stop) {
					return
				}
			}
		})
	}
}

// steady waits until each client has an instance and each reader has seen all services.
func (l *load) steady() {
	l.first.Wait()
	begun := map[int]int64{}
	l.each(func(id int, lists int64) { begun[id] = lists })
	eventually(l.t, time.Minute, "all services listed by all nodes", func() error {
		var err error
		l.each(func(id int, lists int64) {
			if lists-begun[id] < int64(l.allServices()) {
				err = errors.New("not yet")
			}
		})
		return err
	})
}

func (l *load) each(f func(id int, lists int64)) {
	l.rounds.Range(func(id, lists any) bool {
		f(id.(int), lists.(*atomic.Int64).Load())
		return true
	})
}
