package switchover_test

import (
	"flag"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nactor/naming"
	"nactor/naming/upgrade/switchover"
)

// node is a process, or the place of one that has died.
type node struct {
	id, version string
	process     int
	up, ready   bool
	without     bool // 1.X: its property
	applied     switchover.State
	checked     naming.Instant
	// said is, by question, the epoch that it went by when it answered yes.
	said map[uint64]uint64
}

func (n *node) member() switchover.Member {
	return switchover.Member{ID: n.id, Address: n.id, Process: n.life(), Version: n.version, Up: n.up}
}

func (n *node) life() string { return strconv.Itoa(n.process) }

func (n *node) votes() bool { return n.up && !switchover.Old(n.version) }

// clerk is a coordinator with its own view of the world.
type clerk struct {
	*switchover.Coordinator
	diary   diary
	version uint64 // of the store, as it was told
	settled uint64 // epoch+1 that all were said to follow
}

// letter is a report on its way.
type letter struct {
	to     int
	report switchover.Report
}

// write is a decision on its way to the store.
type write struct {
	by      *clerk
	version uint64
	state   switchover.State
	tried   bool // the store has seen it
	written bool
	told    bool // what became of it
}

// world is a cluster: nodes, a store, two places for coordinators, and what is under way.
type world struct {
	t       *rapid.T
	now     naming.Instant
	nodes   []*node
	history []switchover.State // of the store; its version is the last index
	clerks  [2]*clerk          // nil: there is none
	mail    []letter
	writes  []*write
	first   uint64 // questions are counted from
	lives   int    // of nodes, but their first
	without bool   // 1.X: what the operator wants
	seen    *sights
}

// sights counts what was seen in all runs together: a check of what never happens is none.
type sights struct{ switches, downgrades, closes, without, divided, refused, lies, late, rivals, live int }

const (
	names    = "abcd"
	mostMail = 12
)

func newWorld(t *rapid.T, seen *sights) *world {
	w := &world{t: t, history: []switchover.State{switchover.Initial()}, seen: seen, without: rapid.IntRange(0, 5).Draw(t, "without") == 5}
	for _, c := range names[:rapid.IntRange(1, 3).Draw(t, "nodes")] {
		w.nodes = append(w.nodes, &node{id: string(c), version: "2.0.3", up: true, ready: true, without: w.without, applied: w.store(), said: map[uint64]uint64{}})
	}
	w.elect(0)
	return w
}

func (w *world) store() switchover.State { return w.history[len(w.history)-1] }

func (w *world) at() time.Time { return time.Unix(1_600_000_000, 0).Add(time.Duration(w.now)) }

// any draws one of n.
func (w *world) any(n int, label string) int { return rapid.IntRange(0, n-1).Draw(w.t, label) }

func (w *world) flip(label string) bool { return rapid.Bool().Draw(w.t, label) }

func (w *world) anyNode() *node { return w.nodes[w.any(len(w.nodes), "node")] }

// anyClerk skips the action when there is none.
func (w *world) anyClerk() *clerk {
	c := w.clerks[w.any(len(w.clerks), "coordinator")]
	if c == nil {
		w.t.Skip("no coordinator")
	}
	return c
}

// elect begins a coordinator, beside the one that is there or in its place.
func (w *world) elect(i int) {
	w.first += 1 << 32
	w.clerks[i] = &clerk{Coordinator: switchover.New(switchover.DefaultRules(), w.first)}
	if w.clerks[1-i] != nil {
		w.seen.rivals++
	}
}

// start begins another life of a node. What it goes by may be old: its copy of the store is.
func (w *world) start(n *node, version string, back int) {
	w.lives++
	n.process = w.lives
	n.version, n.up, n.ready, n.checked = version, true, true, w.now
	n.without = w.without != (w.any(8, "mistaken") == 7)
	n.applied, n.said = w.history[max(0, len(w.history)-1-back)], map[uint64]uint64{}
}

// tell lets a coordinator know who is here.
func (w *world) tell(c *clerk, members []switchover.Member) {
	c.diary = append(c.diary, entry{at: w.now, members: members})
	c.Members(w.now, members)
}

func (w *world) truth() []switchover.Member {
	out := make([]switchover.Member, len(w.nodes))
	for i, n := range w.nodes {
		out[i] = n.member()
	}
	return out
}

// read lets a coordinator know what the store holds, or held back versions ago.
func (w *world) read(c *clerk, back int) {
	version := max(0, len(w.history)-1-back)
	s := w.history[version]
	c.version = max(c.version, uint64(version))
	c.diary = append(c.diary, entry{at: w.now, store: &s})
	before, known := c.State()
	c.Committed(w.now, s)
	if after, _ := c.State(); known && after.Epoch < before.Epoch {
		w.t.Fatalf("a coordinator went back from epoch %d to %d", before.Epoch, after.Epoch)
	}
}

// report has a node check whether it is ready.
func (w *world) report(n *node, round uint64) switchover.Report {
	if n.ready && round != 0 {
		n.said[round] = n.applied.Epoch
	}
	return switchover.Report{Node: n.id, Process: n.life(), Applied: n.applied, Round: round, Ready: n.ready, Without1X: n.without}
}

func (w *world) deliver(c *clerk, r switchover.Report) {
	c.diary = append(c.diary, entry{at: w.now, report: &r})
	c.Report(w.now, r)
}

func (w *world) post(to int, r switchover.Report) {
	if len(w.mail) == mostMail {
		w.mail = w.mail[1:]
	}
	w.mail = append(w.mail, letter{to, r})
}

// step lets a coordinator act, and returns its question.
func (w *world) step(c *clerk) (ask uint64) {
	a := c.Step(w.now, w.at())
	state, known := c.diary.state()
	if !known && a != (switchover.Actions{}) {
		w.t.Fatalf("a coordinator that knows nothing wants %+v", a)
	}
	behind := ""
	for _, m := range c.diary.members() {
		if m.Up && !switchover.Old(m.Version) && !c.diary.follows(m, state.Epoch) {
			behind = m.ID
		}
	}
	switch {
	case a.Settled != nil && (behind != "" || c.settled > state.Epoch):
		w.t.Fatalf("all are said to follow epoch %d, and %q does not; said before: %v", state.Epoch, behind, c.settled > state.Epoch)
	case a.Settled != nil:
		c.settled = state.Epoch + 1
	case a.Follow && behind == "":
		w.t.Fatalf("all follow epoch %d and are reminded", state.Epoch)
	}
	if a.Ask != 0 {
		c.diary = append(c.diary, entry{at: w.now, ask: a.Ask})
	}
	w.decided(c, a.Commit, false)
	return a.Ask
}

// follows reports whether a member has ever said that it follows a decision.
func (d diary) follows(m switchover.Member, epoch uint64) bool {
	here, follows := false, false
	for _, e := range d {
		switch {
		case e.members != nil:
			is := find(e.members, m.ID)
			if here = is != nil && is.Process == m.Process; !here {
				follows = false
			}
		case e.report != nil && here && e.report.Node == m.ID && e.report.Process == m.Process:
			follows = e.report.Applied.Epoch >= epoch // the last word counts
		}
	}
	return follows
}

// decided checks a decision against what the coordinator was told, and a switch against
// what the nodes did.
func (w *world) decided(c *clerk, s *switchover.State, operator bool) {
	if s == nil {
		return
	}
	if why := c.diary.mayDecide(w.now, *s, operator); why != "" {
		w.t.Fatalf("decided %+v, but %s", *s, why)
	}
	before, _ := c.diary.state()
	if s.Mode == switchover.V2 && before.Mode == switchover.V1 {
		for _, m := range c.diary.members() {
			i := slices.IndexFunc(w.nodes, func(n *node) bool { return n.id == m.ID && n.life() == m.Process })
			if i < 0 {
				continue // it has died since; what it said cannot be looked up
			}
			if epoch, ok := w.nodes[i].said[c.diary.question()]; !ok || epoch != before.Epoch {
				w.t.Fatalf("decided %+v, but %s has not said it is ready at epoch %d", *s, m.ID, before.Epoch)
			}
		}
	}
	c.diary = append(c.diary, entry{at: w.now, decided: s})
	w.writes = append(w.writes, &write{by: c, version: c.version, state: *s})
}

// try has the store take a decision, if it holds the one before it.
func (w *world) try(x *write) {
	x.tried = true
	if x.version != uint64(len(w.history)-1) {
		w.seen.refused++
		return
	}
	x.written = true
	before := w.store()
	w.history = append(w.history, x.state)
	if x.told {
		w.seen.late++
	}
	switch {
	case x.state.Epoch != before.Epoch+1:
		w.t.Fatalf("epoch %d was followed by %d", before.Epoch, x.state.Epoch)
	case before.Closed() && (!x.state.Closed() || x.state.Mode != switchover.V2):
		w.t.Fatalf("%+v was opened again: %+v", before, x.state)
	case x.state.Mode == switchover.V1 && x.state.Closed():
		w.t.Fatalf("%+v cannot be", x.state)
	case x.state.Closed() && before.Mode == switchover.V1:
		w.seen.without++
	case x.state.Closed():
		w.seen.closes++
	case x.state.Mode == switchover.V2:
		w.seen.switches++
	default:
		w.seen.downgrades++
	}
}

// answer tells a coordinator that its write failed, true or not. Of one that was written
// it is told nothing: it reads it.
func (w *world) answer(x *write, lie bool) {
	x.told = true
	if x.written && !lie || !slices.Contains(w.clerks[:], x.by) {
		return
	}
	if x.written {
		w.seen.lies++
	}
	x.by.diary = append(x.by.diary, entry{at: w.now, failed: true})
	x.by.Failed(w.now)
}

func (w *world) forget() {
	w.writes = slices.DeleteFunc(w.writes, func(x *write) bool { return x.told && x.tried })
}

// ask puts a coordinator's question to nodes, and its answers in the mail.
func (w *world) ask(c *clerk, round uint64) {
	for _, n := range w.nodes {
		if round != 0 && n.votes() {
			w.post(slices.Index(w.clerks[:], c), w.report(n, round))
		}
	}
}

var passes = []time.Duration{time.Millisecond, 200 * time.Millisecond, time.Second, 2 * time.Second, 2500 * time.Millisecond, 5 * time.Second, 13 * time.Second}

// actions are all that may happen, in any order.
func (w *world) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"pass": func(*rapid.T) { w.now = w.now.Add(passes[w.any(len(passes), "time")]) },
		"join": func(*rapid.T) {
			if len(w.nodes) == len(names) {
				w.t.Skip("enough")
			}
			for _, c := range names {
				if !slices.ContainsFunc(w.nodes, func(n *node) bool { return n.id == string(c) }) {
					n := &node{id: string(c)}
					w.start(n, w.version(), w.any(2, "back"))
					w.nodes = append(w.nodes, n)
					return
				}
			}
		},
		"die":     func(*rapid.T) { w.anyNode().up = false },
		"return":  func(*rapid.T) { w.anyNode().up = true }, // the same process: it was cut off
		"restart": func(*rapid.T) { w.start(w.anyNode(), w.version(), w.any(2, "back")) },
		"leave": func(*rapid.T) {
			if len(w.nodes) > 1 {
				i := w.any(len(w.nodes), "node")
				w.nodes = slices.Delete(slices.Clone(w.nodes), i, i+1)
			}
		},
		"ready":  func(*rapid.T) { n := w.anyNode(); n.ready = !n.ready },
		"follow": func(*rapid.T) { w.anyNode().applied = w.store() },
		"check": func(*rapid.T) {
			if n := w.anyNode(); n.votes() {
				w.post(w.any(len(w.clerks), "coordinator"), w.report(n, 0))
			}
		},
		"deliver": func(*rapid.T) {
			if len(w.mail) == 0 {
				w.t.Skip("no mail")
			}
			i := w.any(len(w.mail), "letter")
			l := w.mail[i]
			if !w.flip("again") {
				w.mail = slices.Delete(w.mail, i, i+1)
			}
			if c := w.clerks[l.to]; c != nil {
				w.deliver(c, l.report)
				w.ask(c, w.step(c))
			}
		},
		"flush": func(*rapid.T) { // all that is on its way to one arrives
			i := w.any(len(w.clerks), "coordinator")
			mail, c := w.mail, w.clerks[i]
			w.mail = slices.DeleteFunc(slices.Clone(mail), func(l letter) bool { return l.to == i })
			for _, l := range mail {
				if l.to == i && c != nil {
					w.deliver(c, l.report)
				}
			}
			if c != nil {
				w.ask(c, w.step(c))
			}
		},
		"brink":  func(*rapid.T) { w.brink(w.anyClerk()) },
		"elect":  func(*rapid.T) { w.elect(w.any(len(w.clerks), "coordinator")) },
		"retire": func(*rapid.T) { w.clerks[w.any(len(w.clerks), "coordinator")] = nil },
		"tell":   func(*rapid.T) { c := w.anyClerk(); w.tell(c, w.truth()); w.ask(c, w.step(c)) },
		"mislead": func(*rapid.T) { // an older list, with one more, less, not known, or down
			c := w.anyClerk()
			list := slices.Clone(c.diary.members())
			switch i, n := w.any(5, "how"), w.anyNode().member(); {
			case i == 0:
				n.Version = ""
				fallthrough
			case i == 4:
				n.Up = i == 0 && n.Up
				fallthrough
			case i == 1:
				list = append(slices.DeleteFunc(list, func(m switchover.Member) bool { return m.ID == n.ID }), n)
			case i == 2:
				list = slices.DeleteFunc(list, func(m switchover.Member) bool { return m.ID == n.ID })
			}
			if list == nil {
				list = []switchover.Member{}
			}
			w.tell(c, list)
		},
		"read": func(*rapid.T) { c := w.anyClerk(); w.read(c, w.any(3, "back")); w.ask(c, w.step(c)) },
		"step": func(*rapid.T) { c := w.anyClerk(); w.ask(c, w.step(c)) },
		"close": func(*rapid.T) {
			c := w.anyClerk()
			s, err := c.Close(w.now, w.at())
			if known, _ := c.State(); err == nil && s == nil && !known.Closed() {
				w.t.Fatalf("closed already, it says: %+v", known)
			}
			w.decided(c, s, true)
		},
		"write": func(*rapid.T) {
			if len(w.writes) == 0 {
				w.t.Skip("no write")
			}
			x := w.writes[w.any(len(w.writes), "write")]
			if how := w.any(3, "how"); how == 0 && !x.told {
				w.answer(x, true)
			} else if !x.tried {
				w.try(x)
			} else if !x.told {
				w.answer(x, how == 1)
			}
			w.forget()
		},
		"calm": func(*rapid.T) { w.calm(rapid.IntRange(1, 12).Draw(w.t, "seconds")) },
	}
}

// brink takes a coordinator to where all have voted and are asked once more: most that can
// go wrong does so from here.
func (w *world) brink(c *clerk) {
	for _, n := range w.nodes {
		if !n.votes() {
			w.start(n, "2.0.3", 0)
		}
		n.ready = true
		if w.any(4, "lags") != 3 {
			n.applied = w.store()
		}
	}
	w.read(c, 0)
	for range 2 {
		w.now = w.now.Add(switchover.DefaultRules().Check)
		if c.diary.members() == nil || w.flip("news") {
			w.tell(c, w.truth())
		}
		for _, n := range w.nodes {
			w.deliver(c, w.report(n, 0))
		}
	}
	w.ask(c, w.step(c))
}

func (w *world) version() string {
	if w.any(4, "version") == 0 {
		return "1.4.2"
	}
	return "2.0.3"
}

// calm lets time pass without a fault, a second at a time.
func (w *world) calm(seconds int) {
	for range seconds {
		w.now = w.now.Add(time.Second)
		for _, n := range w.nodes {
			if n.votes() && n.applied.Epoch < w.store().Epoch {
				n.applied, n.checked = w.store(), 0
			}
		}
		var here []*clerk
		for _, c := range w.clerks {
			if c != nil {
				w.tell(c, w.truth())
				w.read(c, 0)
				here = append(here, c)
			}
		}
		w.second(here)
		for _, n := range w.nodes {
			if n.votes() && w.now.Since(n.checked) >= switchover.DefaultRules().Check {
				n.checked = w.now
			}
		}
	}
}

// second is what happens to coordinators in a second without faults.
func (w *world) second(clerks []*clerk) {
	for _, c := range clerks {
		for _, n := range w.nodes {
			if n.votes() && w.now.Since(n.checked) >= switchover.DefaultRules().Check {
				w.deliver(c, w.report(n, 0))
			}
		}
		round := w.step(c)
		for _, n := range w.nodes {
			if n.votes() && round != 0 {
				w.deliver(c, w.report(n, round))
			}
		}
		if round != 0 {
			w.step(c)
		}
	}
	for _, x := range w.writes {
		if !x.tried {
			w.try(x)
			w.answer(x, false)
		}
	}
	w.forget()
}

// patience is how many seconds without faults a cluster may take to get where it belongs:
// as long as a store may be silent about a decision, two checks, and the questions.
const patience = 15 + 1 + 2*5 + 4

// live checks that a cluster gets where it belongs once the faults stop.
func (w *world) live() {
	if w.flip("lost") {
		w.writes = nil // the store never answers
	}
	if w.clerks[0] == nil && w.clerks[1] == nil {
		w.elect(0)
	} else if w.flip("alone") && w.clerks[0] != nil {
		w.clerks[1] = nil
	}
	old := -1
	if w.flip("1.X stays") {
		old = w.any(len(w.nodes), "who")
	}
	for i, n := range w.nodes {
		switch {
		case i == old:
			if !n.up || !switchover.Old(n.version) {
				w.start(n, "1.4.2", 0)
			}
		case !n.votes():
			w.start(n, "2.0.3", 0)
		}
		n.ready = true
	}
	first := old < 0 && w.store().Epoch == 0 && len(w.writes) == 0
	if first && w.flip("divided") && w.divided() {
		return
	}
	for _, n := range w.nodes { // that operators get told to
		if n.without != w.without && w.store().Epoch == 0 && n.votes() {
			w.start(n, n.version, 0)
			n.without = w.without
		}
	}
	w.calm(patience)
	if first && w.store().Epoch == 1 && w.store().Closed() != w.without {
		w.t.Fatalf("without 1.X: %v, and the cluster goes by %+v", w.without, w.store())
	}
	reached := w.store()
	w.calm(8)
	want := switchover.V2
	if old >= 0 && !reached.Closed() {
		want = switchover.V1
	}
	w.seen.live++
	if reached.Mode != want || !reached.Same(w.store()) {
		w.t.Fatalf("after %d s without faults the cluster goes by %+v, and then %+v; want %s", patience, reached, w.store(), want)
	}
	for _, c := range w.clerks {
		if c == nil {
			continue
		}
		if p := c.Phase(); p == switchover.Committing || p == switchover.Switching || c.settled == 0 && len(w.nodes) > 1 {
			w.t.Fatalf("it has settled, and a coordinator is still %s: %+v", p, c.Explain(w.now))
		}
	}
}

// divided checks that members that differ in whether they expect 1.X decide nothing. False
// if they do not differ.
func (w *world) divided() bool {
	isOn := func(n *node) bool { return n.without }
	isOff := func(n *node) bool { return !n.without }
	if !slices.ContainsFunc(w.nodes, isOn) || !slices.ContainsFunc(w.nodes, isOff) {
		return false
	}
	w.calm(patience)
	if w.store().Epoch != 0 {
		w.t.Fatalf("members differ, and the cluster goes by %+v", w.store())
	}
	for _, c := range w.clerks {
		if c == nil {
			continue
		}
		if waits := c.WaitsFor(w.now); len(waits) != 1 || !strings.Contains(waits[0], "upgrade.from.1x is false on") {
			w.t.Fatalf("members differ, and it waits for %q", waits)
		}
	}
	w.seen.divided++
	return true
}

// Whatever happens to nodes, reports, coordinators and writes: no decision is made that must
// not be, and once the faults stop the right one is.
func TestModel(t *testing.T) {
	checks := flag.Lookup("rapid.checks")
	if n, err := strconv.Atoi(checks.Value.String()); err != nil || n < runs {
		t.Cleanup(func() { _ = checks.Value.Set(strconv.Itoa(n)) })
		if err := checks.Value.Set(strconv.Itoa(runs)); err != nil {
			t.Fatal(err)
		}
	}
	seen := &sights{}
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, seen)
		t.Repeat(w.actions())
		w.live()
	})
	t.Logf("%+v", *seen)
	if !t.Failed() && slices.Contains([]int{seen.switches, seen.downgrades, seen.closes, seen.without, seen.divided, seen.refused, seen.lies, seen.late, seen.rivals, seen.live}, 0) {
		t.Errorf("not all was seen that is to be checked: %+v", *seen)
	}
}

// runs is how many a check takes at least. -rapid.checks asks for more, -rapid.seed for
// one run again.
const runs = 10_000
