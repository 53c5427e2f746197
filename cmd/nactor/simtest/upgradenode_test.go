package simtest

import (
	"fmt"
	"net/netip"
	"time"

	"nactor/actors/upgrade"
	"nactor/cluster"
	"nactor/naming"
	"nactor/naming/dual"
	"nactor/naming/upgrade/switchover"
	"nactor/replica"
)

// A node's part in the upgrade, wired as package node wires it.

const (
	oldVersion = "1.4.2"
	newVersion = "2.0.4"
)

func (n *node) old() bool { return switchover.Old(n.version) }

// beginning is what services go by before the store has told what was decided.
func (n *node) beginning() dual.Layout {
	if n.old() {
		return dual.Layout{Serves: dual.V1}
	}
	return dual.Layout{Serves: dual.V1, DoubleWrite: true, Delay: dual.DefaultDelay}
}

func (n *node) configureUpgrade() {
	n.upgrade.Configure(upgrade.Config{
		Logger: n.w.log(n.name), Clock: n.clock, Self: n.name, Process: n.membership.Load().Self().Process, Version: n.version,
		Rules: switchover.DefaultRules(), Delay: dual.DefaultDelay, Store: n.store, Services: n.services, Peers: n, Place: n.place,
		Topology: n.upgradeTopology, Lacks: n.lacks, Reached: n.reached,
		Announce: func(ready *bool, closed bool) {
			n.membership.Load().Announce(func(self *cluster.Member) { self.Ready, self.Closed = ready, closed })
		},
	})
}

// upgradeTopology returns all nodes: those that are not here are expected back.
func (n *node) upgradeTopology() *upgrade.Topology {
	ms := n.members()
	coordinator, _ := naming.ParseIdentity(upgrade.Identity)
	t := &upgrade.Topology{Owner: ms.Ring().Owner(coordinator.Partition())}
	for _, name := range n.w.names {
		member := switchover.Member{ID: name, Address: name, Status: "not seen since this node started"}
		m := ms.Find(name)
		if m == nil {
			t.Members = append(t.Members, upgrade.Member{Member: member})
			continue
		}
		member.Process, member.Version, member.Status, member.Up = m.Process, m.Version, string(m.Status), m.Up()
		t.Members = append(t.Members, upgrade.Member{Ready: m.Ready, Member: member})
	}
	return t
}

func (n *node) lacks() []string {
	var out []string
	if waits := n.storeReady(); waits != "" {
		out = append(out, waits)
	}
	if !n.services.Settled() {
		out = append(out, "it is taking over services, or handing them over")
	}
	return out
}

// storeReady returns what the store waits for.
func (n *node) storeReady() string {
	switch {
	case !n.w.majority(n.name):
		return "the store has no leader"
	case n.store.behind():
		return "the store is catching up"
	}
	return ""
}

// goAlong takes up what was decided. A 1.X node waits until the cluster has gone back for it.
func (n *node) goAlong() error {
	if err := n.upgrade.Begin(n.life); err != nil {
		return err
	}
	n.begun.Store(true)
	n.w.judge.look() // before it can catch up with what it should have begun with
	n.wg.Go(func() { n.upgrade.Run(n.running) })
	for n.old() && n.upgrade.Stored().Mode != switchover.V1 {
		if err := n.tooLate(); err != nil {
			return err
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-n.life.Done():
			return n.life.Err()
		}
	}
	return nil
}

// tooLate tells why a 1.X node cannot join any more.
func (n *node) tooLate() error {
	if !n.old() {
		return nil
	}
	if n.upgrade.Stored().Closed() {
		return fmt.Errorf("refused: double write is closed")
	}
	for _, m := range n.members().All() {
		if m.Up() && m.Closed {
			return fmt.Errorf("refused: %s says that double write is closed", m.ID)
		}
	}
	return nil
}

// subscribe has this node tell the referee of each change of what it shows.
func (n *node) subscribe() {
	if n.w.judge == nil {
		return
	}
	for key := range n.w.judge.clients {
		n.views.Subscribe(key, naming.Subscriber{Addr: netip.MustParseAddrPort("10.9.9.9:9999")})
	}
}

// shown is told of each change of what readers see.
func (n *node) shown(notice replica.Notice) {
	if n.w.judge != nil && notice.New == nil {
		n.w.judge.shown(n, notice.Key)
	}
}
