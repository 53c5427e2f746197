package faulttest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// A cluster that has switched is not taken back by nodes of 2.X that join, leave, restart or
// die; and what was decided while a node was down it knows when it is back.
func TestUpgradeStaysUpgraded(t *testing.T) {
	needsUpgrade(t, false)
	u := beginUpgrade(t, "stays upgraded", loopback{}, 3, false, mixture)
	first := slices.Clone(u.nodes)
	u.stage("a new node joins, leaves, and comes back", func() { u.comesAndGoes(true) })
	u.stage("each node restarts", func() {
		for _, n := range first {
			u.replace(n, false)
			u.upgradedAtOnce(n)
			u.goes("v2", true, decided)
		}
		u.compare()
	})
	u.stage("N8 each node is killed", func() {
		for _, n := range first {
			n.kill()
			u.await(15 * time.Second) // the others have noticed
			u.stays("v2", 5*checkEvery)
			u.launch(n)
			u.upgradedAtOnce(n)
		}
		u.compare()
	})
	u.stage("all are killed at once", func() {
		u.load.helpless.Store(true)
		for _, n := range first {
			u.history.leaves(n.id, true)
			n.up = false
		}
		u.history.wiped()
		for _, n := range first {
			n.server.Kill()
		}
		u.history.wiped()
		for _, n := range first {
			n.launch()
		}
		for _, n := range first {
			n.ready(readyTime)
			u.upgradedAtOnce(n)
		}
		u.load.helpless.Store(false)
		u.goes("v2", true, decided)
		eventually(u.t, 30*time.Second, "all instances that beat are back", u.complete)
		u.compare()
	})
	u.stage("a node is down when double write is closed", func() {
		n := u.nodes[0]
		u.since = time.Now()
		n.stop(20 * time.Second)
		u.close(u.nodes[2])
		u.launch(n)
		n.awaitLine(lineClosed, u.since, 5*time.Second)
		u.goes("v2", false, decided)
		u.compare()
	})
	u.stage("closed: the same again", func() {
		u.comesAndGoes(false)
		for _, n := range first {
			u.replace(n, false)
			u.goes("v2", false, decided)
		}
		u.compare()
	})
	u.finish()
}

// comesAndGoes has a new node join, leave, come back, and leave for good.
func (u *upgrade) comesAndGoes(double bool) {
	u.t.Helper()
	d := u.add(false)
	u.goes("v2", double, decided)
	u.stays("v2", 10*checkEvery)
	u.compare()
	u.drop(d)
	u.goes("v2", double, decided)
	u.launch(d)
	u.goes("v2", double, decided)
	u.compare()
	u.drop(d)
}

// upgradedAtOnce checks that a node that has just become ready goes by 2.0.
func (u *upgrade) upgradedAtOnce(n *node) {
	u.t.Helper()
	if c, err := n.api.counts(); err != nil || !c.Upgraded {
		u.t.Errorf("%v: %v: just started, it does not go by 2.0: %+v", n, err, c)
	}
}

// A network that is cut while the cluster switches: the nodes that hear each other agree all
// the time, all agree soon after it is whole, and there is one decision.
func TestUpgradeCut(t *testing.T) {
	needsUpgrade(t, false)
	const fault = "cut during the switch"
	u := beginUpgrade(t, fault, newNamespaces(t, fault), 3, false, mixture)
	random := rand.New(rand.NewPCG(*upgradeSeed, 14))
	for i := range 6 {
		alone, last := u.nodes[i%3], u.nodes[(i+1)%3]
		if i >= 3 {
			alone = u.coordinator()
			last = u.except(alone)[0]
		}
		wait := time.Duration(random.IntN(2500)) * time.Millisecond
		u.stage(fmt.Sprintf("node %d is cut off %v after node %d", alone.id, wait, last.id), func() {
			u.down(last)
			u.since = time.Now()
			last.stop(20 * time.Second)
			last.old.Store(false)
			last.launch()
			last.ready(readyTime)
			u.traffic(wait)
			side := map[int]int{alone.id: 1}
			heal := u.cutOff(side)
			u.traffic(6 * time.Second)
			heal()
			u.decisions++
			took := u.goes("v2", true, decided)
			u.t.Logf("all go by 2.0, %v after the network was whole", short(took))
			u.await(3 * healed)
			u.traffic(healed)
			u.compare()
		})
	}
	u.finish()
}
