package actors

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"nactor/actors/actorpb"
	"nactor/cluster"
	"nactor/naming"
	"nactor/replica"
)

// sent is what a node under test sends to others.
type sent struct {
	take func(to, inbox string, message proto.Message)
}

// Send implements Peers.
func (s sent) Send(to, inbox string, message proto.Message) {
	if name := string(proto.MessageName(message)); !slices.Contains(actorpb.Wire(), name) {
		panic(name + " is not among the messages that nodes take from each other")
	}
	if s.take != nil {
		s.take(to, inbox, message)
	}
}

// amongOthers returns the services of a node "a" of several, which end with the test.
func amongOthers(t *testing.T, cfg Config, take func(to, inbox string, message proto.Message)) *Services {
	t.Helper()
	rules := naming.DefaultRules()
	cfg.Logger, cfg.Self, cfg.Rules, cfg.Peers = slog.New(slog.DiscardHandler), "a", &rules, sent{take}
	if cfg.Clock == nil {
		cfg.Clock = NewClock()
	}
	if cfg.Views == nil {
		cfg.Views = replica.New(cfg.Clock.Now, nil)
	}
	return NewServices(cfg)
}

// Who is here may change until the membership ends, which is after the services.
func TestNoLinkAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := amongOthers(t, Config{}, nil)
		end(s)
		s.Follow(Topology{Ring: 1, Owner: func(int) string { return "b" }, Peers: []Peer{{ID: "b", Process: "b1"}}})
		time.Sleep(time.Minute)
		if n := len(s.mesh.links); n != 0 {
			t.Errorf("%d links", n)
		}
	})
}

// What a node has only loaded from the store is replaced by what the owner shows: the grain
// of the owner counts it as known, so merging it would show nothing new.
func TestWhatWasLoadedIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := amongOthers(t, Config{}, nil)
		defer end(s)
		key := naming.Key{Namespace: "n", Group: "g", Name: "s"}
		s.Views.Put(&naming.View{Key: key, Revision: naming.Revision{Activation: 50, Counter: 1}})
		for _, counter := range []uint64{0, 7} {
			list := &actorpb.Listing{Entries: []*actorpb.Entry{entry(key, naming.Revision{Activation: naming.Loaded, Counter: counter}, nil)}}
			send, gone, ask, merge := s.mesh.compare(list)
			if len(send) != 1 || len(gone)+len(ask)+len(merge) > 0 {
				t.Errorf("loaded %d times: send %v, gone %v, ask %v, merge %v", counter, send, gone, ask, merge)
			}
		}
	})
}

// end ends the services of a node.
func end(s *Services) {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	s.Run(over)
}

// A view of an owner that this node does not know yet is shown once it does: that owner has
// been told that it is here.
func TestForeignViewWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := amongOthers(t, Config{Identity: cluster.Identity}, nil)
		run(t, s)
		key := testKey(1)
		show(s, key, testInstance(1, true))
		s.Follow(ringOf(1, "b", "b", "c"))
		s.mesh.deliver("c", &inbound{}, &actorpb.Packet{Body: &actorpb.Packet_Views{Views: &actorpb.Views{Views: []*actorpb.View{
			actorpb.FromView(&naming.View{Key: key, Ephemeral: true, Revision: naming.Revision{Activation: 9, Counter: 2}, Lineage: naming.Lineage{{Activation: 5, Counter: 1}}}),
		}}}}, 0)
		if v := s.Views.View(key); len(v.Instances) != 1 {
			t.Errorf("a view of c is shown while b owns the service: %+v", v.Revision)
		}
		s.Follow(ringOf(2, "c", "c"))
		if v := s.Views.View(key); len(v.Instances) != 0 {
			t.Errorf("the view of c is not shown though it owns the service: %+v", v.Revision)
		}
	})
}

// What is shown of one side of a cut stays until the owner has merged it into what the other
// side had; an owner that does not is believed after a while.
func TestViewWaitsForTheMerge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := amongOthers(t, Config{Identity: cluster.Identity}, nil)
		run(t, s)
		key := testKey(1)
		views := func(rev naming.Revision, lineage naming.Lineage, instances ...*naming.Instance) {
			s.mesh.deliver("b", &inbound{}, &actorpb.Packet{Body: &actorpb.Packet_Views{Views: &actorpb.Views{Views: []*actorpb.View{
				actorpb.FromView(&naming.View{Key: key, Ephemeral: true, Revision: rev, Lineage: lineage, Instances: instances}),
			}}}}, 0)
		}
		shown := func() int { return len(s.Views.View(key).Instances) }
		show(s, key, testInstance(1, true)) // of life 5
		s.Follow(ringOf(1, "b", "b"))
		older := naming.Lineage{{Activation: 5, Counter: 0}}
		views(naming.Revision{Activation: 9, Counter: 1}, older)
		views(naming.Revision{Activation: 9, Counter: 2}, older)
		time.Sleep(mergePatience / 2)
		if shown() != 1 {
			t.Fatal("what the owner has not merged is gone")
		}
		both := naming.Lineage{{Activation: 5, Counter: 1}}
		views(naming.Revision{Activation: 9, Counter: 3}, both, testInstance(1, true), testInstance(2, true))
		if shown() != 2 {
			t.Fatal("what the owner has merged is not shown")
		}
		time.Sleep(mergePatience)
		s.mesh.mu.Lock()
		kept := len(s.mesh.refused)
		s.mesh.mu.Unlock()
		if shown() != 2 || kept != 0 {
			t.Fatalf("an earlier view is shown, or kept: %d instances, %d views", shown(), kept)
		}
		views(naming.Revision{Activation: 11, Counter: 1}, both)
		time.Sleep(mergePatience / 2)
		views(naming.Revision{Activation: 11, Counter: 2}, both)
		time.Sleep(mergePatience/2 + time.Second)
		if v := s.Views.View(key); v.Revision != (naming.Revision{Activation: 11, Counter: 2}) {
			t.Errorf("shown is still %v", v.Revision)
		}
	})
}

// Of two processes of one node the membership says which one is listened to: the clock of one
// that was restarted may be behind, and one that runs in a copy of its home must not cut it off.
func TestSessionsOfProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		acked := map[uint64]uint64{}
		s := amongOthers(t, Config{Identity: cluster.Identity}, func(_, _ string, message proto.Message) {
			mu.Lock()
			defer mu.Unlock()
			if a, ok := message.(*actorpb.Ack); ok {
				acked[a.Session] = a.Seq
			}
		})
		run(t, s)
		s.Follow(ringOf(1, "a", "b")) // process b1
		says := func(session, seq uint64, process string) bool {
			s.mesh.receive("b", &actorpb.Packet{Session: session, Seq: seq, Process: process, Body: &actorpb.Packet_Deltas{Deltas: &actorpb.Deltas{}}})
			mu.Lock()
			defer mu.Unlock()
			return acked[session] == seq
		}
		for i, step := range []struct {
			session, seq uint64
			process      string
			heard        bool
		}{
			{100, 1, "b1", true},
			{900, 1, "copy", false},
			{100, 2, "", true},
			{101, 1, "b1", true}, // a new link
			{100, 3, "", false},
			{50, 1, "b2", false}, // not known yet
		} {
			if heard := says(step.session, step.seq, step.process); heard != step.heard {
				t.Errorf("step %d: heard %v", i, heard)
			}
		}
		next := ringOf(2, "a", "b")
		next.Peers[0].Process = "b2"
		s.Follow(next)
		if !says(50, 1, "b2") || !says(50, 2, "") {
			t.Error("a process with a clock that is behind is not heard")
		}
		if says(102, 1, "b1") {
			t.Error("a process that has ended is heard")
		}
	})
}
