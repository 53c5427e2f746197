package actors

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"nactor/actors/actorpb"
	"nactor/cluster"
	"nactor/naming"
	"nactor/naming/dual"
)

// aloneIn is a node that owns everything, in a layout.
func aloneIn(t *testing.T, layout dual.Layout) *Services {
	t.Helper()
	s := amongOthers(t, Config{Begin: layout, Identity: cluster.Identity}, nil)
	run(t, s)
	s.Follow(ringOf(1, "a"))
	time.Sleep(time.Second) // no change at the beginning of time
	return s
}

func TestViewIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := aloneIn(t, dual.Layout{Serves: dual.V1, DoubleWrite: true})
		ctx := context.Background()
		do := func(i int, cmd naming.Command) {
			t.Helper()
			if _, err := s.Do(ctx, testKey(i), cmd); err != nil {
				t.Fatalf("%T: %v", cmd, err)
			}
		}
		expect := func(i int, x naming.Structure, want int) {
			t.Helper()
			v, err := s.ViewIn(ctx, testKey(i), x)
			got := -1
			if v != nil {
				got = len(v.Instances)
			}
			if err != nil || got != want {
				t.Errorf("service %d in %v: %d instances, %v, want %d", i, x, got, err, want)
			}
		}
		services := func(x naming.Structure, want ...int) {
			t.Helper()
			var keys []naming.Key
			for _, i := range want {
				keys = append(keys, testKey(i))
			}
			for _, ns := range []string{"", "n"} {
				if got, err := s.ServicesIn(ctx, ns, x); err != nil || !slices.Equal(got, keys) {
					t.Errorf("namespace %q in %v: %v, %v, want %v", ns, x, got, err, keys)
				}
			}
		}
		do(1, naming.Register{Instance: testInstance(1, true)})
		expect(1, dual.V1, 1)
		expect(1, dual.V2, -1) // not double written yet
		services(dual.V1, 1)
		services(dual.V2)
		time.Sleep(2 * time.Second)
		expect(1, dual.V2, 1)
		services(dual.V2, 1)

		// Only v2: no reader sees it, and the service's grain stays while it does.
		do(2, naming.In{Structure: dual.V2, Command: naming.Register{Instance: testInstance(2, true)}})
		time.Sleep(time.Second)
		expect(2, dual.V1, -1)
		expect(2, dual.V2, 1)
		services(dual.V1, 1)
		services(dual.V2, 1, 2)
		if c := s.Census(ctx); !slices.Equal(c.Only2, []string{"n##g@@s2"}) {
			t.Errorf("census: %v", c.Only2)
		}
		d := s.DoubleWrite()
		if d.Failed != 1 || d.Pending != 1 || d.Oldest != 0 || len(d.Differing) != 1 || len(d.Differing[0].Differences) != 2 {
			t.Errorf("the check sees %+v", d)
		}
		time.Sleep(dual.RepairTime)
		expect(2, dual.V2, -1)
		services(dual.V2, 1)
		if d := s.DoubleWrite(); d.Pending+d.Failed != 0 || s.Stats().Active != 1 {
			t.Errorf("still %+v, %d active", d, s.Stats().Active)
		}

		// To the one that serves it is a command like any other.
		do(3, naming.In{Structure: dual.V1, Command: naming.Register{Instance: testInstance(3, true)}})
		if s.Views.View(testKey(3)) == nil {
			t.Error("not shown")
		}
	})
}

func TestStructureThatIsNotKept(t *testing.T) {
	for _, tt := range []struct {
		layout dual.Layout
		x      naming.Structure
	}{{dual.Layout{Serves: dual.V1}, dual.V2}, {dual.Layout{Serves: dual.V2}, dual.V1}} {
		synctest.Test(t, func(t *testing.T) {
			s := aloneIn(t, tt.layout)
			ctx := context.Background()
			if _, err := s.Do(ctx, testKey(1), naming.Register{Instance: testInstance(1, true)}); err != nil {
				t.Fatal(err)
			}
			if v, err := s.ViewIn(ctx, testKey(1), tt.x); v != nil || err != nil {
				t.Errorf("%v: %v, %v", tt.layout, v, err)
			}
			if all, err := s.ServicesIn(ctx, "n", tt.x); len(all) > 0 || err != nil {
				t.Errorf("%v: %v, %v", tt.layout, all, err)
			}
			for _, i := range []int{1, 2} {
				_, err := s.Do(ctx, testKey(i), naming.In{Structure: tt.x, Command: naming.Deregister{Addr: testInstance(1, true).Addr(), Ephemeral: true}})
				if naming.KindOf(err) != naming.KindInvalid {
					t.Errorf("%v: service %d: %v", tt.layout, i, err)
				}
			}
		})
	}
}

// What services another node has in a structure that this one does not have.
func TestServicesOfOtherNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *Services
		answer := func(*actorpb.StructureQuery) *actorpb.StructureAnswer { return nil }
		s = amongOthers(t, Config{Begin: dual.Layout{Serves: dual.V1, DoubleWrite: true}}, func(to, inbox string, m proto.Message) {
			if q, ok := m.(*actorpb.StructureQuery); ok && to == "b" {
				if a := answer(q); a != nil {
					a.Id = q.Id
					s.Inboxes()[inbox]("b", a)
				}
			}
		})
		run(t, s)
		s.Follow(ringOf(1, "b", "b"))
		for i := range 3 {
			s.Views.Put(&naming.View{Key: testKey(i), Revision: naming.Revision{Activation: 50, Counter: 1}})
		}
		ctx := context.Background()
		if _, err := s.ServicesIn(ctx, "n", dual.V2); naming.KindOf(err) != naming.KindUnavailable {
			t.Errorf("nobody answered: %v", err)
		}
		answer = func(*actorpb.StructureQuery) *actorpb.StructureAnswer { return &actorpb.StructureAnswer{} }
		if all, err := s.ServicesIn(ctx, "n", dual.V2); err != nil || len(all) != 0 {
			t.Errorf("of a node of 1.X: %v, %v", all, err)
		}
		answer = func(q *actorpb.StructureQuery) *actorpb.StructureAnswer {
			return &actorpb.StructureAnswer{Kept: q.Structure == 2, Missing: []*actorpb.Key{actorpb.FromKey(testKey(1))}, Extra: []*actorpb.Key{actorpb.FromKey(testKey(7))}}
		}
		want := []naming.Key{testKey(0), testKey(2), testKey(7)}
		if all, err := s.ServicesIn(ctx, "n", dual.V2); err != nil || !slices.Equal(all, want) {
			t.Errorf("%v, %v, want %v", all, err, want)
		}
	})
}

func TestStructureCommandsTravel(t *testing.T) {
	in := testInstance(1, true)
	for _, cmd := range []naming.Command{
		naming.Show{Structure: dual.V1},
		naming.In{Structure: dual.V2, Command: naming.RemoveService{}},
		naming.In{Structure: dual.V1, Command: naming.Deregister{Addr: in.Addr(), Ephemeral: true}},
	} {
		pb, ok := actorpb.FromCommand(7, testKey(1), cmd)
		if got := pb.Naming(); !ok || got != cmd || pb.Id != 7 || pb.Key.Naming() != testKey(1) {
			t.Errorf("%+v arrives as %+v", cmd, got)
		}
	}
	twice := naming.In{Structure: dual.V1, Command: naming.In{Structure: dual.V2, Command: naming.RemoveService{}}}
	if pb, ok := actorpb.FromCommand(7, testKey(1), twice); ok && pb.Naming() != nil {
		t.Errorf("%+v arrives as %+v", twice, pb.Naming())
	}
	view := &naming.View{Key: testKey(1), Instances: []*naming.Instance{in}}
	r, err := actorpb.FromResult(7, naming.Result{Shown: view}, nil).Naming()
	if err != nil || r.Shown == nil || r.Shown.Key != view.Key || len(r.Shown.Instances) != 1 {
		t.Errorf("the view arrives as %+v, %v", r.Shown, err)
	}
}
