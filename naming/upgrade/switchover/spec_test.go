package switchover_test

import (
	"fmt"
	"slices"
	"time"

	"nactor/naming"
	"nactor/naming/upgrade/switchover"
)

// diary is all that one coordinator was told and has asked, oldest first. Whether it may
// decide something is read from there, slowly and without memory.
type diary []entry

// entry is one of: who is here, a report, what the store holds, a question, a failure, a
// decision.
type entry struct {
	at      naming.Instant
	members []switchover.Member
	report  *switchover.Report
	store   *switchover.State
	ask     uint64
	failed  bool
	decided *switchover.State
}

// find returns a member of a list, nil if it is not on it.
func find(members []switchover.Member, id string) *switchover.Member {
	i := slices.IndexFunc(members, func(m switchover.Member) bool { return m.ID == id })
	if i < 0 {
		return nil
	}
	return &members[i]
}

// state returns the newest state that it was told of.
func (d diary) state() (s switchover.State, ok bool) {
	for _, e := range d {
		if e.store != nil && (!ok || e.store.Epoch > s.Epoch) {
			s, ok = *e.store, true
		}
	}
	return s, ok
}

// members returns who is here, as last told.
func (d diary) members() (members []switchover.Member) {
	for _, e := range d {
		if e.members != nil {
			members = e.members
		}
	}
	return members
}

// busy reports whether a decision is on its way at now.
func (d diary) busy(now naming.Instant) bool {
	busy, epoch, known, since := false, uint64(0), false, naming.Instant(0)
	for _, e := range d {
		switch {
		case e.decided != nil:
			busy, since = true, e.at
		case e.failed:
			busy = false
		case e.store != nil && (!known || e.store.Epoch > epoch):
			busy, epoch, known = false, e.store.Epoch, true
		}
	}
	return busy && now.Since(since) < 15*time.Second
}

// question returns the last one that was asked.
func (d diary) question() (round uint64) {
	for _, e := range d {
		if e.ask != 0 {
			round = e.ask
		}
	}
	return round
}

// mayDecide tells why a decision must not be made, "" if it may.
func (d diary) mayDecide(now naming.Instant, next switchover.State, operator bool) string {
	state, known := d.state()
	switch {
	case !known:
		return "it does not know what was decided before"
	case next.Epoch != state.Epoch+1:
		return fmt.Sprintf("epoch %d comes after %d", next.Epoch, state.Epoch)
	case state.Closed():
		return "double write is closed for good"
	case d.busy(now):
		return "another decision is on its way"
	}
	switch {
	case next.Mode == switchover.V1 && !next.Closed() && state.Mode == switchover.V2 && !operator:
		return d.mayGoBack()
	case next.Mode == switchover.V2 && next.Closed() && state.Mode == switchover.V2 && operator:
		return d.mayClose()
	case next.Mode == switchover.V2 && state.Mode == switchover.V1 && !operator:
		return d.maySwitch(now, state.Epoch == 0, next.Closed())
	}
	return fmt.Sprintf("nothing leads from %+v to %+v", state, next)
}

// mayClose: with no member of 1.X in view, here or not.
func (d diary) mayClose() string {
	members := d.members()
	for _, m := range members {
		if switchover.Old(m.Version) || m.Up && m.Version == "" {
			return fmt.Sprintf("%s runs %q", m.ID, m.Version)
		}
	}
	if len(members) == 0 {
		return "nobody is known"
	}
	return ""
}

// mayGoBack: for a process of 1.X that was up each time when it was told who is here, for
// at least Steady, with no longer silence than that.
func (d diary) mayGoBack() string {
	steady := switchover.DefaultRules().Steady
	for _, now := range d.members() {
		if !now.Up || !switchover.Old(now.Version) {
			continue
		}
		here, since, last := false, naming.Instant(0), naming.Instant(0)
		for _, e := range d {
			if e.members == nil {
				continue
			}
			m := find(e.members, now.ID)
			same := m != nil && m.Process == now.Process && m.Up
			if same && (!here || e.at.Since(last) > steady) {
				since = e.at
			}
			here, last = same, e.at
		}
		if last.Since(since) >= steady {
			return ""
		}
	}
	return "no member of 1.X has come to stay"
}

// maySwitch: all members are here, run 2.X, and have said twice in a row and then in answer
// to the last question that they are ready. It is for good if it is the first decision and
// all expect no 1.X, and only then; they must not differ in that.
func (d diary) maySwitch(now naming.Instant, first, closed bool) string {
	members := d.members()
	for _, m := range members {
		if !m.Up || m.Version == "" || switchover.Old(m.Version) {
			return fmt.Sprintf("%s (%q, up %v) cannot take part", m.ID, m.Version, m.Up)
		}
		if why := d.isReady(now, m); why != "" {
			return m.ID + " " + why
		}
		if d.without1X(m) != closed && first || closed && !first {
			return fmt.Sprintf("double write must not be closed: %v; without 1.X, says %s: %v", closed, m.ID, d.without1X(m))
		}
	}
	if len(members) == 0 {
		return "nobody is known"
	}
	return ""
}

// without1X reports whether a member said that it expects no 1.X.
func (d diary) without1X(who switchover.Member) (without bool) {
	for _, e := range d {
		if r := e.report; r != nil && r.Node == who.ID && r.Process == who.Process {
			without = r.Without1X
		}
	}
	return without
}

// isReady reads a member's way through the diary.
func (d diary) isReady(now naming.Instant, who switchover.Member) string {
	rules := switchover.DefaultRules()
	fresh := rules.Check * 5 / 2
	var (
		here, known, answered bool
		epoch, question       uint64
		votes                 int
		heard, voted, asked   naming.Instant
	)
	for _, e := range d {
		switch {
		case e.members != nil:
			m := find(e.members, who.ID)
			here = m != nil && m.Process == who.Process
			if !here || !m.Up {
				votes, answered = 0, false
			}
		case e.store != nil && (!known || e.store.Epoch > epoch):
			known, epoch, question, votes, answered = true, e.store.Epoch, 0, 0, false
		case e.ask != 0:
			question, asked, answered = e.ask, e.at, false
		case e.failed:
			question, votes, answered = 0, min(votes, 1), false
		case e.report == nil || !here || e.report.Node != who.ID || e.report.Process != who.Process:
		case !e.report.Ready || e.report.Applied.Epoch != epoch:
			heard, votes, answered = e.at, 0, false
		default:
			heard = e.at
			if e.report.Round == question && question != 0 && e.at.Since(asked) <= rules.Confirm {
				answered = true
			}
			switch gap := e.at.Since(voted); {
			case e.report.Round != 0:
			case votes == 0 || gap > fresh:
				votes, voted = 1, e.at
			case gap >= rules.Check/2:
				votes, voted = votes+1, e.at
			}
		}
	}
	switch {
	case votes < 2:
		return fmt.Sprintf("has said %d times in a row that it is ready", votes)
	case now.Since(heard) > fresh:
		return fmt.Sprintf("was heard of %v ago", now.Since(heard))
	case !answered:
		return fmt.Sprintf("has not answered question %d", question)
	}
	return ""
}
