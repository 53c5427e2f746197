package cluster

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func nodeIDs(n int) []string {
	var ids []string
	for i := range n {
		ids = append(ids, fmt.Sprintf("node-%d", i))
	}
	return ids
}

func shares(r *Ring) map[string]int {
	by := map[string]int{}
	for p := range Partitions {
		by[r.Owner(p)]++
	}
	return by
}

func TestRingIsEven(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5, 9} {
		for id, got := range shares(newRing(nodeIDs(n))) {
			if want := Partitions / n; got < want*3/4 || got > want*5/4 {
				t.Errorf("%d nodes: %s owns %d partitions, want about %d", n, id, got, want)
			}
		}
	}
	if r := newRing(nil); r.Owner(0) != "" || r.Owner(Partitions-1) != "" {
		t.Error("a ring of nobody has an owner")
	}
}

// A node that comes takes its share and moves nothing else; the ring depends on who is in
// it and on nothing more.
func TestRingMovesLittle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-f0-9]{8}`), 1, 8, rapid.ID[string]).Draw(t, "ids")
		fresh := rapid.StringMatching(`[g-z]{8}`).Draw(t, "fresh")
		before, after := newRing(slices.Clone(ids)), newRing(append(slices.Clone(ids), fresh))
		for p := range Partitions {
			if o := after.Owner(p); o != before.Owner(p) && o != fresh {
				t.Fatalf("partition %d went from %s to %s", p, before.Owner(p), o)
			}
		}
		slices.Reverse(ids)
		if again := newRing(ids); again.ID() != before.ID() || again.owner != before.owner {
			t.Fatal("the order of the nodes matters")
		}
		if before.ID() == after.ID() {
			t.Fatal("two rings have one id")
		}
	})
}

func TestMembersKeepThePresentLife(t *testing.T) {
	m := func(id, process string, began uint64, status Status, state State) *Member {
		return &Member{ID: id, Process: process, began: began, Status: status, State: state, Host: "h", HTTPPort: 1}
	}
	ms := newMembers([]*Member{
		m("a", "a-1", 1, Alive, Ready), // killed and started again before gossip noticed
		m("a", "a-2", 2, Alive, Joining),
		m("b", "b-1", 5, Failed, Ready),
		m("c", "c-1", 1, Suspect, Ready),
		m("d", "d-1", 1, Alive, Leaving),
		m("e", "e-1", 1, Alive, Ready),
	})
	// A copy of a node's home was started elsewhere, and went again.
	first, copied := m("x", "x-1", 1, Alive, Ready), m("x", "x-2", 2, Alive, Joining)
	copied.HTTPPort = 2
	for _, status := range []Status{Alive, Left, Failed} {
		copied.Status = status
		for _, list := range [][]*Member{{first, copied}, {copied, first}} {
			if got := newMembers(list).Find("x").Process; got != "x-1" {
				t.Errorf("with a copy that is %s, x is %s", status, got)
			}
		}
	}
	// A node that was killed has come back at another address.
	moved := m("x", "x-2", 2, Alive, Joining)
	moved.HTTPPort = 2
	dead := m("x", "x-1", 1, Failed, Ready)
	if got := newMembers([]*Member{dead, moved}).Find("x").Process; got != "x-2" {
		t.Errorf("x is %s after it moved", got)
	}
	if got := ms.Find("a").Process; got != "a-2" {
		t.Errorf("a is %s", got)
	}
	if got := ms.Ring().Owners(); !slices.Equal(got, []string{"e"}) {
		t.Errorf("owners %v, want only who is alive and ready", got)
	}
}

func TestTagsRoundTrip(t *testing.T) {
	yes := true
	m := &Member{
		ID: "8f0c9f3e-1d7a-4d38-9a3c-1a2b3c4d5e6f", Process: "p", Host: "fe80::1", HTTPPort: 65535, RemotePort: 1, RaftPort: 2, SerfPort: 3,
		Version: "2.0.3", State: Ready, Ready: &yes, Settled: true, began: uint64(time.Now().UnixMilli()),
	}
	got, ok := parseMember("p", m.tags())
	if !ok || *got.Ready != yes {
		t.Fatalf("%+v, %v", got, ok)
	}
	got.Ready = m.Ready
	if *got != *m {
		t.Errorf("%+v, want %+v", got, m)
	}
	size := 0
	for k, v := range m.tags() {
		size += len(k) + len(v) + 4
	}
	if size > 400 {
		t.Errorf("the tags take %d bytes; serf allows 512", size)
	}
	for _, tags := range []map[string]string{nil, {"id": "x"}, {"id": "x", "h": "y", "http": "0"}} {
		if m, ok := parseMember("p", tags); ok {
			t.Errorf("%v is taken for a member: %+v", tags, m)
		}
	}
}
