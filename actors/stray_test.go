package actors

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"nactor/actors/actorpb"
	"nactor/cluster"
	"nactor/naming"
)

// handedOver notes the services that are handed to each node, with what was removed from them.
type handedOver struct {
	mu   sync.Mutex
	left map[string]map[naming.Key][]naming.Removed
}

func (o *handedOver) take(to, _ string, message proto.Message) {
	p, ok := message.(*actorpb.Packet)
	if !ok {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, pb := range p.GetHandoff().GetServices() {
		h := pb.Naming()
		if o.left == nil {
			o.left = map[string]map[naming.Key][]naming.Removed{}
		}
		if o.left[to] == nil {
			o.left[to] = map[naming.Key][]naming.Removed{}
		}
		o.left[to][h.View.Key] = h.Removed
	}
}

func (o *handedOver) at(node string, key naming.Key) []naming.Removed {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.left[node][key]
}

// A heritage reaches whoever owns the service in the end: nobody else knows what was removed,
// and when. As a cut ends nodes see each other come and go for a moment.
func TestHeritageFindsTheOwner(t *testing.T) {
	key, in := testKey(1), testInstance(1, true)
	gone := naming.Removed{Addr: in.Addr(), Ago: time.Second, Stamp: 7}
	begin := func(t *testing.T, out *handedOver) *Services {
		s := amongOthers(t, Config{Identity: cluster.Identity}, out.take)
		run(t, s)
		return s
	}
	// owned has the node own the service, and one instance removed from it.
	owned := func(t *testing.T, s *Services) {
		s.Follow(ringOf(1, "a"))
		if err := s.AwaitOpen(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, cmd := range []naming.Command{
			naming.Register{Instance: in}, naming.Register{Instance: testInstance(2, true)}, naming.Deregister{Addr: in.Addr(), Ephemeral: true},
		} {
			if _, err := s.Do(t.Context(), key, cmd); err != nil {
				t.Fatal(err)
			}
		}
	}
	handed := func(s *Services, at string) {
		s.mesh.deliver(at, &inbound{}, &actorpb.Packet{Body: &actorpb.Packet_Handoff{Handoff: &actorpb.Handoff{Services: []*actorpb.Heritage{
			actorpb.FromHeritage(naming.Heritage{
				View:   &naming.View{Key: key, Ephemeral: true, Revision: naming.Revision{Activation: 9, Counter: 1}, Instances: []*naming.Instance{testInstance(2, true)}},
				Silent: []time.Duration{0}, Removed: []naming.Removed{gone},
			}),
		}}}}, 0)
	}
	for name, move := range map[string]func(*testing.T, *Services){
		"not acknowledged by a node that goes": func(t *testing.T, s *Services) {
			owned(t, s)
			s.Follow(ringOf(2, "b", "b"))
			time.Sleep(time.Second)
			s.Follow(ringOf(3, "c", "c"))
		},
		"let go before anybody is there to take it": func(t *testing.T, s *Services) {
			owned(t, s)
			s.Follow(ringOf(2, "c"))
			time.Sleep(time.Second)
			s.Follow(ringOf(3, "c", "c"))
		},
		"taken over and lost again before it opens": func(t *testing.T, s *Services) {
			s.Follow(ringOf(1, "a", "b")) // b never answers
			handed(s, "b")
			time.Sleep(time.Second)
			s.Follow(ringOf(2, "c", "b", "c"))
		},
		"sent to a node that does not own it": func(t *testing.T, s *Services) {
			s.Follow(ringOf(1, "c", "b", "c"))
			handed(s, "b")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				out := &handedOver{}
				s := begin(t, out)
				move(t, s)
				time.Sleep(2 * time.Second)
				removed := out.at("c", key)
				if len(removed) != 1 || removed[0].Addr != in.Addr() {
					t.Fatalf("the owner hears of %v", removed)
				}
				if removed[0].Ago < time.Second {
					t.Errorf("removed %v ago; that was before this node waited", removed[0].Ago)
				}
			})
		})
	}
}
