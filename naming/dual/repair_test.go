package dual

import (
	"slices"
	"testing"
	"time"

	"nactor/naming"
)

// in is a command for one structure.
func in(x Structure, cmd naming.Command) naming.Command {
	return naming.In{Structure: x, Command: cmd}
}

// holds expects what a structure holds.
func holds(t *testing.T, s *Service, x Structure, want ...string) {
	t.Helper()
	var got []string
	if v := s.Step(at(0), naming.Show{Structure: x}).Result.Shown; v != nil {
		got = listed(v)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%v: %v holds %q, want %q", s.Layout(), x, got, want)
	}
}

func TestWritesNameAStructure(t *testing.T) {
	for _, tt := range []struct {
		layout    Layout
		x         Structure
		shown     bool // to readers
		kept      bool
		held      []string
		otherHeld []string
	}{
		{v1Alone, V1, true, true, []string{"1.1.1.1:80 DEFAULT"}, nil},
		{v1Alone, V2, false, false, nil, nil},
		{v2Alone, V1, false, false, nil, nil},
		{v2Alone, V2, true, true, []string{"1.1.1.1:80 DEFAULT"}, nil},
		{v1Double, V1, true, true, []string{"1.1.1.1:80 DEFAULT"}, nil},
		{v1Double, V2, false, true, []string{"1.1.1.1:80 DEFAULT"}, nil},
		{v2Double, V1, false, true, []string{"1.1.1.1:80 DEFAULT"}, nil},
		{v2Double, V2, true, true, []string{"1.1.1.1:80 DEFAULT"}, nil},
	} {
		s := New(key, tt.layout)
		e := s.Step(at(0), in(tt.x, register(inst("1.1.1.1"))))
		if (e.Err == nil) != tt.kept || e.Changed != tt.shown || e.Err != nil && naming.KindOf(e.Err) != naming.KindInvalid {
			t.Errorf("%v, write to %v: %v, shown %t", tt.layout, tt.x, e.Err, e.Changed)
		}
		holds(t, s, tt.x, tt.held...)
		holds(t, s, tt.x.Other(), tt.otherHeld...)
	}
}

// A write that makes the structures differ is seen, lasts for a while, and is put right.
func TestDifferenceOfARepair(t *testing.T) {
	for _, layout := range []Layout{v1Double, v2Double} {
		other := layout.Serves.Other()
		s := New(key, layout)
		s.Step(at(0), register(inst("1.1.1.1", persistent)))
		s.Step(at(2*time.Second), naming.Tick{})
		inSync(t, s)
		heavy := inst("1.1.1.1", persistent)
		heavy.Weight = 2
		write := in(other, register(heavy))
		e := s.Step(at(3*time.Second), write)
		if e.Err != nil || e.Changed || len(e.Records)+len(e.Events) > 0 || e.Empty {
			t.Fatalf("%v: %+v", layout, e)
		}
		if other == V2 {
			write = in(other, naming.Update{Addr: heavy.Addr(), Overlay: naming.Overlay{Weight: 2, Enabled: true}})
			s.Step(at(3*time.Second), write)
		}
		if s.InSync() || s.Repairs() == 0 {
			t.Fatalf("%v: the difference is not seen", layout)
		}
		if d := slices.Collect(s.Differences()); len(d) != 1 || d[0].Field != "weight" {
			t.Errorf("%v: differences %v", layout, d)
		}
		s.Step(at(3*time.Second+RepairTime-1), naming.Tick{})
		if s.InSync() {
			t.Errorf("%v: put right too early", layout)
		}
		if due, ok := s.Deadline(); !ok || due > naming.Instant(3*time.Second+RepairTime) {
			t.Errorf("%v: nobody is woken", layout)
		}
		s.Step(at(3*time.Second+RepairTime), naming.Tick{})
		inSync(t, s)
		if w := s.viewIn(other).Instances[0].Weight; w != 1 || s.Repairs() != 0 {
			t.Errorf("%v: weight %v, %d repairs", layout, w, s.Repairs())
		}
	}
}

// A change of the service puts it right as soon as it is double written itself.
func TestChangeEndsARepair(t *testing.T) {
	s := New(key, v1Double)
	s.Step(at(0), register(inst("1.1.1.1")))
	s.Step(at(2*time.Second), naming.Tick{})
	s.Step(at(3*time.Second), in(V2, naming.Deregister{Addr: inst("1.1.1.1").Addr(), Ephemeral: true}))
	holds(t, s, V2)
	expect(t, s, "1.1.1.1:80 DEFAULT")
	s.Step(at(4*time.Second), register(inst("2.2.2.2")))
	s.Step(at(5*time.Second), naming.Tick{})
	holds(t, s, V2, "1.1.1.1:80 DEFAULT", "2.2.2.2:80 DEFAULT")
	inSync(t, s)
}

// A repair that makes the structures equal needs no time.
func TestRepairRepairs(t *testing.T) {
	s := New(key, v1Double)
	s.Step(at(0), register(inst("1.1.1.1")))
	s.Step(at(2*time.Second), naming.Tick{})
	s.Step(at(3*time.Second), in(V2, naming.Deregister{Addr: inst("1.1.1.1").Addr(), Ephemeral: true}))
	s.Step(at(4*time.Second), in(V2, register(inst("1.1.1.1"))))
	if !s.InSync() {
		t.Fatalf("differences %v", slices.Collect(s.Differences()))
	}
	s.Step(at(4*time.Second), naming.Tick{})
	inSync(t, s)
}

// A switch does not bring what only the structure that did not serve was told.
func TestSwitchAfterARepair(t *testing.T) {
	s := New(key, v1Double)
	s.Step(at(0), register(inst("1.1.1.1")))
	s.Step(at(2*time.Second), naming.Tick{})
	s.Step(at(3*time.Second), in(V2, register(inst("2.2.2.2"))))
	if e := s.Switch(at(4*time.Second), v2Double); e.Err != nil {
		t.Fatal(e.Err)
	}
	expect(t, s, "1.1.1.1:80 DEFAULT")
	inSync(t, s)
	// What only that one has goes with it.
	s = New(key, v1Double)
	s.Step(at(0), in(V2, naming.CreateService{}))
	if s.Exists() || s.viewIn(V2) == nil || s.Repairs() != 1 {
		t.Fatal("the service is not in v2 alone")
	}
	s.Step(at(RepairTime), naming.Tick{})
	if s.viewIn(V2) != nil || s.Repairs() != 0 {
		t.Fatal("it is still there")
	}
}

func TestRefusedRepair(t *testing.T) {
	s := New(key, v1Double)
	s.Step(at(0), register(inst("1.1.1.1")))
	s.Step(at(2*time.Second), naming.Tick{})
	e := s.Step(at(3*time.Second), in(V2, naming.RemoveService{}))
	if e.Err == nil || e.Err.Error() != "Service DEFAULT_GROUP@@s is not empty, can't be delete. Please unregister instance first" {
		t.Error(e.Err)
	}
	inSync(t, s)
}
