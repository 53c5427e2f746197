package persistence

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"nactor/naming"
)

// often makes snapshots all the time, so that a kill meets them.
func often(o *RaftOptions) { o.SnapshotEntries, o.TrailingEntries, o.SnapshotBytes = 8, 4, 50_000 }

func membersOf(dir string, options func(*RaftOptions)) []*testNode {
	var nodes []*testNode
	for i := range 3 {
		nodes = append(nodes, &testNode{dir: filepath.Join(dir, fmt.Sprint(i)), options: options})
	}
	return nodes
}

// writeAsCluster runs three members that commit as fast as they can, and prints what was
// acknowledged.
func writeAsCluster(dir string) {
	fail := func(err error) { fmt.Fprintln(os.Stderr, err); os.Exit(1) }
	c := &testCluster{addrs: map[string]string{}, nodes: membersOf(dir, func(o *RaftOptions) { often(o); o.Fatal = fail })}
	var servers []Server
	for _, n := range c.nodes {
		if err := c.tryStart(n); err != nil {
			fail(err)
		}
		servers = append(servers, Server{n.NodeID(), n.addr})
	}
	for _, n := range c.nodes {
		if !n.HasState() {
			if err := n.Bootstrap(servers); err != nil {
				fail(err)
			}
		}
	}
	var next atomic.Int64
	for i := range 32 {
		go func() {
			for {
				n := int(next.Add(1))
				if commitTo(c.nodes[i%3], instanceRec(svc, n), overlayRec(svc, n)) == nil {
					fmt.Println(n)
				}
			}
		}()
	}
	select {}
}

// All members are killed at once, several times.
func TestKillAllMembers(t *testing.T) {
	rounds := 4
	if testing.Short() {
		rounds = 1
	}
	dir := t.TempDir()
	for round := range rounds {
		cmd, lines := child(t, "cluster", dir)
		acknowledged := map[int]bool{}
		for len(acknowledged) < 300+500*round && lines.Scan() {
			n, err := strconv.Atoi(lines.Text())
			if err != nil {
				t.Fatal(lines.Text())
			}
			acknowledged[n] = true
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() {
			if n, err := strconv.Atoi(lines.Text()); err == nil {
				acknowledged[n] = true
			}
		}
		_ = cmd.Wait()
		if len(acknowledged) < 300 {
			t.Fatalf("only %d writes: the child failed", len(acknowledged))
		}
		c := &testCluster{t: t, addrs: map[string]string{}, nodes: membersOf(dir, often)}
		for _, n := range c.nodes {
			c.start(n)
		}
		mustCommitTo(t, c.leader(), serviceRec(svc, round)) // all before it is applied then
		want := servicesOn(t, c.leader())
		c.agree(want)
		saved, there := want[svc], map[naming.Addr]bool{}
		for _, in := range saved.Instances {
			there[in.Addr()] = true
		}
		for n := range acknowledged {
			if addr := instanceRec(svc, n).Addr; !there[addr] || saved.Overlays[addr] == nil {
				t.Fatalf("round %d: write %d of %d was acknowledged and is gone", round, n, len(acknowledged))
			}
		}
		if len(saved.Instances) != len(saved.Overlays) {
			t.Errorf("round %d: %d instances and %d overlays: a batch was torn", round, len(saved.Instances), len(saved.Overlays))
		}
		for _, n := range c.nodes {
			n.crash(t)
		}
		t.Logf("round %d: %d acknowledged, %d there", round, len(acknowledged), len(saved.Instances))
	}
}

// How long writes are refused when the leader dies, with the time-outs of production.
func BenchmarkLeaderDies(b *testing.B) {
	c := newTestCluster(b, 3, func(o *RaftOptions) { o.Heartbeat = time.Second })
	mustCommitTo(b, c.follower(), instanceRec(svc, 0))
	var longest time.Duration
	for range b.N {
		leader, n := c.leader(), c.follower()
		leader.crash(b)
		begin := time.Now()
		for commitTo(n, instanceRec(svc, 1)) != nil {
		}
		longest = max(longest, time.Since(begin))
		b.StopTimer()
		c.start(leader)
		eventually(b, "caught up", leader.CaughtUp)
		b.StartTimer()
	}
	b.ReportMetric(longest.Seconds(), "s-longest")
}
