package persistence

import (
	"strings"
	"testing"

	"github.com/hashicorp/raft"

	"nactor/naming"
)

// An empty node at the address of a dead member does not vote and does not answer in that
// one's name, also when it has been given the log; it is made a member once the other is
// removed.
func TestFreshNodeAtADeadMembersAddress(t *testing.T) {
	c := newTestCluster(t, 3, calm)
	leader, dead := c.leader(), c.follower()
	mustCommitTo(t, leader, instanceRec(svc, 1))
	dead.crash(t)
	fresh := c.add(t.TempDir(), calm)
	c.mu.Lock()
	c.addrs[dead.NodeID()] = fresh.addr
	c.mu.Unlock()

	asks := newStranger(t, leader.NodeID())
	at := raft.ServerAddress(fresh.addr)
	vote := func() {
		t.Helper()
		term := leader.raft.CurrentTerm() + 1
		answer := &raft.RequestVoteResponse{}
		err := asks.RequestVote("", at, &raft.RequestVoteRequest{RPCHeader: asks.header(), Term: term, LastLogIndex: 1 << 40, LastLogTerm: term}, answer)
		if err == nil || !strings.Contains(err.Error(), "no member") || answer.Granted {
			t.Errorf("it votes: %v %v", answer, err)
		}
		early := &raft.RequestPreVoteResponse{}
		err = asks.RequestPreVote("", at, &raft.RequestPreVoteRequest{RPCHeader: asks.header(), Term: term, LastLogIndex: 1 << 40, LastLogTerm: term}, early)
		if err == nil || !strings.Contains(err.Error(), "no member") || early.Granted {
			t.Errorf("it votes: %v %v", early, err)
		}
	}
	vote()
	eventually(t, "the leader sends it the log", fresh.HasState)
	vote()
	if err := leader.ping(t.Context(), Server{dead.NodeID(), fresh.addr}); err == nil || !strings.Contains(err.Error(), fresh.NodeID()) {
		t.Errorf("it answers for another: %v", err)
	}
	if err := leader.AddVoter(t.Context(), fresh.NodeID(), fresh.addr); naming.KindOf(err) != naming.KindInvalid {
		t.Errorf("two members at one address: %v", err)
	}
	if err := leader.Spare(t.Context(), dead.NodeID()); err != nil {
		t.Error(err)
	}
	if err := leader.Remove(t.Context(), dead.NodeID()); err != nil {
		t.Fatal(err)
	}
	if err := leader.AddVoter(t.Context(), fresh.NodeID(), fresh.addr); err != nil {
		t.Fatal(err)
	}
	mustCommitTo(t, fresh, instanceRec(svc, 2))
	c.agree(servicesOn(t, leader))
}

func TestSpare(t *testing.T) {
	c := newTestCluster(t, 3, calm)
	leader, follower := c.leader(), c.follower()
	if err := leader.Spare(t.Context(), follower.NodeID()); naming.KindOf(err) != naming.KindInvalid || !strings.Contains(err.Error(), "it answers") {
		t.Errorf("one that lives: %v", err)
	}
	for _, n := range c.nodes {
		if n != leader {
			n.crash(t)
		}
	}
	if err := leader.Spare(t.Context(), follower.NodeID()); naming.KindOf(err) != naming.KindUnavailable || !strings.Contains(err.Error(), "of the 2 nodes that would be left 1 answer") {
		t.Errorf("too few are left: %v", err)
	}
	if len(leader.Peers()) != 3 {
		t.Error("it changed something")
	}
}
