package switchover

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"nactor/naming"
)

// Phase is where a cluster is on its way.
type Phase string

// The phases.
const (
	Waiting    Phase = "waiting"    // goes by 1.X; something is missing
	Confirming Phase = "confirming" // all are ready and are asked once more
	Committing Phase = "committing" // a decision is on its way to the store
	Switching  Phase = "switching"  // decided; not all members have followed yet
	Done       Phase = "done"       // goes by 2.0; a downgrade is possible
	Closed     Phase = "closed"     // goes by 2.0 for good
)

// Actions are what the coordinator wants done.
type Actions struct {
	Ask     uint64 // the number of a question to all members whether they are ready now; 0: none
	Commit  *State // to be written where the store holds the epoch before it
	Follow  bool   // members that have not followed the state in the store are to be reminded
	Settled *State // all members have followed it
	Took    time.Duration
}

// Coordinator collects the reports of all members and decides. Not safe for concurrent use.
type Coordinator struct {
	rules Rules
	state State
	known bool // the state has been read from the store
	seats map[string]*seat

	now    naming.Instant // as last told
	viewed naming.Instant // when it was last told who is here

	round      uint64 // of the last question
	asked      naming.Instant
	confirming bool // answers to it are waited for

	committing bool
	cause      string         // of the commit under way
	decided    naming.Instant // when it was
	rest       naming.Instant // no decision before: the last one could not be written

	committed naming.Instant // when the state in the store changed, as seen here
	settled   bool           // that all follow it has been told
}

// unanswered is how long after a decision the store may be silent about it. Then it is taken
// for failed, or nothing would ever be decided again. It is far longer than a write may take.
const unanswered = 15 * time.Second

// New returns a coordinator that knows nothing yet. Its questions are numbered from after
// first, so that it can tell its own answers from those to one before it.
func New(rules Rules, first uint64) *Coordinator {
	return &Coordinator{rules: rules, seats: map[string]*seat{}, round: first}
}

// State returns the state in the store, and false while it has not been read.
func (c *Coordinator) State() (State, bool) { return c.state, c.known }

// Members takes note of who is here. It is to be called often compared with [Rules].Steady:
// of the time between two calls nothing is known.
func (c *Coordinator) Members(now naming.Instant, members []Member) {
	gap := now.Since(c.viewed) > c.rules.Steady
	c.now, c.viewed = now, now
	seats := make(map[string]*seat, len(members))
	for _, m := range members {
		s := c.seats[m.ID]
		if s == nil || s.Process != m.Process {
			// Another life: what the one before said, or how long it was here, is no matter.
			s = &seat{}
		}
		s.Member = m
		switch {
		case !m.Up || !Old(m.Version):
			s.old = false
		case !s.old || gap:
			s.old, s.oldSince = true, now
		}
		if !m.Up {
			s.reset()
		}
		seats[m.ID] = s
	}
	c.seats = seats
}

// Report takes note of what a member says. One of a process that is not here is ignored.
func (c *Coordinator) Report(now naming.Instant, r Report) {
	c.now = now
	s := c.seats[r.Node]
	if s == nil || s.Process != r.Process {
		return
	}
	s.report, s.heard = &r, now
	switch {
	case !r.Ready || r.Applied.Epoch != c.state.Epoch:
		// One that goes by another decision is shown, but says nothing about readiness.
		s.reset()
	case r.Round == 0:
		s.count(now, c.rules)
	case c.confirming && r.Round == c.round && now.Since(c.asked) <= c.rules.Confirm:
		s.answered = c.round
	}
}

// Committed takes note of what the store holds, whoever wrote it. News of an old decision
// changes nothing, and ends no commit.
func (c *Coordinator) Committed(now naming.Instant, state State) {
	c.now = now
	if c.known && state.Epoch <= c.state.Epoch {
		return
	}
	c.committing, c.confirming = false, false
	c.state, c.committed, c.known = state, now, true
	// Whether all follow is told once in the life of a coordinator: one that takes over does
	// not know whether the one before got that far.
	c.settled = false
	for _, s := range c.seats {
		s.reset()
	}
}

// Failed takes note that the last decision could not be written, or may not have been. One
// that was made here is made again, not at once, if it still has to be; if it was written
// all the same, the store refuses the second. One that an operator asked for is not.
func (c *Coordinator) Failed(now naming.Instant) {
	c.now = now
	c.committing, c.confirming = false, false
	c.rest = now.Add(c.rules.Confirm)
	for _, s := range c.seats {
		s.streak = min(s.streak, rounds-1)
	}
}

// Close returns the decision to close double write, to be written at once, or nil when it
// is closed already. Kind [naming.KindInvalid] when that cannot be done now; the text says
// what has to come first. (Nacos forces the switch of a single node by this, and leaves the
// others where they are.)
func (c *Coordinator) Close(now naming.Instant, at time.Time) (*State, error) {
	c.now = now
	switch {
	case !c.known:
		return nil, naming.Unavailable("double write cannot be closed yet: the store has not told what the cluster has decided; try again later")
	case len(c.seats) == 0:
		return nil, naming.Unavailable("double write cannot be closed yet: no member is known; try again later")
	case c.state.Closed():
		return nil, nil
	case c.committing:
		return nil, naming.Unavailable("double write cannot be closed while another decision is on its way (%s); try again later", c.cause)
	}
	for _, s := range c.sorted() {
		switch {
		case Old(s.Version):
			return nil, naming.Invalid("double write cannot be closed while %s runs %s (%s): replace it by 2.X first", s.Address, s.Version, s.status())
		case s.Up && !known(s.Version):
			return nil, naming.Unavailable("double write cannot be closed yet: %s %s; try again later", s.Address, noVersion)
		}
	}
	if c.state.Mode != V2 {
		why := cmp.Or(strings.Join(c.waitsFor(now), "; "), "all members are ready, and the decision is about to be made")
		return nil, naming.Invalid("double write cannot be closed before the cluster has switched to 2.0: %s; see nactor upgrade status", why)
	}
	s := c.state.next(V2, false, at, "double write was closed by an operator")
	return c.decide(s), nil
}

// Step decides what to do now. at is the time for people.
func (c *Coordinator) Step(now naming.Instant, at time.Time) Actions {
	var a Actions
	c.now = now
	if !c.known {
		return a
	}
	c.follow(now, &a)
	if c.committing && now.Since(c.decided) >= unanswered {
		c.Failed(now)
	}
	if c.committing || c.state.Closed() || now < c.rest {
		return a
	}
	if c.state.Mode == V2 {
		if s := c.arrived(); s != nil {
			a.Commit = c.decide(c.state.next(V1, true, at, fmt.Sprintf("%s joined with version %s", s.Address, s.Version)))
		}
		return a
	}
	switch {
	case c.waits(now):
		c.confirming = false
	case !c.confirming:
		c.round++
		c.confirming, c.asked = true, now
		a.Ask = c.round
	case now.Since(c.asked) > c.rules.Confirm:
		c.confirming = false // asked again in the next step
	case c.confirmed():
		a.Commit = c.decide(c.upgraded(at))
	}
	return a
}

// upgraded returns the decision for 2.0. The first one of a cluster is for good if its
// members have nothing to do with 1.X.
func (c *Coordinator) upgraded(at time.Time) State {
	if _, without := c.from1X(); without {
		return c.state.next(V2, false, at, fmt.Sprintf("all %d members are ready, and have %s=false", len(c.seats), from1X))
	}
	return c.state.next(V2, true, at, fmt.Sprintf("all %d members are ready", len(c.seats)))
}

// from1X is the property by which a node expects 1.X (true), or a new cluster without it.
const from1X = "nacos.core.support.upgrade.from.1x"

// from1X tells whether there are members with that property true, and with false. Neither
// once anything was decided: then it has no meaning.
func (c *Coordinator) from1X() (with, without bool) {
	for _, s := range c.seats {
		if s.report != nil && c.state.Epoch == 0 {
			with, without = with || !s.report.Without1X, without || s.report.Without1X
		}
	}
	return with, without
}

// divided tells that members differ in that property, "" when they do not. Neither side is
// taken: closing is for good, and not closing leaves the property without its effect for ever.
func (c *Coordinator) divided() string {
	if with, without := c.from1X(); !with || !without {
		return ""
	}
	var on []string
	for _, s := range c.sorted() {
		if s.report != nil && s.report.Without1X {
			on = append(on, s.Address)
		}
	}
	return fmt.Sprintf("%s is false on %s, but not on all: set it to the same everywhere, and restart those that you changed", from1X, strings.Join(on, ", "))
}

func (c *Coordinator) decide(s State) *State {
	c.committing, c.confirming, c.cause, c.decided = true, false, s.Cause, c.now
	return &s
}

// follow watches the members follow the last decision.
func (c *Coordinator) follow(now naming.Instant, a *Actions) {
	if c.settled {
		return
	}
	if len(c.behind()) > 0 {
		a.Follow = true
		return
	}
	for _, s := range c.seats {
		if s.Up { // with nobody here, nobody has followed
			settled := c.state
			c.settled, a.Settled, a.Took = true, &settled, now.Since(c.committed)
			return
		}
	}
}

// behind returns the members of 2.X that are here and have not followed the last decision.
func (c *Coordinator) behind() []*seat {
	var out []*seat
	for _, s := range c.sorted() {
		if s.Up && !Old(s.Version) && (s.report == nil || s.report.Applied.Epoch < c.state.Epoch) {
			out = append(out, s)
		}
	}
	return out
}

// arrived returns a 1.X member that has come to stay: it was up whenever the coordinator was
// told who is here. That it still would be is not assumed.
func (c *Coordinator) arrived() *seat {
	for _, s := range c.sorted() {
		if s.old && c.viewed.Since(s.oldSince) >= c.rules.Steady {
			return s
		}
	}
	return nil
}

// confirmed reports whether all have answered the last question with ready.
func (c *Coordinator) confirmed() bool {
	for _, s := range c.seats {
		if s.answered != c.round {
			return false
		}
	}
	return true
}

// WaitsFor tells what a switch to 2.0 waits for, a sentence each.
func (c *Coordinator) WaitsFor(now naming.Instant) []string {
	if !c.known {
		return []string{"the store has not told yet what the cluster has decided"}
	}
	if c.state.Mode == V2 {
		return nil
	}
	return c.waitsFor(now)
}

// waits reports whether waitsFor has anything to tell.
func (c *Coordinator) waits(now naming.Instant) bool {
	for _, s := range c.seats {
		if c.lacks(now, s) != "" {
			return true
		}
	}
	with, without := c.from1X()
	return len(c.seats) == 0 || with && without
}

func (c *Coordinator) waitsFor(now naming.Instant) []string {
	var out []string
	if len(c.seats) == 0 {
		out = append(out, "no member is known yet")
	}
	for _, s := range c.sorted() {
		if why := c.lacks(now, s); why != "" {
			out = append(out, s.Address+" "+why)
		}
	}
	if why := c.divided(); why != "" {
		out = append(out, why)
	}
	return out
}

// lacks tells what a member still has to do, "" for nothing.
func (c *Coordinator) lacks(now naming.Instant, s *seat) string {
	switch {
	case Old(s.Version):
		return "runs " + s.Version + ": replace it by 2.X, or take nactor.as-version out of its settings"
	case !s.Up:
		return "is " + s.status() + ": start it, or a new node in its place, or remove it for good (nactor members remove " + s.Address + ")"
	case !known(s.Version):
		return noVersion
	case s.report == nil:
		return "has not reported yet"
	case now.Since(s.heard) > c.rules.fresh():
		return fmt.Sprintf("has not reported for %v", now.Since(s.heard).Round(100*time.Millisecond))
	case s.report.Applied.Epoch > c.state.Epoch:
		return fmt.Sprintf("goes by epoch %d already, of which the store has not told yet", s.report.Applied.Epoch)
	case s.report.Applied.Epoch < c.state.Epoch:
		return fmt.Sprintf("has not followed to epoch %d yet", c.state.Epoch)
	case !s.report.Ready:
		return "is not ready: " + cmp.Or(strings.Join(s.report.Reasons, "; "), "it gives no reason")
	case s.streak == 0:
		return "is ready, and is to say so in two checks in a row"
	case s.streak < rounds:
		return "is ready, and is to say so once more"
	}
	return ""
}

const noVersion = "has not told its version yet"

func (c *Coordinator) sorted() []*seat {
	out := make([]*seat, 0, len(c.seats))
	for _, s := range c.seats {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b *seat) int {
		return cmp.Or(strings.Compare(a.Address, b.Address), strings.Compare(a.ID, b.ID))
	})
	return out
}

// Phase tells where the cluster is.
func (c *Coordinator) Phase() Phase {
	switch {
	case c.committing:
		return Committing
	case c.known && !c.settled && c.state.Epoch > 0:
		return Switching
	case c.known && c.state.Closed():
		return Closed
	case c.state.Mode == V2:
		return Done
	case c.confirming:
		return Confirming
	}
	return Waiting
}
