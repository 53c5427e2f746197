package faulttest

import (
	"fmt"
	"testing"
	"time"
)

// Where the upgrade of Nacos 2.0.3 goes wrong, and which test shows that ours does not.
var nacosFaults = [][2]string{
	{"N1 nodes decide alone, by stale votes", "TestUpgradeKilled, TestUpgradeStalled: a voter at its vote; the watch of modes of all tests"},
	{"N2 only numbers are compared", "TestUpgradeComparesContents, TestUpgradeAwkwardServices"},
	{"N3 a member's change ends the double write", "TestUpgradeNacos/N3"},
	{"N4 a node starts by what it has stored itself", "TestUpgradeMissedDowngrade/N4"},
	{"N5 double writes that wait are lost at the way back", "TestUpgradeNacos/N5"},
	{"N6 changes during the switch are dropped", "TestUpgradeNacos/N5, N6"},
	{"N7 a copy makes the dead young", "TestUpgradeNacos/N7"},
	{"N8 an unknown version is taken for an old one", "TestUpgradeStaysUpgraded/N8"},
	{"N9 a new owner has old beats", "TestUpgradeFullRun, TestUpgradeFleet: each replaced node moves its services"},
}

func TestUpgradeNacos(t *testing.T) {
	needsUpgrade(t, false)
	const fault = "where Nacos goes wrong"
	for _, n := range nacosFaults {
		results.add(row{fault, n[0], "see " + n[1], "", ""})
	}
	// Instances come and go all the time, and what waits for its double write waits long.
	p := mixture
	p.life, p.beat, p.crashes = [2]seconds{1, 3}, [2]seconds{1, 2}, 0
	u := beginUpgrade(t, fault, loopback{}, 3, true, p, "--set", fmt.Sprint("nactor.double-write.delay=", (8*time.Second).Milliseconds()))
	a, b, c := u.nodes[0], u.nodes[1], u.nodes[2]
	u.stage("N3 with one of 1.X left, a node of 2.X restarts", func() {
		u.replace(a, false)
		u.replace(b, false)
		u.replace(a, false)
		for range 30 {
			for _, n := range u.young() {
				if m, err := n.api.counts(); err != nil || m.All20X || !m.DoubleWrite {
					u.t.Fatalf("%v: %v: with a node of 1.X its metrics are %+v", n, err, m)
				}
			}
			u.traffic(modeEvery)
		}
		u.replace(c, false)
		u.switched()
		u.compare()
	})
	u.stage("N5, N6 back and up while much waits and changes", func() {
		for _, n := range u.nodes {
			u.waits()
			u.replace(n, true)
			u.downgraded()
			u.waits()
			u.replace(n, false)
			u.switched()
		}
		u.compare()
	})
	u.stage("N7 the dead do not live longer for a switch", func() {
		u.forsake(func() { u.replace(a, true); u.downgraded() })
		u.forsake(func() { u.replace(a, false); u.switched() })
	})
	u.finish()
}

// waits waits until a good many double writes do, so that a switch finds some.
func (u *upgrade) waits() {
	u.t.Helper()
	eventually(u.t, 10*time.Second, "double writes wait", func() error {
		all := 0
		for _, n := range u.young() {
			c, err := n.api.counts()
			if err != nil {
				return err
			}
			all += c.Pending
		}
		if all < 20 {
			return fmt.Errorf("%d do", all)
		}
		return nil
	})
}

// forsake registers instances that never beat, and changes the mode shortly before they have
// to go. The checker knows when that is, to be seen at all nodes; this waits for it.
func (u *upgrade) forsake(change func()) {
	u.t.Helper()
	begun := time.Now()
	const dead = 60
	for i := range dead {
		in := u.history.newInstance(i%u.load.services, false)
		if u.load.attempt(in, register, u.nodes[1+i%2]) != acked {
			u.t.Fatal("a registration is not answered")
		}
	}
	u.traffic(20*time.Second - time.Since(begun))
	change()
	u.traffic(38*time.Second - time.Since(begun))
}
