package node

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"nactor/actors/upgrade"
	"nactor/cluster"
	"nactor/http"
	"nactor/naming"
	"nactor/naming/dual"
	"nactor/naming/upgrade/switchover"
	"nactor/persistence"
)

var _ http.Upgrade = (*Node)(nil)

// beginning is what services go by before the store has told what the cluster has decided.
func (n *Node) beginning() dual.Layout {
	switch {
	case !configured(n.cfg):
		return dual.Layout{}
	case switchover.Old(n.cfg.AsVersion):
		return dual.Layout{Serves: dual.V1}
	}
	return dual.Layout{Serves: dual.V1, DoubleWrite: true, Delay: n.cfg.DoubleWriteDelay}
}

// configureUpgrade tells the upgrade, whose actors are started already, about this node.
func (n *Node) configureUpgrade() {
	rules := switchover.DefaultRules()
	rules.Check = n.cfg.UpgradeCheck
	n.upgrade.Configure(upgrade.Config{
		Logger: n.logs.Naming, Clock: n.clock, Self: n.store.NodeID(), Process: n.membership().Self().Process, Version: n.cfg.AsVersion,
		Rules: rules, Delay: n.cfg.DoubleWriteDelay, Without1X: !n.cfg.UpgradeFrom1X, Store: n.raft, Services: n.services, Peers: &n.peers, Place: n.cluster,
		Topology: n.upgradeTopology, Lacks: n.lacks, Reached: faultPoint,
		Announce: func(ready *bool, closed bool) {
			n.membership().Announce(func(self *cluster.Member) { self.Ready, self.Closed = ready, closed })
		},
	})
}

// partition returns the share of an identity. The coordinator of the upgrade, which is no
// service, belongs to one like all others.
func partition(identity string) int {
	key, _ := naming.ParseIdentity(identity)
	return key.Partition()
}

// upgradeTopology returns who takes part in the upgrade: who is here, and who is expected
// back, which are the members of the store.
func (n *Node) upgradeTopology() *upgrade.Topology {
	ms := n.membership().Members()
	t := &upgrade.Topology{Owner: ms.Ring().Owner(partition(upgrade.Identity))}
	voters := n.raft.Peers()
	for _, m := range ms.All() {
		if n.isRemoved(m.ID) {
			continue
		}
		expected := m.Up()
		for _, v := range voters {
			expected = expected || v.ID == m.ID
		}
		if !expected {
			continue
		}
		t.Members = append(t.Members, upgrade.Member{Ready: m.Ready, Member: switchover.Member{
			ID: m.ID, Address: m.Addr(), Process: m.Process, Version: m.Version, Status: string(m.Status), Up: m.Up(),
		}})
	}
	for _, v := range voters {
		if ms.Find(v.ID) == nil && !n.isRemoved(v.ID) {
			t.Members = append(t.Members, upgrade.Member{Member: switchover.Member{
				ID: v.ID, Address: n.httpAddr(v.Addr), Status: "not seen since this node started",
			}})
		}
	}
	return t
}

// lacks tells what this node itself waits for before it is ready for 2.0.
func (n *Node) lacks() []string {
	var out []string
	if waits := n.storeReady(); waits != "" {
		out = append(out, waits)
	}
	if !n.services.Settled() {
		out = append(out, "it is taking over services, or handing them over")
	}
	return out
}

// goAlong takes up what the cluster has decided. A 1.X node waits until the cluster has gone
// back to 1.X for it.
func (n *Node) goAlong(ctx context.Context) error {
	if err := n.upgrade.Begin(ctx); err != nil {
		return fmt.Errorf("take up what the cluster has decided: %w", err)
	}
	n.wg.Go(func() { n.upgrade.Run(n.running) })
	if !switchover.Old(n.cfg.AsVersion) {
		return nil
	}
	t := time.NewTicker(readyPause)
	defer t.Stop()
	for n.upgrade.Stored().Mode != switchover.V1 {
		if err := n.tooLate(); err != nil {
			return err
		}
		n.setStatus("STARTING", "the cluster goes by 2.0: waiting for it to go back to 1.X for this node")
		select {
		case <-t.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// tooLate tells why a 1.X node cannot join any more.
func (n *Node) tooLate() error {
	if !switchover.Old(n.cfg.AsVersion) {
		return nil
	}
	closed := n.upgrade.Stored().Closed()
	by := ""
	for _, m := range n.membership().Members().All() {
		if m.Up() && m.Closed {
			closed, by = true, " (says "+m.Addr()+")"
		}
	}
	if !closed {
		return nil
	}
	return fmt.Errorf("this node presents itself as %s, but the cluster has closed double write%s: it cannot go back to 1.X any more. "+
		"Start this node without --as-version and %s", n.cfg.AsVersion, by, "nactor.as-version")
}

// by1X reports whether the logic of 1.X is in force here.
func (n *Node) by1X() bool { return configured(n.cfg) && n.upgrade.State().Mode == switchover.V1 }

// doubleWrite shows the switch doubleWriteEnabled as the cluster has decided, and has the
// cluster decide when it is set.
type doubleWrite struct {
	*persistence.Settings
	n     *Node
	shown atomic.Pointer[shownSwitches]
}

// shownSwitches are the store's switches with another doubleWriteEnabled.
type shownSwitches struct{ stored, shown *naming.Switches }

const (
	entryDoubleWrite = "doubleWriteEnabled"
	entryBatch       = "batch"
)

// Switches implements naming.Settings.
func (d *doubleWrite) Switches() *naming.Switches {
	stored, on := d.Settings.Switches(), d.n.upgrade.State().DoubleWrite
	if stored.DoubleWriteEnabled == on {
		return stored
	}
	if s := d.shown.Load(); s != nil && s.stored == stored && s.shown.DoubleWriteEnabled == on {
		return s.shown
	}
	shown := *stored
	shown.DoubleWriteEnabled = on
	d.shown.Store(&shownSwitches{stored, &shown})
	return &shown
}

// SetSwitch implements naming.Settings.
func (d *doubleWrite) SetSwitch(ctx context.Context, entry, value string, debug bool) error {
	if entry != entryDoubleWrite && entry != entryBatch {
		return d.Settings.SetSwitch(ctx, entry, value, debug)
	}
	wanted, err := d.Switches().Set(entry, value)
	if err == nil && entry == entryDoubleWrite {
		err = mistyped(value)
	}
	state := d.n.upgrade.State()
	closes := err == nil && !wanted.DoubleWriteEnabled && !state.Closed()
	switch {
	case err != nil:
		return err
	case debug && (closes || entry == entryDoubleWrite):
		return naming.Invalid("%s is a decision of the whole cluster: set it without debug", entryDoubleWrite)
	case entry == entryBatch:
		// First what may be refused: then nothing has changed. The rest can be tried again.
		if closes {
			if err := d.n.upgrade.Close(ctx); err != nil {
				return err
			}
		}
		return d.Settings.SetSwitch(ctx, entry, value, debug)
	case wanted.DoubleWriteEnabled && state.Closed():
		return naming.Invalid("double write has been closed at %s, which is for good: the cluster cannot go back to 1.X", state.DecidedAt.Format(time.RFC3339))
	case wanted.DoubleWriteEnabled:
		return nil
	}
	return d.n.upgrade.Close(ctx)
}

// yes and no are the words that Nacos's BooleanUtils knows for either.
var (
	yes = []string{"true", "t", "yes", "y", "on"}
	no  = []string{"false", "f", "no", "n", "off"}
)

// mistyped refuses what is neither. Nacos takes all that is not a yes for a no; here that no is for
// good, and a mistyped word is none.
func mistyped(value string) error {
	if word := strings.ToLower(value); slices.Contains(yes, word) || slices.Contains(no, word) {
		return nil
	}
	return naming.Invalid("%s is closed for good: say false to close it; %.40q is neither true nor false", entryDoubleWrite, value)
}

// ExplainUpgrade implements http.Upgrade.
func (n *Node) ExplainUpgrade(ctx context.Context) (switchover.Explanation, error) {
	if configured(n.cfg) {
		return n.upgrade.Explain(ctx)
	}
	self := n.Self()
	return switchover.Explanation{
		State: switchover.State{Mode: switchover.V2, Cause: "a server on its own has nothing to upgrade"}, Phase: switchover.Closed, WaitsFor: []string{},
		Members: []switchover.MemberExplanation{{
			ID: n.store.NodeID(), Address: self.Address(), Version: self.Version, Status: "alive", Mode: switchover.V2.String(),
			Reasons: []string{}, Differing: []switchover.Differing{}, Services: n.services.DoubleWrite().Services,
		}},
	}, nil
}

// UpgradeMetrics implements http.Upgrade.
func (n *Node) UpgradeMetrics() http.UpgradeMetrics {
	ctx, cancel := context.WithTimeout(context.Background(), censusTime)
	defer cancel()
	state := switchover.State{Mode: switchover.V2}
	all20 := true
	if configured(n.cfg) {
		state = n.upgrade.State()
		for _, m := range n.upgradeTopology().Members {
			all20 = all20 && !switchover.Old(m.Version)
		}
	}
	c := n.services.Census(ctx)
	return http.UpgradeMetrics{
		Upgraded: state.Mode == switchover.V2, All20X: all20, DoubleWrite: state.DoubleWrite, DelayTasks: n.services.DoubleWrite().Pending,
		Services1: c.One.Services, Instances1: c.One.Ephemeral + c.One.Persistent,
		Services2: c.Two.Services, Instances2: c.Two.Ephemeral + c.Two.Persistent,
		Subscribers2: n.views.Counts().Subscribers,
		OwnServices1: c.Own1.Services, OwnInstances1: c.Own1.Ephemeral + c.Own1.Persistent,
		Ephemeral2: c.Ephemeral2, Persistent2: c.Persistent2, EphemeralInst2: c.Two.Ephemeral, PersistentInst2: c.Two.Persistent,
		Only1: c.Only1, Only2: c.Only2,
	}
}

// censusTime bounds what it takes to count.
const censusTime = 3 * time.Second

// upgradeSettings returns the settings that the front is to show.
func (n *Node) upgradeSettings() naming.Settings {
	if !configured(n.cfg) {
		return n.settings
	}
	return &doubleWrite{Settings: n.settings, n: n}
}

// refuses reports whether a node may not become a member of the store: one of 1.X, after
// double write has been closed, or one that was removed for good.
func (n *Node) refuses(m *cluster.Member) bool {
	return n.upgrade.Stored().Closed() && switchover.Old(m.Version) || n.isRemoved(m.ID)
}
