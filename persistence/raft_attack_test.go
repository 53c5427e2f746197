package persistence

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// stranger speaks raft to the nodes without being one.
type stranger struct {
	*raft.NetworkTransport
	id string
}

type strangerStream struct{ tcpStream }

func (s strangerStream) Dial(to raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	c, err := s.tcpStream.Dial(to, timeout)
	if err == nil {
		_, err = c.Write([]byte{forRaft})
	}
	return c, err
}

func newStranger(t *testing.T, id string) stranger {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: strangerStream{tcpStream{l}}, MaxPool: 1, MaxRPCsInFlight: 1, Timeout: 2 * time.Second, Logger: hclog.NewNullLogger(),
	})
	t.Cleanup(func() { n.Close(); n.CloseStreams() })
	return stranger{n, id}
}

func (s stranger) header() raft.RPCHeader {
	return raft.RPCHeader{ProtocolVersion: 3, ID: []byte(s.id), Addr: []byte(s.id)}
}

// calm has no elections because the machine is busy.
func calm(o *RaftOptions) { o.Heartbeat = time.Second }

// A few packets must not take a term to where no election can follow, depose a leader, or
// end a process.
func TestStrangers(t *testing.T) {
	c := newTestCluster(t, 3, calm)
	leader := c.leader()
	mustCommitTo(t, c.follower(), instanceRec(svc, 1))
	term := leader.raft.CurrentTerm()
	refused := func(what string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), "refused by the node") {
			t.Errorf("%s: %v", what, err)
		}
	}
	nobody, member := newStranger(t, "stranger"), newStranger(t, c.nodes[0].NodeID())
	entry := func(change func(*raft.Log)) []*raft.Log {
		e := &raft.Log{Index: 1000, Term: term, Data: []byte("x")}
		change(e)
		return []*raft.Log{e}
	}
	for i, n := range c.nodes {
		at, id := raft.ServerAddress(n.addr), raft.ServerID(n.NodeID())
		for _, jump := range []uint64{1, 1 << 40, math.MaxUint64} {
			refused("AppendEntries", nobody.AppendEntries(id, at, &raft.AppendEntriesRequest{RPCHeader: nobody.header(), Term: jump}, &raft.AppendEntriesResponse{}))
			refused("AppendEntries with an entry", nobody.AppendEntries(id, at, &raft.AppendEntriesRequest{RPCHeader: nobody.header(), Term: jump, Entries: entry(func(*raft.Log) {})}, &raft.AppendEntriesResponse{}))
			refused("RequestVote", nobody.RequestVote(id, at, &raft.RequestVoteRequest{RPCHeader: nobody.header(), Term: jump, LeadershipTransfer: true}, &raft.RequestVoteResponse{}))
			refused("RequestPreVote", nobody.RequestPreVote(id, at, &raft.RequestPreVoteRequest{RPCHeader: nobody.header(), Term: jump}, &raft.RequestPreVoteResponse{}))
			refused("InstallSnapshot", nobody.InstallSnapshot(id, at, &raft.InstallSnapshotRequest{RPCHeader: nobody.header(), Term: jump, SnapshotVersion: 1, Size: 3}, &raft.InstallSnapshotResponse{}, bytes.NewReader([]byte("abc"))))
		}
		refused("TimeoutNow", nobody.TimeoutNow(id, at, &raft.TimeoutNowRequest{RPCHeader: nobody.header()}, &raft.TimeoutNowResponse{}))
		refused("no id", nobody.TimeoutNow(id, at, &raft.TimeoutNowRequest{RPCHeader: raft.RPCHeader{ProtocolVersion: 3}}, &raft.TimeoutNowResponse{}))
		if i == 0 {
			continue
		}
		// Under the name of a member.
		for _, jump := range []uint64{1 << 40, math.MaxUint64} {
			refused("a term", member.AppendEntries(id, at, &raft.AppendEntriesRequest{RPCHeader: member.header(), Term: jump}, &raft.AppendEntriesResponse{}))
			refused("a term", member.RequestVote(id, at, &raft.RequestVoteRequest{RPCHeader: member.header(), Term: jump, LeadershipTransfer: true}, &raft.RequestVoteResponse{}))
		}
		for what, e := range map[string][]*raft.Log{
			"no configuration": entry(func(e *raft.Log) { e.Type = raft.LogConfiguration }),
			"unknown type":     entry(func(e *raft.Log) { e.Type = 77 }),
			"term of later":    entry(func(e *raft.Log) { e.Term = term + 5 }),
			"index 0":          entry(func(e *raft.Log) { e.Index = 0 }),
			"nothing":          {nil},
		} {
			refused(what, member.AppendEntries(id, at, &raft.AppendEntriesRequest{RPCHeader: member.header(), Term: term, Entries: e}, &raft.AppendEntriesResponse{}))
		}
		for what, q := range map[string]raft.InstallSnapshotRequest{
			"size":          {SnapshotVersion: 1, Size: -1},
			"version":       {SnapshotVersion: 9},
			"configuration": {SnapshotVersion: 1, Configuration: []byte("\xff\xff")},
		} {
			q.RPCHeader, q.Term = member.header(), term
			refused(what, member.InstallSnapshot(id, at, &q, &raft.InstallSnapshotResponse{}, bytes.NewReader(nil)))
		}
	}
	mustCommitTo(t, c.nodes[1], instanceRec(svc, 2))
	for _, n := range c.nodes {
		if now := n.raft.CurrentTerm(); now != term {
			t.Errorf("term %d, was %d", now, term)
		}
	}
}

// An answer of an absurd term, from a member or somebody at its address.
func TestAbsurdAnswers(t *testing.T) {
	g := &guard{term: func() uint64 { return 7 }, addressOf: func(raft.ServerID) (string, bool) { return "", false },
		heard: func(raft.ServerID) {}, refused: func(raft.ServerID, string, error) {}}
	for term, ok := range map[uint64]bool{3: true, 8: true, 7 + maxTermJump: true, 8 + maxTermJump: false, math.MaxUint64: false} {
		if err := g.send("a", "b", &term, func(raft.ServerAddress) error { return nil }); (err == nil) != ok {
			t.Errorf("%d: %v", term, err)
		}
	}
}

// Whatever comes in costs a bounded amount of memory, and nobody else's time.
func TestGarbageOnThePort(t *testing.T) {
	c := newTestCluster(t, 3, calm)
	victim := c.leader()
	mustCommitTo(t, c.follower(), instanceRec(svc, 1))
	term := victim.raft.CurrentTerm()
	send := func(b []byte) {
		conn, err := net.Dial("tcp", victim.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(300 * time.Millisecond))
		if _, err := conn.Write(b); err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, conn)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	huge := func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
	for _, b := range [][]byte{
		{}, {0}, {'X', 1, 2}, {forRaft}, {forForward}, []byte("GET / HTTP/1.1\r\n\r\n"),
		{forRaft, 255, 255, 255},
		append([]byte{forRaft, 0, 0xdf}, huge(math.MaxUint32)...), // a map of 2³² fields
		append(append([]byte{forRaft, 0, 0x81, 0xa7}, "Entries"...), append([]byte{0xdd}, huge(math.MaxUint32)...)...),  // an array of 2³² entries
		append(append([]byte{forRaft, 0, 0x81, 0xa6}, "Leader"...), append([]byte{0xc6}, huge(math.MaxUint32-1)...)...), // 4 GiB of bytes
		append(append([]byte{forRaft, 0, 0x81, 0xa6}, "Leader"...), append([]byte{0xdb}, huge(math.MaxInt32)...)...),
		append(append([]byte{forRaft, 2, 0x81, 0xa4}, "Size"...), append([]byte{0xd3}, bytes.Repeat([]byte{0x7f}, 8)...)...),
		append([]byte{forForward}, append(huge(math.MaxUint32), 0, 0, 0, 0)...),
		append([]byte{forForward}, append(huge(maxRequest), 1, 2, 3, 4, 5, 6)...),
		append([]byte{forForward}, append(huge(3), 0, 0, 0, 0, 1, 1, 1)...),
	} {
		send(b)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 30 {
		b := make([]byte, 1+rng.IntN(4000))
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		b[0] = []byte{forRaft, forForward}[rng.IntN(2)]
		if len(b) > 1 && rng.IntN(2) == 0 {
			b[1] = byte(rng.IntN(6))
		}
		send(b)
	}
	runtime.ReadMemStats(&after)
	if grown := (after.TotalAlloc - before.TotalAlloc) >> 20; grown > 200 {
		t.Errorf("%d MiB were allocated", grown)
	}

	// Connections that say nothing, or one byte.
	var open []net.Conn
	for i := range 1000 {
		conn, err := net.DialTimeout("tcp", victim.addr, 2*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, conn)
		_, _ = conn.Write([][]byte{{}, {forRaft}, {forRaft, 0}, {forForward, 0}}[i%4])
	}
	other := c.follower()
	other.crash(t)
	c.start(other)
	mustCommitTo(t, other, instanceRec(svc, 4)) // by new connections
	mustCommitTo(t, c.follower(), instanceRec(svc, 2))
	victim.mux.mu.Lock()
	if n := len(victim.mux.silent); n > maxSilent {
		t.Errorf("%d connections are held", n)
	}
	victim.mux.mu.Unlock()
	for _, conn := range open {
		conn.Close()
	}
	mustCommitTo(t, victim, instanceRec(svc, 3))
	for _, n := range c.nodes {
		if n.raft.CurrentTerm() != term {
			t.Error("there was an election")
		}
	}
}
