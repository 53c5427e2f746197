package persistence

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nactor/naming"
)

func (c *testCluster) follower() *testNode {
	c.t.Helper()
	for leader := c.leader(); ; {
		for _, n := range c.nodes {
			if n != leader && !n.isClosed() {
				return n
			}
		}
		c.t.Fatal("nobody follows")
	}
}

// crash ends a node without a word to the others.
func (n *testNode) crash(t testing.TB) {
	t.Helper()
	n.guard.cut.Store(true)
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestLeaderDies(t *testing.T) {
	c := newTestCluster(t, 3, nil)
	c.leader()
	var acknowledged sync.Map
	var next atomic.Int64
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for _, n := range c.nodes {
		writers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				r := instanceRec(svc, int(next.Add(1)))
				switch err := commitTo(n, r); {
				case err == nil:
					acknowledged.Store(r.Addr, true)
				case naming.KindOf(err) != naming.KindUnavailable:
					t.Error(err)
				case n.isClosed():
					return
				}
			}
		})
	}
	eventually(t, "some writes", func() bool { return next.Load() > 50 })
	leader := c.leader()
	leader.crash(t)
	died := time.Now()
	mustCommitTo(t, c.follower(), serviceRec(svc, 1))
	t.Logf("a write after %v", time.Since(died))
	close(stop)
	writers.Wait()
	c.start(leader)
	held := map[naming.Addr]bool{}
	for _, n := range c.nodes {
		eventually(t, "caught up", n.CaughtUp)
		clear(held)
		for _, in := range servicesOn(t, n)[svc].Instances {
			held[in.Addr()] = true
		}
		acknowledged.Range(func(a, _ any) bool {
			if !held[a.(naming.Addr)] {
				t.Errorf("node %s lost %v", n.addr, a)
			}
			return true
		})
	}
	c.agree(servicesOn(t, c.leader()))
}

func TestMinorityRefuses(t *testing.T) {
	c := newTestCluster(t, 3, func(o *RaftOptions) { o.Patience = 2 * time.Second })
	last := c.leader()
	for _, n := range c.nodes {
		if n != last {
			n.crash(t)
		}
	}
	begin := time.Now()
	err := commitTo(last, instanceRec(svc, 1))
	if naming.KindOf(err) != naming.KindUnavailable || !strings.Contains(err.Error(), "no quorum: this node sees 1 of 3 nodes") {
		t.Errorf("%v", err)
	}
	if d := time.Since(begin); d > 3*time.Second {
		t.Errorf("after %v", d)
	}
	if _, ok := last.Saved(svc); ok {
		t.Error("it is there")
	}
}

func TestAllRestart(t *testing.T) {
	c := newTestCluster(t, 3, nil)
	c.leader()
	for i := range 20 {
		mustCommitTo(t, c.nodes[i%3], instanceRec(svc, i), overlayRec(svc, i))
	}
	want := servicesOn(t, c.leader())
	c.agree(want)
	var ids []string
	for _, n := range c.nodes {
		ids = append(ids, n.NodeID())
		n.crash(t)
	}
	for i, n := range c.nodes { // at new addresses
		c.start(n)
		if n.NodeID() != ids[i] || !n.HasState() {
			t.Error("it is another node")
		}
		if err := n.Bootstrap([]Server{{n.NodeID(), n.addr}}); err == nil {
			t.Error("a cluster was made a second time")
		}
	}
	c.agree(want)
	mustCommitTo(t, c.follower(), instanceRec(svc, 99))
	for _, n := range c.nodes {
		eventually(t, "caught up", n.CaughtUp)
	}
}

func TestMembers(t *testing.T) {
	c := newTestCluster(t, 3, nil)
	ctx := t.Context()
	mustCommitTo(t, c.follower(), batchOf(0, 100)...)
	fourth := c.add(t.TempDir(), nil)
	if fourth.HasState() {
		t.Error("it has state")
	}
	if err := c.follower().AddVoter(ctx, "nobody", "127.0.0.1:1"); naming.KindOf(err) != naming.KindUnavailable {
		t.Errorf("a node that does not answer: %v", err)
	}
	if err := c.follower().AddVoter(ctx, fourth.NodeID(), fourth.addr); err != nil {
		t.Fatal(err)
	}
	c.agree(servicesOn(t, c.nodes[0]))
	eventually(t, "caught up", fourth.CaughtUp)
	mustCommitTo(t, fourth, instanceRec(svc, 200))

	// The same node elsewhere: elections find it, and the members can be told.
	fourth.crash(t)
	c.start(fourth)
	mustCommitTo(t, fourth, instanceRec(svc, 201))
	if err := c.nodes[0].AddVoter(ctx, fourth.NodeID(), fourth.addr); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new address", func() bool { return fourth.hasVoter(fourth.NodeID(), fourth.addr) })

	// Two of four are dead: neither of the others may go.
	leader := c.leader()
	var dead, alive []*testNode
	for _, n := range c.nodes {
		if n != leader && len(dead) < 1 {
			n.crash(t)
			dead = append(dead, n)
		} else if n != leader {
			alive = append(alive, n)
		}
	}
	if err := leader.Remove(ctx, dead[0].NodeID()); err != nil {
		t.Fatal(err)
	}
	alive[0].crash(t) // three members, two of which live
	err := leader.Remove(ctx, alive[1].NodeID())
	if naming.KindOf(err) != naming.KindUnavailable || !strings.Contains(err.Error(), "of the 2 nodes that would be left 1 answer") {
		t.Errorf("%v", err)
	}
	if err := c.leader().Remove(ctx, alive[0].NodeID()); err != nil {
		t.Fatal(err)
	}
	mustCommitTo(t, alive[1], instanceRec(svc, 202))
}

// A node that comes without anything gets all in a snapshot, and learns of new members
// although it was away.
func TestSnapshots(t *testing.T) {
	small := func(o *RaftOptions) { o.SnapshotEntries, o.TrailingEntries, o.SnapshotBytes = 8, 4, 20_000 }
	c := newTestCluster(t, 3, small)
	c.leader()
	away := c.follower()
	away.crash(t)
	for i := range 60 {
		mustCommitTo(t, c.follower(), batchOf(i*10, 10)...)
	}
	for _, n := range c.nodes {
		if n != away {
			eventually(t, "a shorter log", func() bool { first, _ := n.log.FirstIndex(); return first > 20 })
		}
	}
	c.start(away)
	fresh := c.add(t.TempDir(), small)
	if err := c.leader().AddVoter(t.Context(), fresh.NodeID(), fresh.addr); err != nil {
		t.Fatal(err)
	}
	want := servicesOn(t, c.leader())
	c.agree(want)
	for _, n := range []*testNode{away, fresh} {
		n.mu.Lock()
		if len(n.applied) == 0 {
			t.Error("nobody was told of what came in a snapshot")
		}
		n.mu.Unlock()
	}
	for _, n := range c.nodes {
		n.crash(t)
	}
	for _, n := range c.nodes {
		c.start(n)
	}
	c.agree(want)
	mustCommitTo(t, away, instanceRec(svc, 1000))
}

// Two nodes change different switches, and namespaces, at once: none is lost.
func TestSettingsOfACluster(t *testing.T) {
	c := newTestCluster(t, 3, nil)
	c.leader()
	var all []*Settings
	var calls atomic.Int64
	for _, n := range c.nodes {
		s, err := n.Settings(func(*naming.Switches) { calls.Add(1) })
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	ctx := t.Context()
	var changes sync.WaitGroup
	for i, entry := range []string{"check", "lightBeatEnabled", "defaultInstanceEphemeral"} {
		changes.Go(func() {
			if err := all[i].SetSwitch(ctx, entry, "false", false); err != nil {
				t.Error(err)
			}
			if ok, err := all[i].CreateNamespace(ctx, naming.Namespace{ID: "same", Name: fmt.Sprint(i)}); err != nil {
				t.Error(err)
			} else if ok {
				calls.Add(1000)
			}
			if _, err := all[i].CreateNamespace(ctx, naming.Namespace{ID: fmt.Sprint("own-", i)}); err != nil {
				t.Error(err)
			}
		})
	}
	changes.Wait()
	for _, s := range all {
		eventually(t, "all settings everywhere", func() bool {
			sw := s.Switches()
			return !sw.HealthCheckEnabled && !sw.LightBeatEnabled && !sw.DefaultInstanceEphemeral && len(s.Namespaces()) == 4 &&
				reflect.DeepEqual(s.Namespaces(), all[0].Namespaces())
		})
	}
	if n := calls.Load(); n/1000 != 1 || n%1000 < 7 {
		t.Errorf("the namespace was made %d times, %d calls", n/1000, n%1000)
	}
}

func TestDocumentsOfACluster(t *testing.T) {
	c := newTestCluster(t, 3, nil)
	c.leader()
	type seen struct {
		mu       sync.Mutex
		versions []uint64
		last     string
	}
	var all [3]seen
	for i, n := range c.nodes {
		n.OnDocument(func(name string, value []byte, version uint64) {
			s := &all[i]
			s.mu.Lock()
			defer s.mu.Unlock()
			if name != "upgrade" || len(s.versions) > 0 && version <= s.versions[len(s.versions)-1] {
				t.Errorf("%s %d after %v", name, version, s.versions)
			}
			s.versions, s.last = append(s.versions, version), string(value)
		})
	}
	var won atomic.Int64
	var all3 sync.WaitGroup
	for i, n := range c.nodes {
		all3.Go(func() {
			v, err := n.PutDocument(t.Context(), "upgrade", 0, []byte(fmt.Sprint(i)))
			switch {
			case err == nil && v == 1:
				won.Add(1)
			case !errors.Is(err, ErrConflict):
				t.Error(v, err)
			}
		})
	}
	all3.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of three made the same version", won.Load())
	}
	eventually(t, "version 1", func() bool { _, v, err := c.nodes[1].Document("upgrade"); return v == 1 && err == nil })
	if v, err := c.nodes[1].PutDocument(t.Context(), "upgrade", 1, []byte("end")); v != 2 || err != nil {
		t.Fatal(v, err)
	}
	for i := range all {
		eventually(t, "everybody is told", func() bool {
			all[i].mu.Lock()
			defer all[i].mu.Unlock()
			return all[i].last == "end"
		})
	}
}

// A full disk refuses before harm; a leader with one lets others lead.
func TestFullDiskOfALeader(t *testing.T) {
	var full sync.Map
	c := newTestCluster(t, 3, func(o *RaftOptions) {
		dir := o.Dir
		o.Fatal = func(err error) { t.Errorf("fatal: %v", err) }
		o.FreeSpace = func(string) (int64, error) {
			if _, ok := full.Load(dir); ok {
				return 1, nil
			}
			return 1 << 40, nil
		}
	})
	leader, follower := c.leader(), c.follower()
	mustCommitTo(t, follower, instanceRec(svc, 1))
	full.Store(leader.dir, true)
	if err := commitTo(leader, instanceRec(svc, 2)); naming.KindOf(err) != naming.KindUnavailable || !strings.Contains(err.Error(), "disk is full") {
		t.Errorf("%v", err)
	}
	begin := time.Now()
	mustCommitTo(t, follower, instanceRec(svc, 3))
	t.Logf("another node leads after %v", time.Since(begin))
	if c.leader() == leader {
		t.Error("it leads still")
	}
	full.Delete(leader.dir)
	eventually(t, "room again", func() bool { return commitTo(leader, instanceRec(svc, 4)) == nil })
	c.agree(servicesOn(t, leader))
}

func TestCloseOfACluster(t *testing.T) {
	c := newTestCluster(t, 3, nil)
	leader, follower := c.leader(), c.follower()
	if err := leader.Close(); err != nil { // hands over
		t.Fatal(err)
	}
	begin := time.Now()
	mustCommitTo(t, follower, instanceRec(svc, 1))
	t.Logf("the next write after %v", time.Since(begin))
	if err := commitTo(leader, instanceRec(svc, 2)); naming.KindOf(err) != naming.KindUnavailable {
		t.Error(err)
	}
	if err := leader.AddVoter(context.Background(), "x", "y:1"); naming.KindOf(err) != naming.KindUnavailable {
		t.Error(err)
	}
}

func TestLeaderIsRemoved(t *testing.T) {
	for _, by := range []string{"itself", "another"} {
		t.Run(by, func(t *testing.T) {
			c := newTestCluster(t, 3, func(o *RaftOptions) { o.Patience = 2 * time.Second })
			leader, asked := c.leader(), c.follower()
			if by == "itself" {
				asked = leader
			}
			if err := asked.Remove(t.Context(), leader.NodeID()); err != nil {
				t.Fatal(err)
			}
			rest := c.nodes[0]
			if rest == leader {
				rest = c.nodes[1]
			}
			mustCommitTo(t, rest, instanceRec(svc, 1))
			if len(rest.Peers()) != 2 {
				t.Errorf("members: %v", rest.Peers())
			}
			if err := commitTo(leader, instanceRec(svc, 2)); naming.KindOf(err) != naming.KindUnavailable {
				t.Error(err)
			}
			if err := rest.AddVoter(t.Context(), leader.NodeID(), leader.addr); err != nil {
				t.Fatal(err)
			}
			eventually(t, "it is back", func() bool { return commitTo(leader, instanceRec(svc, 3)) == nil })
		})
	}
}
