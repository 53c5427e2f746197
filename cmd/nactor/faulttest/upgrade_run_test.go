package faulttest

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// upgrade is a run in which nodes of 1.X and of 2.X replace each other.
type upgrade struct {
	*run
	modes     *modes
	decisions int       // of the cluster, that there were reasons for
	since     time.Time // the last node was replaced, or something else that changes what is decided
	closed    bool      // double write is
	broken    bool      // a stage has failed; the ones after it would tell nothing
	switches  []time.Duration
}

const (
	checkEvery = 300 * time.Millisecond
	// decided is how long a cluster may take from the last cause to the end of a change: two
	// checks of each node, a question, a write to the store, all services.
	decided = 30 * time.Second
	// quietTime is how long it may take until all agree: the longest is an instance whose client
	// has crashed.
	quietTime = 50 * time.Second
)

// mixture is a constant load of all kinds.
var mixture = plan{
	services: 90, instances: 450, saved: 10, savedIn: 50,
	beat: [2]seconds{1, 4}, life: [2]seconds{5, 60}, savedLife: [2]seconds{3, 20}, edits: 0.1, lists: 150,
	variety: mixed,
}

// beginUpgrade starts a new cluster of 1.X or of 2.X under load.
func beginUpgrade(t *testing.T, fault string, g ground, size int, old bool, p plan, args ...string) *upgrade {
	t.Helper()
	c := newCluster(t, g, size)
	c.more = append([]string{"--set", fmt.Sprint("nactor.upgrade.check-interval=", checkEvery.Milliseconds())}, args...)
	for _, n := range c.nodes {
		n.old.Store(old)
	}
	u := &upgrade{since: time.Now()}
	c.start()
	u.run = c.loaded(t, fault, p)
	u.unfailing = true
	u.modes = c.watchModes()
	if !old {
		u.switched()
	}
	return u
}

// stage runs a part of the test as a test of its own. What follows a failed one is skipped.
func (u *upgrade) stage(name string, f func()) {
	owner := u.owner.(*testing.T)
	owner.Run(name, func(t *testing.T) {
		if u.broken {
			t.Skip("a stage before this one has failed")
		}
		u.t, u.cluster.t, u.broken = t, t, true
		defer func() { u.t, u.cluster.t = owner, owner }()
		begin := time.Now()
		defer func() {
			if u.broken = t.Failed(); t.Skipped() {
				return // its row says why
			}
			results.add(row{u.fault, name, "done in " + short(time.Since(begin)).String(), "", map[bool]string{false: passed, true: failed}[u.broken]})
		}()
		f()
	})
}

// replace ends a node and starts it again as one of 1.X or 2.X, as the manual says.
func (u *upgrade) replace(n *node, old bool) {
	u.t.Helper()
	u.since = time.Now()
	n.stop(20 * time.Second)
	n.old.Store(old)
	u.launch(n)
}

// launch starts a node and waits until it serves, and the log says so.
func (u *upgrade) launch(n *node) {
	u.t.Helper()
	began := time.Now()
	n.launch()
	n.ready(readyTime)
	u.await(10 * time.Second)
	n.awaitLine(lineStarted, began, 5*time.Second)
	if !n.old.Load() && !u.closed {
		n.awaitLine(lineWatches, began, 5*time.Second)
	}
}

// add starts one more node, and has clients use it.
func (u *upgrade) add(old bool) *node {
	u.t.Helper()
	n := u.joiner(u.alive()[0])
	n.old.Store(old)
	u.since = time.Now()
	u.launch(n)
	u.modes.watch(n)
	u.load.add(n)
	return n
}

// drop ends a node for good, as an operator would.
func (u *upgrade) drop(n *node) {
	u.t.Helper()
	u.since = time.Now()
	u.load.remove(n)
	n.stop(20 * time.Second)
	u.await(10 * time.Second)
}

// young returns the nodes of 2.X that serve.
func (u *upgrade) young() []*node {
	var out []*node
	for _, n := range u.alive() {
		if !n.old.Load() {
			out = append(out, n)
		}
	}
	return out
}

func (u *upgrade) anyOld() bool { return len(u.young()) < len(u.alive()) }

// goes waits until all nodes say that the cluster goes by what was decided last.
func (u *upgrade) goes(mode string, double bool, within time.Duration) time.Duration {
	u.t.Helper()
	return eventually(u.t, within, fmt.Sprintf("all nodes go by %s of epoch %d", mode, u.decisions), func() error {
		for _, n := range u.alive() {
			if err := u.shows(n, mode, double); err != nil {
				return fmt.Errorf("%v: %w", n, err)
			}
		}
		return nil
	})
}

// shows tells in what a node does not show a state of the cluster.
func (u *upgrade) shows(n *node, mode string, double bool) error {
	members, err := n.api.members()
	if err != nil {
		return err
	}
	for _, other := range u.alive() {
		if err := rightly(members, other, mode == "v2"); err != nil {
			return err
		}
	}
	if n.old.Load() {
		return nil
	}
	c, err := n.api.counts()
	if err != nil {
		return err
	}
	if c.Upgraded != (mode == "v2") || c.DoubleWrite != double || c.All20X && u.anyOld() {
		return fmt.Errorf("its metrics are %+v", c)
	}
	x, err := n.api.explain()
	if err != nil {
		return err
	}
	if x.Mode != mode || x.Epoch != u.decisions || x.DoubleWrite != double {
		return fmt.Errorf("it explains %s of epoch %d, double write %v: %s; waits for %v", x.Mode, x.Epoch, x.DoubleWrite, x.Cause, x.WaitsFor)
	}
	if u.decisions > 0 {
		if _, err := time.Parse(time.RFC3339, x.DecidedAt); err != nil || x.Cause == "" {
			return fmt.Errorf("it explains no cause %q, or no time: %v", x.Cause, err)
		}
	}
	phase := map[bool]string{true: "done", false: "closed"}[double]
	if mode == "v1" {
		phase = "waiting"
	}
	if x.Phase != phase || mode == "v1" && len(x.WaitsFor) == 0 {
		return fmt.Errorf("its phase is %s, it waits for %v", x.Phase, x.WaitsFor)
	}
	explained := 0
	for _, m := range x.Members {
		at := slices.IndexFunc(u.alive(), func(n *node) bool { return n.addr == m.Address })
		if at < 0 {
			continue
		}
		explained++
		if old := u.alive()[at].old.Load(); !old && (m.Mode != mode || m.Epoch != u.decisions) {
			return fmt.Errorf("it says that %s goes by %s of epoch %d", m.Address, m.Mode, m.Epoch)
		}
	}
	if explained != len(u.alive()) {
		return fmt.Errorf("it explains %d members of %d", explained, len(u.alive()))
	}
	return nil
}

// rightly tells what is wrong with what a list of members says of a node.
func rightly(members []member, n *node, ready bool) error {
	for _, m := range members {
		if m.Address != n.addr {
			continue
		}
		x := m.ExtendInfo
		switch {
		case (x.Version == oldVersion) != n.old.Load():
			return fmt.Errorf("%v has version %s", n, x.Version)
		case n.old.Load() && x.ReadyToUpgrade != nil:
			return fmt.Errorf("%v of 1.X has readyToUpgrade: %v", n, *x.ReadyToUpgrade)
		case !n.old.Load() && (x.ReadyToUpgrade == nil || *x.ReadyToUpgrade != ready):
			return fmt.Errorf("%v has not readyToUpgrade: %v", n, ready)
		}
		return nil
	}
	return fmt.Errorf("%v is not a member", n)
}

// switched waits for the switch to 2.0, and for its lines in the logs.
func (u *upgrade) switched() {
	u.t.Helper()
	u.decisions++
	u.goes("v2", true, decided)
	var vote, flip time.Time
	for _, n := range u.young() {
		flipped := n.awaitLine(lineUpgraded, u.since, 5*time.Second)
		n.awaitLine(lineReady, u.since, 5*time.Second)
		votes := n.logged(namingLog, lineReady, u.since)
		last := votes[0]
		if len(votes) > 1 && !votes[1].After(flipped) {
			last = votes[1] // two must be in a row
		}
		if last.After(vote) {
			vote = last
		}
		if flipped.After(flip) {
			flip = flipped
		}
	}
	u.switches = append(u.switches, flip.Sub(vote))
}

// downgraded waits for the way back to 1.X, and for its lines in the logs.
func (u *upgrade) downgraded() {
	u.t.Helper()
	u.decisions++
	u.goes("v1", true, decided)
	for _, n := range u.young() {
		n.awaitLine(lineNotReady, u.since, 5*time.Second)
	}
}

// stays checks that nothing is decided for some time.
func (u *upgrade) stays(mode string, d time.Duration) {
	u.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); {
		for _, n := range u.young() {
			if x, err := n.api.explain(); err == nil && (x.Epoch != u.decisions || x.Mode != mode) {
				u.t.Fatalf("%v goes by %s of epoch %d, because %s; there was no reason", n, x.Mode, x.Epoch, x.Cause)
			}
		}
		u.traffic(modeEvery)
	}
}

// coordinator returns the node that has written the last decision, as the logs tell.
func (u *upgrade) coordinator() *node {
	u.t.Helper()
	var last time.Time
	var who *node
	for _, n := range u.nodes {
		for _, at := range n.logged(namingLog, lineDecided, time.Time{}) {
			if at.After(last) {
				last, who = at, n
			}
		}
	}
	if who == nil {
		u.t.Fatal("no log tells who decides")
	}
	return who
}

// finish is end, and judges the decisions and the times of all switches.
func (u *upgrade) finish() {
	u.t.Helper()
	u.modes.report(u.t, u.fault, u.decisions)
	if len(u.switches) > 0 {
		u.within("last vote → last flip", u.switches, together)
	}
	if u.broken {
		u.load.halt()
		u.history.check().report(u.t, u.fault, true) // it may tell why
		return
	}
	u.end()
}
