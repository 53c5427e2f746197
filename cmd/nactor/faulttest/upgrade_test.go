package faulttest

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"
)

var (
	upgrades    = flag.Bool("upgrade", false, "run the tests of the upgrade")
	upgradeSeed = flag.Uint64("upgrade.seed", uint64(time.Now().UnixNano()), "seed of what the tests of the upgrade choose")
)

// needsUpgrade skips a test that is not asked for.
func needsUpgrade(t *testing.T, short bool) {
	t.Helper()
	if !*upgrades {
		t.Skip("needs -upgrade")
	}
	if testing.Short() && !short {
		t.Skip("short: left out")
	}
	t.Logf("-upgrade.seed=%d", *upgradeSeed)
}

// A cluster of 1.X is upgraded as the manual says, node by node, taken back the same way,
// upgraded again, and double write is closed; all under load. Nobody who reads from any node
// sees an instance that beats vanish or become unhealthy.
func TestUpgradeFullRun(t *testing.T) {
	needsUpgrade(t, true)
	p, run := mixture, 5*time.Second
	if !testing.Short() {
		p.services, p.instances, p.saved, p.savedIn = 270, 1350, 30, 150 // 300 × 5
		p.beat, p.crashes = [2]seconds{3, 5}, 0.1
		run = 20 * time.Second
	}
	u := beginUpgrade(t, "upgrade, whole way", loopback{}, 3, true, p)
	u.describe()
	u.stage("1.4.2", func() {
		for _, n := range u.nodes {
			members, err := n.api.members()
			for _, other := range u.nodes {
				if err == nil {
					err = rightly(members, other, false)
				}
			}
			if err != nil {
				t.Fatalf("%v: %v", n, err)
			}
		}
		u.compare()
	})
	u.stage("upgrade, node by node", func() { u.up(u.nodes...); u.switched() })
	u.stage("run as 2.0", func() { u.compare(); u.traffic(run); u.compare() })
	u.stage("downgrade, node by node", func() { u.down(u.nodes...); u.compare(); u.traffic(run) })
	u.stage("upgrade again", func() { u.up(u.nodes...); u.switched(); u.compare() })
	u.stage("close double write", func() { u.close(u.nodes[1]); u.compare() })
	u.stage("closed for good", u.staysClosed)
	u.stage("services are as they were described", u.described)
	written := 0
	for _, n := range u.nodes {
		written += len(n.logged(namingLog, lineDecided, time.Time{}))
	}
	u.expect(written == u.decisions, "decisions taken, those in vain included", fmt.Sprint(written), fmt.Sprint(u.decisions))
	u.finish()
}

// up replaces nodes by 2.X, and compares after each.
func (u *upgrade) up(nodes ...*node) {
	u.t.Helper()
	for i, n := range nodes {
		u.replace(n, false)
		if i < len(nodes)-1 {
			n.awaitLine(lineNotReady, u.since, 5*time.Second)
			u.goes("v1", true, decided)
			u.compare()
		}
	}
}

// down replaces nodes by 1.X. The first takes the cluster back; it serves only after that.
func (u *upgrade) down(nodes ...*node) {
	u.t.Helper()
	back := !u.anyOld()
	for _, n := range nodes {
		u.replace(n, true)
		if back {
			back = false
			u.downgraded()
		}
		u.compare()
	}
}

// close closes double write through a node.
func (u *upgrade) close(through *node) {
	u.t.Helper()
	u.since = time.Now()
	if err := through.api.closeDoubleWrite(); err != nil {
		u.t.Fatal(err)
	}
	u.decisions++
	u.closed = true
	u.goes("v2", false, decided)
	for _, n := range u.young() {
		n.awaitLine(lineClosed, u.since, 5*time.Second)
	}
}

// staysClosed checks that there is no way back.
func (u *upgrade) staysClosed() {
	if err := u.nodes[0].api.closeDoubleWrite(); err != nil {
		u.t.Errorf("closed again: %v", err)
	}
	if err := u.nodes[2].api.setDoubleWrite(true); err == nil || !strings.Contains(err.Error(), "status 4") || len(err.Error()) < 40 {
		u.t.Errorf("double write opened again: %v; want a refusal with a reason", err)
	}
	u.refused(u.nodes[2])
	u.nodes[2].old.Store(false)
	u.launch(u.nodes[2])
	u.goes("v2", false, decided)
	u.nodes[2].awaitLine(lineClosed, u.since, 5*time.Second)
	u.compare()
}

// refused starts a node as one of 1.X and checks that it ends, and that all say why.
func (u *upgrade) refused(n *node) {
	u.t.Helper()
	if n.up {
		n.stop(20 * time.Second)
	}
	u.since = time.Now()
	n.old.Store(true)
	n.launch()
	code := n.server.Wait(readyTime)
	u.expect(code != 0, "1.X after the close: exit code", fmt.Sprint(code), "not 0")
	said := n.server.Output() + n.tail("nacos.log", 4000)
	if !strings.Contains(strings.ToLower(said), "double write") {
		u.t.Errorf("%v does not say why it ends:\n%s", n, said)
	}
	for _, other := range u.young() {
		other.awaitLine("refused", u.since, 5*time.Second)
	}
}
