package simtest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"nactor/actors/upgrade"
	"nactor/naming"
	"nactor/naming/dual"
	"nactor/naming/upgrade/switchover"
)

// referee watches over the upgrade: what is decided, who goes by what, and what readers are
// shown meanwhile.
type referee struct {
	w       *world
	clients map[naming.Key][]*client

	mu        sync.Mutex
	decisions []decision                // by epoch, from 0 on
	reached   map[string]uint64         // by node: the newest epoch that one of its lives has followed
	seen      map[sight]bool            // was shown healthy
	apart     map[[2]string]time.Time   // a 1.X node and one that goes by 2.0 hear each other, since then
	followed  map[uint64]map[*node]bool // who has followed, by epoch
	slowest   time.Duration             // from a decision to who followed it last, in calm
	switches  int
	failures  int
}

// decision is what the store holds, and since when.
type decision struct {
	switchover.State
	at time.Time
}

// sight is what one life of a node shows of a client.
type sight struct {
	n *node
	c *client
}

func newReferee(w *world, clients []*client) *referee {
	r := &referee{
		w: w, clients: map[naming.Key][]*client{}, decisions: []decision{{switchover.Initial(), time.Now()}}, reached: map[string]uint64{},
		seen: map[sight]bool{}, apart: map[[2]string]time.Time{}, followed: map[uint64]map[*node]bool{},
	}
	for _, c := range clients {
		r.clients[c.key] = append(r.clients[c.key], c)
	}
	return r
}

// What is promised of the upgrade, with a little room.
const (
	refereeEvery = 100 * time.Millisecond
	followIn     = time.Second // from a decision to the last node, while all hear each other
	noticedIn    = 8 * time.Second
	evenIn       = 2 * time.Second // from the last change to equal structures
)

func (r *referee) fail(format string, args ...any) {
	r.failures++
	text := fmt.Sprintf(format, args...)
	r.w.trace("VIOLATION %s", text)
	if r.failures <= maxFailures {
		r.w.t.Errorf("%.3f s: %s", time.Since(r.w.began).Seconds(), text)
	}
}

// calm reports whether no fault is under way, nor its consequences.
func (w *world) calm() bool {
	sky := w.weather()
	return !sky.rough && !sky.split && time.Since(sky.event) > movedAfter && (sky.healed.IsZero() || time.Since(sky.healed) > mergedAfter)
}

// newest returns the newest decision.
func (r *referee) newest() decision {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.decisions[len(r.decisions)-1]
}

// decided holds a decision against the one before it and against who is here.
func (r *referee) decided(by *node, d document) {
	r.mu.Lock()
	defer r.mu.Unlock()
	next, err := switchover.Decode(d.value)
	if err != nil {
		r.fail("%s wrote %q: %v", by.name, d.value, err)
		return
	}
	last := r.decisions[len(r.decisions)-1]
	r.w.trace("%s has decided: epoch %d, %v, double write %v: %s", by.name, next.Epoch, next.Mode, next.DoubleWrite, next.Cause)
	r.decisions = append(r.decisions, decision{next, time.Now()})
	if next.Epoch != last.Epoch+1 {
		r.fail("upgrade: epoch %d comes after %d", next.Epoch, last.Epoch)
	}
	if last.Closed() {
		r.fail("upgrade: double write was closed at epoch %d, which is for good", last.Epoch)
	}
	switch {
	case next.Closed() && last.Mode != switchover.V2:
		r.fail("upgrade: double write is closed in mode %v", last.Mode)
	case next.Mode == last.Mode && next.DoubleWrite == last.DoubleWrite:
		r.fail("upgrade: epoch %d decides nothing", next.Epoch)
	case next.Mode == switchover.V2:
		r.switches++
		for _, n := range r.w.all() {
			switch {
			case n.old() && n.host.Alive() && time.Since(n.born) > noticedIn:
				r.fail("I2: 2.0 was decided while %s runs %s", n.name, n.version)
			case last.Mode == switchover.V1 && !n.host.Alive() && r.w.calm():
				r.fail("I2: 2.0 was decided while %s is down", n.name)
			}
		}
	default:
		old := false
		for _, n := range r.w.all() {
			old = old || n.old()
		}
		if !old {
			r.fail("upgrade: the cluster goes back to 1.X, and there is no node of 1.X")
		}
	}
}

// run looks now and then until stop is closed.
func (r *referee) run(stop <-chan struct{}) {
	t := time.NewTicker(refereeEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			r.look()
		case <-stop:
			return
		}
	}
}

// look examines what the nodes go by.
func (r *referee) look() {
	calm := r.w.calm()
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.decisions[len(r.decisions)-1]
	for _, n := range r.w.all() {
		if n.begun.Load() && n.host.Alive() {
			r.examine(n, last, calm)
		}
	}
	r.mixed()
}

// examine holds one node against what was decided.
func (r *referee) examine(n *node, last decision, calm bool) {
	state := n.upgrade.State()
	switch {
	case state.Epoch < r.reached[n.name]:
		r.fail("I2: %s goes by epoch %d, and went by %d before", n.name, state.Epoch, r.reached[n.name])
	case state.Epoch > last.Epoch:
		r.fail("I2: %s goes by epoch %d, which was not decided", n.name, state.Epoch)
		return
	case !state.Same(r.decisions[state.Epoch].State):
		r.fail("I2: %s goes by %v, double write %v at epoch %d, which is %v, %v", n.name, state.Mode, state.DoubleWrite, state.Epoch,
			r.decisions[state.Epoch].Mode, r.decisions[state.Epoch].DoubleWrite)
	}
	r.reached[n.name] = state.Epoch
	late := time.Since(last.at)
	if state.Epoch == last.Epoch {
		if r.followed[state.Epoch] == nil {
			r.followed[state.Epoch] = map[*node]bool{}
		}
		if first := !r.followed[state.Epoch][n]; first && calm && n.serving.Load() && n.born.Before(last.at) {
			r.slowest = max(r.slowest, late)
		}
		r.followed[state.Epoch][n] = true
	}
	if !calm || !n.serving.Load() {
		return
	}
	if state.Epoch < last.Epoch && late > followIn+refereeEvery {
		r.fail("I2: %s goes by epoch %d, %v after %d was decided", n.name, state.Epoch, late, last.Epoch)
	}
	d := n.services.DoubleWrite()
	if d.Failed > 0 || d.Oldest > dual.DefaultDelay+evenIn {
		r.fail("I3: at %s %d double writes failed, and one waits for %v", n.name, d.Failed, d.Oldest)
	}
	if n.old() && time.Since(n.born) > noticedIn && last.Mode == switchover.V2 {
		r.fail("I2: %s of %s has been here for %v, and the cluster goes by 2.0", n.name, n.version, time.Since(n.born))
	}
}

// mixed looks for nodes of 1.X that serve beside others that go by 2.0.
func (r *referee) mixed() {
	apart := map[[2]string]time.Time{}
	for _, a := range r.w.serving() {
		for _, b := range r.w.serving() {
			if !a.old() || b.old() || b.upgrade.State().Mode != switchover.V2 || !r.w.net.Connected(a.name, b.name) {
				continue
			}
			pair := [2]string{a.name, b.name}
			if apart[pair] = r.apart[pair]; apart[pair].IsZero() {
				apart[pair] = time.Now()
			}
			if d := time.Since(apart[pair]); d > followIn+refereeEvery {
				r.fail("I2: for %v %s has served as %s, and %s by 2.0", d, a.name, a.version, b.name)
			}
		}
	}
	r.apart = apart
}

// shown examines what a node shows from this moment on.
func (r *referee) shown(n *node, key naming.Key) {
	clients := r.clients[key]
	if len(clients) == 0 {
		return
	}
	v := n.views.View(key)
	calm := r.w.calm()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range clients {
		f := c.state()
		var in *naming.Instance
		if v != nil {
			in = v.FindClient(c.ip, c.port, true)
		}
		if in != nil && in.Healthy {
			r.seen[sight{n, c}] = true
			continue
		}
		if was := r.seen[sight{n, c}]; !was || f.phase != up || len(f.beats) == 0 {
			continue
		}
		r.seen[sight{n, c}] = false
		if beat := f.beats[len(f.beats)-1]; calm && time.Since(beat.at) < naming.DefaultBeatTimeout-beatMargin {
			what := "unhealthy"
			if in == nil {
				what = "no more"
			}
			r.fail("I5: %s shows %s %s, %v after its last beat at %s; goes by %v, epoch %d", n.name, c.name, what, time.Since(beat.at), beat.node,
				n.upgrade.State().Mode, n.upgrade.State().Epoch)
		}
	}
}

// unsettled tells what does not fit a cluster at rest that has decided all that there is to
// decide; "" for nothing.
func (r *referee) unsettled(keys []naming.Key) string {
	last := r.newest()
	old := 0
	for _, n := range r.w.all() {
		if n.old() {
			old++
		}
	}
	switch {
	case old > 0 && last.Mode != switchover.V1:
		return fmt.Sprintf("%d nodes run 1.X, and the cluster goes by %v", old, last.Mode)
	case old == 0 && last.Mode != switchover.V2:
		return fmt.Sprintf("all nodes run 2.X, and the cluster goes by %v: %s", last.Mode, r.explain())
	}
	coordinators := 0
	for _, n := range r.w.all() {
		if !n.serving.Load() {
			return n.name + " does not serve"
		}
		if state := n.upgrade.State(); !state.Same(last.State) {
			return fmt.Sprintf("%s goes by epoch %d, not %d", n.name, state.Epoch, last.Epoch)
		}
		if n.place.has(upgrade.Kind, upgrade.Identity) {
			coordinators++
		}
		for _, key := range keys {
			if text := n.amiss(key, r.layout(n, last.State)); text != "" {
				return fmt.Sprintf("%s: %s %s", n.name, key.Name, text)
			}
		}
		if last.Closed() {
			if c := n.services.Census(r.w.t.Context()); c.One != (dual.Count{}) {
				return fmt.Sprintf("%s: after the close the 1.x structure holds %+v", n.name, c.One)
			}
		}
		m := r.w.all()[0].members().Find(n.name)
		if want := old == 0; !n.old() && (m == nil || m.Ready == nil || *m.Ready != want) {
			return fmt.Sprintf("%s does not say readyToUpgrade=%v", n.name, want)
		}
	}
	if coordinators != 1 {
		return fmt.Sprintf("%d coordinators", coordinators)
	}
	return r.explained(last)
}

// layout is how services are to be kept on a node.
func (r *referee) layout(n *node, s switchover.State) dual.Layout {
	switch {
	case n.old():
		return dual.Layout{Serves: dual.V1}
	case s.Closed():
		return dual.Layout{Serves: dual.V2}
	case s.Mode == switchover.V2:
		return dual.Layout{Serves: dual.V2, DoubleWrite: true, Delay: dual.DefaultDelay}
	}
	return dual.Layout{Serves: dual.V1, DoubleWrite: true, Delay: dual.DefaultDelay}
}

// explained asks every node where the upgrade stands.
func (r *referee) explained(last decision) string {
	phase := switchover.Waiting
	switch {
	case last.Closed():
		phase = switchover.Closed
	case last.Mode == switchover.V2:
		phase = switchover.Done
	}
	for _, n := range r.w.all() {
		e, err := n.upgrade.Explain(context.Background())
		if err != nil {
			return fmt.Sprintf("%s does not explain: %v", n.name, err)
		}
		if e.Phase != phase || !e.Same(last.State) {
			return fmt.Sprintf("%s explains phase %s of epoch %d, not %s of %d: waits for %q", n.name, e.Phase, e.Epoch, phase, last.Epoch, e.WaitsFor)
		}
		if phase == switchover.Waiting && len(e.WaitsFor) == 0 {
			return n.name + " does not explain what the upgrade waits for"
		}
	}
	return ""
}

// explain returns what some node says the upgrade waits for.
func (r *referee) explain() string {
	text := ""
	for _, n := range r.w.serving() {
		e, err := n.upgrade.Explain(context.Background())
		text += fmt.Sprintf("%s: %s %q %v; ", n.name, e.Phase, e.WaitsFor, err)
	}
	return text
}

// settled waits until nothing is unsettled.
func (r *referee) settled(limit time.Duration, keys []naming.Key) time.Duration {
	r.w.t.Helper()
	begun, text := time.Now(), ""
	for {
		if text = r.unsettled(keys); text == "" {
			return time.Since(begun)
		}
		if time.Since(begun) > limit {
			r.mu.Lock()
			r.fail("upgrade: not settled after %v: %s", limit, text)
			r.mu.Unlock()
			return limit
		}
		time.Sleep(100 * time.Millisecond)
	}
}
