package actors

import (
	"context"
	"log/slog"
	"slices"
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
