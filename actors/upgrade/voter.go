package upgrade

import (
	"fmt"
	"time"

	"nactor/naming/upgrade/switchover"
)

// voter checks whether this node is ready to go by 2.0, and says so.
type voter struct {
	*Upgrade
	checked time.Time // last regular check
	told    switchover.State
	round   uint64 // last question answered
	logged  string // last result in the log: "true", "false"; "": none
	asked   bool   // the line of the double-write watcher is in the log
	said    announcement
}

func newVoter(u *Upgrade) *voter {
	return &voter{Upgrade: u, told: switchover.State{Epoch: ^uint64(0)}}
}

// look checks if it is time to, or somebody asks, or this node goes by another decision.
func (v *voter) look(now time.Time) {
	state := *v.applied.Load()
	moved := !state.Same(v.told)
	if moved {
		v.changed(v.told, state)
		v.told = state
		v.checked = time.Time{} // at once: the coordinator waits for it
	}
	if round := v.Upgrade.round.Load(); round != v.round && !moved {
		v.round = round
		v.report(state, round)
		return
	}
	if v.nudged.Swap(false) && !moved {
		// Told under a number that no question has: it is no regular check.
		v.report(state, 1)
		return
	}
	if now.Sub(v.checked) < v.Rules.Check {
		return
	}
	v.checked = now
	v.report(state, 0)
}

// changed logs that this node goes by another decision, in the words of Nacos that
// operators look for.
func (v *voter) changed(before, state switchover.State) {
	first := before.Epoch == ^uint64(0)
	if switchover.Old(v.Version) {
		return
	}
	if !v.asked && !state.Closed() {
		v.asked = true
		v.Logger.Info("Check whether close double write")
	}
	switch {
	case state.Closed() && (first || !before.Closed()):
		if !first && before.Mode != switchover.V2 {
			v.upgraded()
		}
		v.Logger.Info("Disable Double write, stop and clean v1.x cache and features")
	case state.Mode == switchover.V2 && (first || before.Mode != switchover.V2):
		v.upgraded()
	case state.Mode == switchover.V1 && before.Mode == switchover.V2 && !first:
		v.Logger.Info("Downgrade to 1.X")
	}
	if state.Mode == switchover.V1 {
		v.logged = ""
	}
}

// upgraded logs the switch. Whoever follows before it has seen all others ready itself has
// not logged yet that they are.
func (v *voter) upgraded() {
	if v.logged != "true" {
		v.logged = "true"
		v.Logger.Info("upgrade check result true")
	}
	v.Logger.Info("Upgrade to 2.0.X")
}

// report checks this node and tells the coordinator.
func (v *voter) report(state switchover.State, round uint64) {
	d := v.Services.DoubleWrite()
	r := switchover.Report{
		Node: v.Self, Process: v.Process, Applied: state, Round: round,
		Services: d.Services, Pending: d.Pending, OldestPending: d.Oldest, Differing: d.Differing,
		Without1X: v.Without1X,
	}
	if switchover.Old(v.Version) {
		return // no vote
	}
	r.Reasons = v.reasons(state, d)
	r.Ready = len(r.Reasons) == 0
	v.tellAll(r.Ready, state)
	if round == 0 && state.Mode == switchover.V1 {
		v.log(r)
	}
	v.send(v.owner(), toReport(r))
	if r.Ready {
		v.Reached("upgrade.vote")
	}
}

// tellAll has operators see in the list of nodes what this one says.
func (v *voter) tellAll(ready bool, state switchover.State) {
	now := announcement{&ready, state.Closed()}
	if v.said.ready == nil || *v.said.ready != ready || v.said.closed != now.closed {
		v.said = now
		v.announce(now)
	}
}

// log writes the line of Nacos's check: whether all nodes are ready, as far as this one
// knows. What it waits for is beside it.
func (v *voter) log(r switchover.Report) {
	all, reasons := r.Ready, r.Reasons
	for _, m := range v.topology.Load().Members {
		if m.ID != v.Self && (m.Ready == nil || !*m.Ready) {
			all = false
			reasons = append(reasons, m.Address+" is not ready")
		}
	}
	v.logged = fmt.Sprint(all)
	if all {
		v.Logger.Info("upgrade check result true")
		return
	}
	v.Logger.Info("upgrade check result false", "reasons", reasons)
}
