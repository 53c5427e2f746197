package simtest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"nactor/naming"
)

var three = []string{"a", "b", "c"}

// ownerPatience is how long the services of a dead node may be without one.
const ownerPatience = 3500 * time.Millisecond

func serviceKey(name string) naming.Key {
	return naming.Key{Namespace: naming.DefaultNamespace, Group: naming.DefaultGroup, Name: name}
}

// keys returns the keys of n services.
func keys(n int) []naming.Key {
	var out []naming.Key
	for i := range n {
		out = append(out, serviceKey(fmt.Sprintf("s%d", i)))
	}
	return out
}

func instance(ip string, ephemeral bool) *naming.Instance {
	return &naming.Instance{
		IP: ip, Port: 8080, Cluster: naming.DefaultCluster, Weight: 1, Enabled: true, Healthy: true, Ephemeral: ephemeral,
	}
}

// must carries out a command that has to succeed.
func (w *world) must(n *node, key naming.Key, cmd naming.Command) naming.Result {
	w.t.Helper()
	r, err := w.request(n, key, cmd)
	if err != nil {
		w.t.Fatalf("%s: %T of %s: %v", n.name, cmd, key.Name, err)
	}
	return r
}

func (w *world) register(n *node, key naming.Key, ip string) {
	w.t.Helper()
	w.must(n, key, naming.Register{Instance: instance(ip, true)})
}

// shows returns the instance that a node shows at an address, or nil.
func (n *node) shows(key naming.Key, ip string, ephemeral bool) *naming.Instance {
	if v := n.views.View(key); v != nil {
		return v.FindClient(ip, 8080, ephemeral)
	}
	return nil
}

// everywhere reports whether all serving nodes show the instance as healthy.
func (w *world) everywhere(key naming.Key, ip string) bool {
	return !slices.ContainsFunc(w.serving(), func(n *node) bool {
		in := n.shows(key, ip, true)
		return in == nil || !in.Healthy
	})
}

// ring waits until a node believes that these own everything.
func (w *world) ring(name string, owners ...string) {
	w.t.Helper()
	w.within(15*time.Second, fmt.Sprintf("%s sees the ring of %v", name, owners), func() bool {
		return slices.Equal(w.node(name).members().Ring().Owners(), owners)
	})
}

func TestStart(t *testing.T) {
	for _, order := range [][]string{{"a", "b", "c"}, {"c", "a", "b"}, {"b", "c", "a"}} {
		for _, pause := range []time.Duration{0, 3 * time.Second} {
			inWorld(t, 1, three, func(w *world) {
				for _, name := range order {
					w.start(name)
					time.Sleep(pause)
				}
				took := w.within(10*time.Second, "all serve", func() bool { return len(w.serving()) == 3 })
				w.t.Logf("order %v, %v apart: all serve %v after the last start", order, pause, took+pause)
				w.agree(5*time.Second, nil)
			})
		}
	}
}

func TestOwnerDies(t *testing.T) {
	inWorld(t, 2, three, func(w *world) {
		w.startAll()
		all := keys(40)
		for i, key := range all {
			w.register(w.node(three[i%3]), key, "10.1.0.1")
		}
		w.within(time.Second, "every node shows everything", func() bool {
			return !slices.ContainsFunc(all, func(key naming.Key) bool { return !w.everywhere(key, "10.1.0.1") })
		})
		dead := w.owner(all[0])
		w.kill(dead.name)
		killed := time.Now()
		for _, n := range w.serving() {
			for _, key := range all {
				if n.shows(key, "10.1.0.1", true) == nil {
					w.t.Errorf("%s lost %s with its owner", n.name, key.Name)
				}
			}
		}
		for _, n := range w.serving() {
			w.within(ownerPatience-time.Since(killed), "writes work again at "+n.name, func() bool {
				ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
				defer cancel()
				_, err := n.do(ctx, all[0], naming.Register{Instance: instance("10.1.0.2", true)})
				return err == nil
			})
		}
		w.t.Logf("writes work again after %v", time.Since(killed))
		for _, key := range all {
			if !w.everywhere(key, "10.1.0.1") {
				w.t.Errorf("%s is not shown as healthy everywhere", key.Name)
			}
		}
		w.agree(2*time.Second, all)
		w.restart(dead.name)
		for _, key := range all {
			if !w.everywhere(key, "10.1.0.1") {
				w.t.Errorf("%s is not shown as healthy everywhere after the restart", key.Name)
			}
		}
		w.agree(2*time.Second, all)
	})
}

// The acknowledged registrations of both sides of a cut are there after it.
func TestPartitionUnion(t *testing.T) {
	for _, alone := range three {
		inWorld(t, 3, three, func(w *world) {
			w.startAll()
			all := keys(12)
			for _, key := range all[:6] {
				w.register(w.node("a"), key, "10.1.0.1")
			}
			time.Sleep(time.Second)
			others := w.others(alone)
			w.net.Partition([]string{alone}, others)
			w.ring(alone, alone)
			w.ring(others[0], others...)
			w.ring(others[1], others...)
			for _, key := range all {
				w.register(w.node(alone), key, "10.1.0.2")
				w.register(w.node(others[0]), key, "10.1.0.3")
			}
			w.net.Heal()
			for _, name := range three {
				w.ring(name, three...)
			}
			took := w.within(5*time.Second, "all nodes show both sides", func() bool {
				return !slices.ContainsFunc(all, func(key naming.Key) bool {
					return !w.everywhere(key, "10.1.0.2") || !w.everywhere(key, "10.1.0.3")
				})
			})
			w.t.Logf("%s alone: both sides are shown %v after the ring was whole", alone, took)
			for _, key := range all[:6] {
				if !w.everywhere(key, "10.1.0.1") {
					w.t.Errorf("%s: what was there before the cut is not everywhere", key.Name)
				}
			}
			w.agree(10*time.Second, all)
		})
	}
}

// What was deregistered on one side of a cut does not come back with the other.
func TestDeregisterDuringPartition(t *testing.T) {
	for _, alone := range three {
		inWorld(t, 4, three, func(w *world) {
			w.startAll()
			all := keys(12)
			for _, key := range all {
				w.register(w.node("a"), key, "10.1.0.1")
				w.register(w.node("a"), key, "10.1.0.2")
			}
			time.Sleep(time.Second)
			others := w.others(alone)
			w.net.Partition([]string{alone}, others)
			w.ring(alone, alone)
			w.ring(others[0], others...)
			for _, key := range all {
				w.must(w.node(others[0]), key, naming.Deregister{Addr: instance("10.1.0.1", true).Addr(), Ephemeral: true})
			}
			w.net.Heal()
			for _, name := range three {
				w.ring(name, three...)
			}
			w.agree(10*time.Second, all)
			for _, key := range all {
				for _, n := range w.serving() {
					if n.shows(key, "10.1.0.1", true) != nil {
						w.t.Errorf("%s alone: %s shows what was deregistered of %s", alone, n.name, key.Name)
					}
					if n.shows(key, "10.1.0.2", true) == nil {
						w.t.Errorf("%s alone: %s does not show the rest of %s", alone, n.name, key.Name)
					}
				}
			}
		})
	}
}

// A service that moves takes along when its instances were last heard of.
func TestMoveKeepsBeats(t *testing.T) {
	const silent = 12 * time.Second
	unhealthy := func(w *world, all []naming.Key, since time.Time) {
		w.t.Helper()
		for {
			for _, n := range w.serving() {
				for _, key := range all {
					in := n.shows(key, "10.1.0.1", true)
					ago := time.Since(since)
					switch {
					case in == nil:
						w.t.Fatalf("%s does not show %s %v after its last beat", n.name, key.Name, ago)
					case !in.Healthy && ago < naming.DefaultBeatTimeout-100*time.Millisecond:
						w.t.Fatalf("%s shows %s unhealthy %v after its last beat", n.name, key.Name, ago)
					case in.Healthy && ago > naming.DefaultBeatTimeout+time.Second:
						w.t.Fatalf("%s shows %s healthy %v after its last beat", n.name, key.Name, ago)
					}
				}
			}
			if time.Since(since) > naming.DefaultBeatTimeout+2*time.Second {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	t.Run("leave", func(t *testing.T) {
		inWorld(t, 5, three, func(w *world) {
			w.startAll()
			all := keys(12)
			since := time.Now()
			for _, key := range all {
				w.register(w.node("a"), key, "10.1.0.1")
			}
			time.Sleep(silent)
			w.owner(all[0]).leave()
			unhealthy(w, all, since)
		})
	})
	t.Run("join", func(t *testing.T) {
		inWorld(t, 5, three, func(w *world) {
			w.start("a")
			w.start("b")
			w.within(10*time.Second, "two nodes serve", func() bool { return len(w.serving()) == 2 })
			all := keys(12)
			since := time.Now()
			for _, key := range all {
				w.register(w.node("a"), key, "10.1.0.1")
			}
			time.Sleep(silent)
			w.start("c")
			w.within(3*time.Second, "the third serves", func() bool { return len(w.serving()) == 3 })
			if !slices.ContainsFunc(all, func(key naming.Key) bool { return w.owner(key).name == "c" }) {
				w.t.Fatal("nothing has moved")
			}
			unhealthy(w, all, since)
		})
	})
}

// A node that hears nothing for longer than the feed remembers gets everything anew.
func TestSlowPeer(t *testing.T) {
	inWorld(t, 6, three, func(w *world) {
		w.startAll()
		all := keys(12)
		for _, key := range all {
			w.register(w.node("a"), key, "10.1.0.1")
		}
		for _, name := range []string{"a", "b"} {
			w.net.Silence("c", name)
			w.net.Silence(name, "c")
		}
		w.ring("a", "a", "b")
		const changes = 70_000 // two feeds of 1<<15 changes overflow
		in := instance("10.1.0.2", true)
		for i := range changes {
			next := *in
			next.Weight = float64(i%2 + 1)
			w.must(w.node("a"), all[i%len(all)], naming.Register{Instance: &next})
		}
		if w.node("c").shows(all[0], "10.1.0.2", true) != nil {
			w.t.Fatal("c has heard of the changes")
		}
		w.net.Heal()
		w.ring("a", three...)
		w.ring("c", three...)
		took := w.agree(15*time.Second, all)
		w.t.Logf("the slow node agrees %v after it is back in the ring", took)
	})
}

// An acknowledged registration outlives the node that acknowledged it, also when that dies
// in the same instant.
func TestKillAfterAck(t *testing.T) {
	for seed := range uint64(8) {
		inWorld(t, 100+seed, three, func(w *world) {
			w.startAll()
			all := keys(60)
			w.net.Delay(2*time.Millisecond, time.Millisecond)
			acked := make(chan naming.Key, len(all))
			victim := w.node(w.anyNode())
			for _, key := range all {
				w.wg.Go(func() {
					time.Sleep(w.span0(10 * time.Millisecond))
					if _, err := w.request(victim, key, naming.Register{Instance: instance("10.1.0.1", true)}); err == nil {
						acked <- key
					}
				})
			}
			time.Sleep(time.Duration(4+2*seed) * time.Millisecond)
			w.trace("crash %s", victim.name)
			victim.host.Crash()
			victim.kill()
			w.wg.Wait()
			close(acked)
			var promised []naming.Key
			for key := range acked {
				promised = append(promised, key)
			}
			time.Sleep(ownerPatience + 4*time.Second)
			for _, key := range promised {
				if !w.everywhere(key, "10.1.0.1") {
					w.t.Errorf("seed %d: %s was acknowledged and is not everywhere", seed, key.Name)
				}
			}
			w.t.Logf("killed after %d acknowledgements", len(promised))
			w.agree(5*time.Second, all)
		})
	}
}

// Persistent instances are there after all nodes have died at once.
func TestPersistentSurvives(t *testing.T) {
	inWorld(t, 7, three, func(w *world) {
		w.startAll()
		all := keys(12)
		for i, key := range all {
			w.must(w.node(three[i%3]), key, naming.Register{Instance: instance("10.1.0.1", false)})
		}
		for _, name := range three {
			w.kill(name)
		}
		w.startAll()
		for _, key := range all {
			for _, n := range w.serving() {
				w.within(2*time.Second, n.name+" shows "+key.Name, func() bool { return n.shows(key, "10.1.0.1", false) != nil })
			}
		}
		w.agree(12*time.Second, all)
	})
}
