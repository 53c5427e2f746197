package actors

import (
	"testing"
	"time"

	"nactor/naming"
)

func aChange(n uint64) *change {
	return &change{key: naming.Key{Name: "s"}, gone: naming.Revision{Counter: n}}
}

func TestFeedWaitsForReplicas(t *testing.T) {
	now := time.Unix(0, 0)
	f := newFeed(1)
	f.now = func() time.Time { return now }
	var answered []uint64
	add := func() {
		n := f.last() + 1
		f.append(aChange(n), func() { answered = append(answered, n) })
	}
	expect := func(what string, want int) {
		t.Helper()
		if len(answered) != want {
			t.Fatalf("%s: %d answered, want %d", what, len(answered), want)
		}
	}
	f.append(aChange(0), func() { answered = append(answered, 0) })
	expect("nobody reads", 1)
	if f.unreplicated() != 1 {
		t.Errorf("%d counted as alone, want 1", f.unreplicated())
	}
	f.open()
	add()
	expect("the reader is not in sync", 1)
	f.join("a", 0)
	f.ack("a", 1)
	expect("it is, and has it", 2)
	f.open()
	f.join("b", 1)
	add()
	add()
	expect("nobody has acknowledged", 2)
	f.ack("a", 2)
	expect("one has the first", 3)
	f.ack("b", 3)
	expect("the other has both", 4)
	add()
	f.leave("a")
	f.expect(false)
	expect("one of two is doubted", 4)
	f.leave("b")
	f.expect(false)
	expect("both are", 5)
	f.expect(true)
	f.join("a", f.last())
	add()
	now = now.Add(ackPatience + time.Second)
	f.sweep()
	expect("patience is over", 6)
}

func TestFeedForgets(t *testing.T) {
	f := newFeed(0)
	f.open()
	for range feedLength + 10 {
		f.append(aChange(f.last()+1), nil)
	}
	if _, ok := f.read(10, 1); ok {
		t.Error("what was overwritten can be read")
	}
	got, ok := f.read(11, 3)
	if !ok || len(got) != 3 || got[0].gone.Counter != 11 {
		t.Errorf("%v, %v", got, ok)
	}
	if got, ok := f.read(f.last()+1, 3); !ok || len(got) != 0 {
		t.Errorf("after the end: %v, %v", got, ok)
	}
}

// What nobody reads takes a bounded amount of memory.
func TestFeedIsBounded(t *testing.T) {
	f := newFeed(0)
	f.open()
	v := &naming.View{Key: naming.Key{Name: "s"}}
	for i := range 2000 {
		v.Instances = append(v.Instances, &naming.Instance{IP: "10.0.0.1", Port: i, Cluster: "DEFAULT"})
	}
	for i := range 3000 {
		f.append(&change{key: v.Key, next: v, gone: naming.Revision{Counter: uint64(i)}}, nil)
	}
	if f.bytes > feedBytes {
		t.Errorf("%d bytes are kept", f.bytes)
	}
	if _, ok := f.read(1, 1); ok {
		t.Error("the oldest is still there")
	}
	if got, ok := f.read(f.last(), 1); !ok || len(got) != 1 || got[0] == nil {
		t.Error("the newest is not there")
	}
}

func TestGravesKeepTheLatest(t *testing.T) {
	var g graves
	key := naming.Key{Name: "s"}
	at := naming.Revision{Activation: 9, Counter: 2}
	g.add(key, naming.Revision{Activation: 9, Counter: 1}, nil)
	g.add(key, at, naming.Lineage{{Activation: 5, Counter: 3}})
	for _, known := range []naming.Revision{at, {Activation: 9, Counter: 1}, {Activation: 5, Counter: 3}} {
		if rev, ok := g.find(key, known); !ok || rev != at {
			t.Errorf("%v: %v, %v", known, rev, ok)
		}
	}
	for _, unknown := range []naming.Revision{{Activation: 9, Counter: 3}, {Activation: 5, Counter: 4}, {Activation: 7, Counter: 1}} {
		if _, ok := g.find(key, unknown); ok {
			t.Errorf("the service went without %v", unknown)
		}
	}
	for i := range maxGraves {
		g.add(naming.Key{Namespace: "n", Name: string(rune('a' + i%26)), Group: time.Duration(i).String()}, naming.Revision{}, nil)
	}
	if _, ok := g.find(key, at); ok {
		t.Error("the oldest is still there")
	}
	if len(g.by) > maxGraves || len(g.order) > maxGraves {
		t.Errorf("%d graves", len(g.by))
	}
}
