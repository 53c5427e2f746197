package faulttest

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// The ways up and down, after etcd's tests of the same. The stages share a cluster: each
// begins with what the one before has left, three nodes of 2.X that go by 2.0.
func TestUpgradeMatrix(t *testing.T) {
	needsUpgrade(t, false)
	p := mixture
	p.services, p.instances, p.saved, p.savedIn = 200, 2000, 20, 200
	p.beat, p.life = [2]seconds{4, 6}, [2]seconds{10, 120}
	u := beginUpgrade(t, "upgrade matrix", loopback{}, 3, true, p)
	a, b, c := u.nodes[0], u.nodes[1], u.nodes[2]
	u.stage("U1 one by one", func() { u.compare(); u.up(a, b, c); u.switched(); u.compare() })
	u.stage("U3 one back, up again", func() { u.thereAndBack(b) })
	u.stage("U4 two back, up again", func() { u.thereAndBack(c, a) })
	u.stage("U5 all back, up again", func() { u.thereAndBack(a, b, c) })
	u.stage("U7 a node of 1.X joins before the last vote", func() {
		u.down(c)
		d := u.add(true)
		u.replace(c, false)
		c.awaitLine(lineNotReady, u.since, 5*time.Second)
		u.goes("v1", true, decided)
		u.stays("v1", 10*checkEvery)
		u.compare()
		u.drop(d)
		u.switched()
		u.compare()
	})
	u.stage("U9 a node of 1.X joins after one came down", func() {
		u.down(a)
		d := u.add(true)
		u.goes("v1", true, decided)
		u.compare()
		u.up(a)
		u.stays("v1", 10*checkEvery)
		u.drop(d)
		u.switched()
	})
	u.stage("U9 after two came down", func() {
		u.down(a, b)
		d := u.add(true)
		u.goes("v1", true, decided)
		u.up(b, a)
		u.stays("v1", 10*checkEvery)
		u.drop(d)
		u.switched()
		u.compare()
	})
	u.stage("U10 a node joins and leaves at each point", func() {
		join := func(mode string) {
			d := u.add(false)
			u.goes(mode, true, decided)
			u.compare()
			u.drop(d)
			u.goes(mode, true, decided)
		}
		join("v2")
		u.down(a)
		join("v1")
		u.down(b)
		join("v1")
		u.up(a, b)
		u.switched()
		join("v2")
	})
	u.finish()
}

// thereAndBack takes nodes down and up again.
func (u *upgrade) thereAndBack(nodes ...*node) {
	u.t.Helper()
	u.down(nodes...)
	u.up(nodes...)
	u.switched()
	u.compare()
}

// U2: all nodes of 1.X are stopped and started as 2.X. What is persistent is complete, what
// is not is back after a beat.
func TestUpgradeAllAtOnce(t *testing.T) {
	needsUpgrade(t, false)
	u := beginUpgrade(t, "U2 all at once", loopback{}, 3, true, mixture)
	u.load.helpless.Store(true)
	u.since = time.Now()
	for _, n := range u.nodes {
		u.history.leaves(n.id, true)
		n.up = false
	}
	u.history.wiped()
	for _, n := range u.nodes {
		n.server.Terminate()
	}
	for _, n := range u.nodes {
		n.server.Wait(20 * time.Second)
	}
	u.history.wiped()
	for _, n := range u.nodes {
		n.old.Store(false)
		n.launch()
	}
	for _, n := range u.nodes {
		n.ready(readyTime)
	}
	u.load.helpless.Store(false)
	back := eventually(t, 30*time.Second, "all instances that beat are back", u.complete)
	u.expect(back <= 5*time.Second, "ready → all that beat listed by all", short(back).String(), "≤ 5s")
	u.switched()
	u.compare()
	u.finish()
}

// U6: the decisions come out of a snapshot of the store, not out of its log.
func TestUpgradeFromSnapshot(t *testing.T) {
	needsUpgrade(t, false)
	u := beginUpgrade(t, "U6 from a snapshot", loopback{}, 3, true, mixture, "--set", "nactor.store.snapshot-threshold=10")
	a, b, c := u.nodes[0], u.nodes[1], u.nodes[2]
	u.stage("up", func() { u.up(a, b, c); u.switched() })
	u.stage("a snapshot on each node", func() {
		u.traffic(2 * time.Second)
		for _, n := range u.nodes {
			eventually(u.t, time.Minute, fmt.Sprintf("%v has a snapshot", n), func() error {
				if found, _ := filepath.Glob(filepath.Join(n.spec.Home, "data", "raft", "snapshots", "*", "meta.json")); len(found) == 0 {
					return fmt.Errorf("none in %s", n.spec.Home)
				}
				return nil
			})
		}
	})
	u.stage("each node restarts", func() {
		for _, n := range u.nodes {
			u.replace(n, false)
			u.goes("v2", true, decided)
		}
		u.compare()
	})
	u.stage("a new node", func() {
		d := u.add(false)
		u.goes("v2", true, decided)
		u.compare()
		u.drop(d)
	})
	u.stage("two back, up again", func() { u.thereAndBack(a, b) })
	u.finish()
}

// U8: a node of 1.X joins between the decision and the last node that follows it. One node
// stands still in the middle of its services until the other one is there.
func TestUpgradeOldNodeJoinsDuringSwitch(t *testing.T) {
	needsUpgrade(t, false)
	u := beginUpgrade(t, "U8 1.X joins during the switch", loopback{}, 3, false, mixture)
	slow, last := u.nodes[1], u.nodes[2]
	u.down(last)
	if !u.plant(slow, "upgrade.mid-flip=stop") {
		t.Fatal("a node that starts changes over")
	}
	fate := u.doom(slow, "stop")
	u.replace(last, false)
	fate.struck(decided)
	d := u.joiner(u.nodes[0])
	d.old.Store(true)
	d.launch()
	u.traffic(time.Second)
	fate.back()
	d.ready(readyTime)
	u.modes.watch(d)
	u.load.add(d)
	u.decisions += 2 // up, and back for the new one
	u.goes("v1", true, decided)
	u.compare()
	u.drop(d)
	u.switched()
	u.compare()
	u.finish()
}

// U11: an instance is in both structures, with another weight in that of 2.0: all numbers are
// equal. The switch must not come before they are the same, and must not bring the wrong one.
func TestUpgradeComparesContents(t *testing.T) {
	needsUpgrade(t, false)
	const fault = "U11 contents"
	u := beginUpgrade(t, fault, loopback{}, 3, true, mixture)
	u.up(u.nodes[0], u.nodes[1])
	const addr = "&ip=127.9.9.9&port=1&ephemeral=false"
	n := u.nodes[0].api
	var name string
	// A service that lives on the node of 1.X has one structure only.
	for i := 0; name == ""; i++ {
		tried := fmt.Sprint("contents", i)
		if err := n.do(http.MethodPost, "/v1/ns/instance?weight=1&serviceName="+tried+addr, nil, writeTime, nil); err != nil {
			t.Fatal(err)
		}
		err := n.do(http.MethodPost, "/v1/ns/upgrade/ops/instance?ver=v2&weight=2&serviceName="+tried+addr, nil, writeTime, nil)
		if err == nil {
			name = tried
		} else if i == 20 {
			t.Fatalf("no service can be written to in v2 alone: %v", err)
		}
	}
	// All nodes of 2.X tell them apart, and the check names the service.
	differ := func() error {
		for _, n := range u.young() {
			for ver, want := range map[string]float64{"v1": 1, "v2": 2} {
				var in struct{ Weight float64 }
				if err := n.api.get("/v1/ns/upgrade/ops/instance?ver="+ver+"&serviceName="+name+addr, &in); err != nil || in.Weight != want {
					return fmt.Errorf("%v has weight %v in %s (%v), want %v", n, in.Weight, ver, err, want)
				}
			}
			var list struct{ Doms []string }
			if err := n.api.get("/v1/ns/upgrade/ops/service/list?ver=v2&pageNo=1&pageSize=1000", &list); err != nil || !slices.Contains(list.Doms, name) {
				return fmt.Errorf("%v lists %v (%v) in v2", n, list.Doms, err)
			}
			x, err := n.api.explain()
			if err != nil || !strings.Contains(fmt.Sprint(x.Members), name) {
				return fmt.Errorf("%v does not name %s: %v, %+v", n, name, err, x.Members)
			}
		}
		return nil
	}
	eventually(t, 5*time.Second, "the difference is seen", differ)
	u.up(u.nodes[2])
	u.switched()
	for _, n := range u.nodes {
		var list struct{ Hosts []struct{ Weight float64 } }
		if err := n.api.get("/v1/ns/instance/list?serviceName="+name, &list); err != nil || len(list.Hosts) != 1 || list.Hosts[0].Weight != 1 {
			t.Errorf("%v lists %v %v, want the one with weight 1", n, list, err)
		}
	}
	u.finish()
}
