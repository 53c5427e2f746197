package actors

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"

	"google.golang.org/protobuf/proto"

	"nactor/actors/actorpb"
	"nactor/naming"
)

// Who is subscribed on the other nodes is told too, by those that answer.
func TestSubscribersOfAllNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		subscriber := func(ip string) naming.Subscriber {
			return naming.Subscriber{Addr: netip.MustParseAddrPort(ip + ":54321"), Agent: "Nacos-Go-Client:v1.1.6", App: "shop", Clusters: "a,b", Connection: "c"}
		}
		mine, like := naming.Subscription{Key: testKey(1), Subscriber: subscriber("10.0.0.1")}, testKey(1)
		mine.Connection = ""
		theirs := naming.Subscription{Key: testKey(1), Subscriber: subscriber("10.0.0.2")}
		var s *Services
		s = amongOthers(t, Config{}, func(to, inbox string, m proto.Message) {
			if q, ok := m.(*actorpb.SubscribersQuery); ok && to == "b" && q.Like.Naming() == like {
				s.Inboxes()[inbox]("b", actorpb.FromSubscriptions(q.Id, []naming.Subscription{theirs}))
			}
		})
		run(t, s)
		s.Follow(Topology{Ring: 1, Owner: func(int) string { return "a" }, Peers: []Peer{{ID: "b", Process: "b1"}, {ID: "silent", Process: "c1"}}})
		s.Views.Subscribe(mine.Key, mine.Subscriber)
		if got := s.SubscribersLike(context.Background(), like, false); !slices.Equal(got, []naming.Subscription{mine}) {
			t.Errorf("of this node: %v", got)
		}
		if got := s.SubscribersLike(context.Background(), like, true); !slices.Equal(got, []naming.Subscription{mine, theirs}) {
			t.Errorf("of all nodes: %v", got)
		}
	})
}

// A node that is asked answers with its own.
func TestSubscribersAreAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var answer *actorpb.SubscribersAnswer
		s := amongOthers(t, Config{}, func(to, _ string, m proto.Message) {
			if a, ok := m.(*actorpb.SubscribersAnswer); ok && to == "b" {
				answer = a
			}
		})
		run(t, s)
		sub := naming.Subscriber{Addr: netip.MustParseAddrPort("10.0.0.1:54321")}
		s.Views.Subscribe(testKey(1), sub)
		s.Views.Subscribe(naming.Key{Namespace: "other", Group: "g", Name: testKey(1).Name}, sub)
		s.Inboxes()[inboxAsk]("b", &actorpb.SubscribersQuery{Id: 7, Like: actorpb.FromKey(testKey(1))})
		if answer.GetId() != 7 || !slices.Equal(answer.Naming(), []naming.Subscription{{Key: testKey(1), Subscriber: sub}}) {
			t.Errorf("%v", answer)
		}
	})
}
