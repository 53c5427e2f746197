package faulttest

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"nactor/cmd/nactor/proctest"
)

// remove removes a dead node for good, as an operator does.
func (c *cluster) remove(through *node, name string) error {
	c.t.Helper()
	out, err := exec.Command(proctest.Binary(c.t), "members", "remove", name, "--server", through.addr, "--yes").CombinedOutput()
	if err != nil {
		return errors.New(string(out))
	}
	return nil
}

// waitsFor reports whether anything in the explanation of the upgrade waits for a node.
func (n *node) waitsFor(other *node) (bool, error) {
	var x struct {
		WaitsFor []string
		Members  []struct{ Address string }
	}
	if err := n.api.get("/v1/ns/upgrade/ops/explain", &x); err != nil {
		return false, err
	}
	text, err := json.Marshal(x)
	return strings.Contains(string(text), other.addr), err
}

// state returns how a node shows another in its list of members, "" for not at all.
func (n *node) state(other *node) string {
	members, _ := n.api.members()
	for _, m := range members {
		if m.Address == other.addr {
			return m.State
		}
	}
	return ""
}

// lose kills a node for good and waits until the others know.
func (c *cluster) lose(n *node) {
	c.t.Helper()
	n.kill()
	for _, other := range c.alive() {
		eventually(c.t, 10*time.Second, "it is seen as down", func() error {
			if s := other.state(n); s != "DOWN" {
				return fmt.Errorf("%v shows %v as %q", other, n, s)
			}
			return nil
		})
	}
}

// again kills all nodes that serve, and starts them again.
func (c *cluster) again() {
	c.t.Helper()
	alive := c.alive()
	for _, n := range alive {
		n.kill()
	}
	for _, n := range alive {
		n.launch()
	}
	for _, n := range alive {
		n.ready(readyTime)
	}
}

// empty throws away what a node holds.
func (n *node) empty() {
	n.c.t.Helper()
	if err := os.RemoveAll(n.spec.Home + "/data"); err != nil {
		n.c.t.Fatal(err)
	}
}

// A node of three is lost for good. An empty node at its address takes its place, although
// the others have been restarted and never saw it; lost again, it is removed, and when it
// comes back with its data it is told so.
func TestLostForGood(t *testing.T) {
	c := newCluster(t, loopback{}, 3)
	c.start()
	c.await(10 * time.Second)
	lost := c.nodes[2]
	if err := c.remove(c.nodes[0], lost.addr); err == nil || !strings.Contains(err.Error(), "stop it first") {
		t.Errorf("one that is alive: %v", err)
	}
	if err := c.remove(c.nodes[0], c.nodes[0].addr); err == nil || !strings.Contains(err.Error(), "the node that you ask") {
		t.Errorf("the one that is asked: %v", err)
	}
	if err := c.remove(c.nodes[0], "127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), "no member is called") || !strings.Contains(err.Error(), lost.addr) {
		t.Errorf("nobody: %v", err)
	}

	c.lose(lost)
	c.again()
	lost.empty()
	began := time.Now()
	lost.launch()
	lost.ready(readyTime)
	c.await(10 * time.Second)
	c.writable()
	results.expect(t, time.Since(began) < 15*time.Second, "a node lost for good", "an empty one at its address → ready", short(time.Since(began)).String(), "< 15s")

	c.lose(lost)
	began = time.Now()
	if err := c.remove(c.nodes[1], lost.addr); err != nil {
		t.Fatal(err)
	}
	results.expect(t, time.Since(began) < 5*time.Second, "a node lost for good", "members remove", short(time.Since(began)).String(), "< 5s")
	if err := c.remove(c.nodes[0], lost.addr); err != nil {
		t.Errorf("said twice: %v", err)
	}
	for _, n := range c.alive() {
		eventually(t, 5*time.Second, "nothing waits for it", func() error {
			if waits, err := n.waitsFor(lost); err != nil || waits {
				return fmt.Errorf("%v: %v %v", n, waits, err)
			}
			return nil
		})
	}
	c.writable()
	if err := c.remove(c.nodes[0], c.nodes[1].addr); err == nil {
		t.Error("one of two was removed")
	}

	lost.launch() // with its data
	if code := lost.server.Wait(readyTime); code != exitData || !strings.Contains(lost.tail("nacos.log", 2000), "--replace-node") {
		t.Errorf("it comes back: exit code %d, want %d and what to do in\n%s", code, exitData, lost.tail("nacos.log", 2000))
	}
	c.writable()
	lost.launch("--replace-node")
	lost.ready(readyTime)
	c.await(10 * time.Second)
	c.writable()

	// One that was only away, against the operator's word.
	lost.up = false
	lost.server.Pause()
	eventually(t, 10*time.Second, "it is seen as down", func() error { return c.remove(c.nodes[0], lost.addr) })
	lost.server.Resume()
	if code := lost.server.Wait(readyTime); code != exitData || !strings.Contains(lost.tail("nacos.log", 2000), "--replace-node") {
		t.Errorf("it is back: exit code %d, want %d and what to do in\n%s", code, exitData, lost.tail("nacos.log", 2000))
	}
	c.await(10 * time.Second)
	c.writable()
}

// A node of 1.X is lost for good in the middle of an upgrade. It is waited for until it is
// replaced, at its address or elsewhere, or removed; restarts of the others change nothing.
func TestUpgradeLostForGood(t *testing.T) {
	needsUpgrade(t, false)
	ways := map[string]func(u *upgrade, lost *node){
		"an empty node at its address": func(u *upgrade, lost *node) {
			lost.empty()
			lost.old.Store(false)
			u.launch(lost)
		},
		"a new node elsewhere, then removed": func(u *upgrade, lost *node) {
			u.add(false)
			if err := u.remove(u.nodes[1], lost.addr); err != nil {
				u.t.Fatal(err)
			}
		},
		"removed": func(u *upgrade, lost *node) {
			if err := u.remove(u.nodes[1], lost.addr); err != nil {
				u.t.Fatal(err)
			}
		},
	}
	for name, way := range ways {
		for _, again := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, others restarted %v", name, again), func(t *testing.T) {
				u := beginUpgrade(t, "upgrade, a node lost for good", loopback{}, 3, true, mixture)
				u.unfailing = false // a node is killed, and two voters of three need each other
				lost := u.nodes[2]
				u.replace(u.nodes[0], false)
				u.replace(u.nodes[1], false)
				u.lose(lost)
				if again {
					u.replace(u.nodes[0], false)
					u.replace(u.nodes[1], false)
				}
				u.stays("v1", 10*checkEvery)
				for _, n := range u.alive() {
					members, err := n.api.members()
					if err != nil {
						t.Fatal(err)
					}
					for _, m := range members {
						if m.ExtendInfo.ReadyToUpgrade != nil && *m.ExtendInfo.ReadyToUpgrade {
							t.Errorf("%v shows %s as ready", n, m.Address)
						}
					}
					if waits, err := n.waitsFor(lost); err != nil || !waits {
						t.Errorf("%v does not wait for it: %v", n, err)
					}
				}
				way(u, lost)
				u.switched()
				u.finish()
			})
		}
	}
}
