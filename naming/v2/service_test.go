package v2

import (
	"testing"
	"time"

	"nactor/naming"
)

var key = naming.Key{Namespace: "public", Group: "DEFAULT_GROUP", Name: "s"}

func at(d time.Duration) naming.Env {
	r := naming.DefaultRules()
	return naming.Env{Now: naming.Instant(d), Rules: &r}
}

func inst(ip string, ephemeral bool) *naming.Instance {
	return &naming.Instance{IP: ip, Port: 80, Cluster: "DEFAULT", Weight: 1, Enabled: true, Healthy: true, Ephemeral: ephemeral}
}

func TestExpiry(t *testing.T) {
	s := New(key)
	s.Step(at(0), naming.Register{Instance: inst("1.1.1.1", true)})
	s.Step(at(0), naming.Register{Instance: inst("2.2.2.2", false)})
	steps := []struct {
		at      time.Duration
		changed bool
		events  []naming.EventKind
	}{
		{14999 * time.Millisecond, false, nil},
		{15 * time.Second, true, []naming.EventKind{naming.HealthChanged}},
		{29999 * time.Millisecond, false, nil},
		{30 * time.Second, true, []naming.EventKind{naming.InstanceExpired}},
		{300 * time.Second, false, nil},
	}
	for _, want := range steps {
		e := s.Step(at(want.at), naming.Tick{})
		if e.Changed != want.changed || len(e.Events) != len(want.events) {
			t.Fatalf("tick at %v: changed %v, events %v; want %v, %v", want.at, e.Changed, e.Events, want.changed, want.events)
		}
		for i, ev := range e.Events {
			if ev.Kind != want.events[i] || ev.Instance.IP != "1.1.1.1" {
				t.Errorf("tick at %v: event %d is %v of %v", want.at, i, ev.Kind, ev.Instance)
			}
		}
	}
	if s.Len() != 1 {
		t.Errorf("%d instances left, want the persistent one", s.Len())
	}
}

func TestBeatKeepsAliveAndRevives(t *testing.T) {
	s := New(key)
	beat := naming.Beat{Addr: naming.Addr{IP: "1.1.1.1", Port: 80, Cluster: "other"}}
	if e := s.Step(at(0), beat); e.Result.Known || !e.Empty {
		t.Fatalf("light beat of an unknown instance: %+v", e)
	}
	s.Step(at(0), naming.Register{Instance: inst("1.1.1.1", true)})
	s.Step(at(10*time.Second), beat)
	if e := s.Step(at(20*time.Second), naming.Tick{}); e.Changed {
		t.Fatalf("unhealthy 10 s after a beat: %v", e.Events)
	}
	s.Step(at(26*time.Second), naming.Tick{})
	if v := s.View(naming.Revision{}); v.Instances[0].Healthy {
		t.Fatal("healthy 16 s after the last beat")
	}
	if e := s.Step(at(27*time.Second), beat); !e.Changed || !e.Result.Known || e.Result.Interval != 5*time.Second {
		t.Fatalf("beat of an unhealthy instance: %+v", e)
	}
	if v := s.View(naming.Revision{}); !v.Instances[0].Healthy {
		t.Fatal("unhealthy after a beat")
	}
}

func TestOverlaySurvivesReRegistration(t *testing.T) {
	s := New(key)
	in := inst("1.1.1.1", true)
	in.Metadata = naming.MetadataOf(map[string]string{"a": "1", "b": "1"})
	s.Step(at(0), naming.Register{Instance: in})
	s.Step(at(0), naming.Update{Addr: in.Addr(), Overlay: naming.Overlay{Weight: 3, Enabled: false, Metadata: naming.MetadataOf(map[string]string{"b": "2"})}})
	check := func(when string) {
		t.Helper()
		got := s.View(naming.Revision{}).Instances[0]
		if got.Weight != 3 || got.Enabled || got.Metadata.Map()["b"] != "2" || got.Metadata.Map()["a"] != "1" {
			t.Fatalf("%s: %+v", when, got)
		}
	}
	check("after PUT")
	s.Step(at(time.Second), naming.Register{Instance: in})
	check("after re-registration")
	s.Step(at(2*time.Second), naming.Deregister{Addr: in.Addr(), Ephemeral: true})
	s.Step(at(60*time.Second), naming.Register{Instance: in})
	check("back within the time it is remembered")
	s.Step(at(61*time.Second), naming.Deregister{Addr: in.Addr(), Ephemeral: true})
	s.Step(at(122*time.Second), naming.Tick{})
	s.Step(at(123*time.Second), naming.Register{Instance: in})
	if got := s.View(naming.Revision{}).Instances[0]; got.Weight != 1 || got.Registered != nil {
		t.Fatalf("the overlay was remembered for too long: %+v", got)
	}
}

func TestEmptyServiceGoes(t *testing.T) {
	s := New(key)
	s.Step(at(0), naming.Register{Instance: inst("1.1.1.1", true)})
	s.Step(at(0), naming.Deregister{Addr: naming.Addr{IP: "1.1.1.1", Port: 80}, Ephemeral: true})
	if e := s.Step(at(59*time.Second), naming.Tick{}); e.Empty {
		t.Fatal("gone too early")
	}
	when, ok := s.Deadline()
	if !ok || when != naming.Instant(60*time.Second) {
		t.Fatalf("deadline %v %v", when, ok)
	}
	if e := s.Step(at(60*time.Second), naming.Tick{}); !e.Empty || !e.Changed {
		t.Fatalf("still there: %+v", e)
	}
	if _, ok := s.Deadline(); ok {
		t.Fatal("a service that is gone waits for something")
	}
}

func TestServiceMetadata(t *testing.T) {
	s := New(key)
	if e := s.Step(at(0), naming.UpdateService{}); naming.KindOf(e.Err) != naming.KindRejected || !e.Empty {
		t.Fatalf("update of an unknown service: %+v", e)
	}
	if e := s.Step(at(0), naming.CreateService{Meta: naming.ServiceMeta{ProtectThreshold: 0.8}}); e.Err != nil || len(e.Records) != 1 {
		t.Fatalf("create: %+v", e)
	}
	if e := s.Step(at(0), naming.CreateService{}); e.Err == nil || e.Err.Error() != "specified service DEFAULT_GROUP@@s already exists!" {
		t.Fatalf("second create: %v", e.Err)
	}
	s.Step(at(0), naming.Register{Instance: inst("1.1.1.1", true)})
	bad := inst("2.2.2.2", true)
	bad.Healthy = false
	s.Step(at(0), naming.Register{Instance: bad})
	if sel := s.View(naming.Revision{}).Select(nil, true); !sel.Protected || len(sel.Instances) != 2 {
		t.Fatalf("1 of 2 healthy at threshold 0.8: %+v", sel)
	}
	if e := s.Step(at(0), naming.RemoveService{}); e.Err == nil {
		t.Fatal("a service with instances was removed")
	}
}

func TestRestore(t *testing.T) {
	s := New(key)
	for _, ip := range []string{"3.3.3.3", "1.1.1.1", "2.2.2.2"} {
		s.Step(at(0), naming.Register{Instance: inst(ip, true)})
	}
	s.Step(at(0), naming.Update{Addr: naming.Addr{IP: "2.2.2.2", Port: 80, Cluster: "DEFAULT"}, Overlay: naming.Overlay{Weight: 7, Enabled: true}})
	r := Restore(s.View(naming.Revision{}), naming.Instant(100*time.Second))
	if e := r.Step(at(114*time.Second), naming.Tick{}); e.Changed {
		t.Fatalf("no grace for a new owner: %v", e.Events)
	}
	v := r.View(naming.Revision{})
	if len(v.Instances) != 3 || v.Instances[1].Weight != 7 || v.Instances[1].Registered == nil || len(v.Overlays) != 1 {
		t.Fatalf("restored view: %+v", v.Instances)
	}
	e := r.Step(at(115*time.Second), naming.Tick{})
	if len(e.Events) != 3 {
		t.Fatalf("after the grace: %v", e.Events)
	}
}

func BenchmarkBeat(b *testing.B) {
	s := New(key)
	s.Step(at(0), naming.Register{Instance: inst("1.1.1.1", true)})
	var beat naming.Command = naming.Beat{Addr: naming.Addr{IP: "1.1.1.1", Port: 80}}
	env := at(0)
	b.ReportAllocs()
	for b.Loop() {
		s.Step(env, beat)
	}
}

func TestMostInstances(t *testing.T) {
	s, env := New(key), at(0)
	env.Rules.MaxInstances = 2
	for _, ip := range []string{"1.1.1.1", "2.2.2.2", "2.2.2.2"} {
		if e := s.Step(env, naming.Register{Instance: inst(ip, true)}); e.Err != nil {
			t.Fatal(e.Err)
		}
	}
	for _, cmd := range []naming.Command{
		naming.Register{Instance: inst("3.3.3.3", true)}, naming.Register{Instance: inst("2.2.2.2", false)},
		naming.Beat{Addr: inst("3.3.3.3", true).Addr(), Instance: inst("3.3.3.3", true)},
	} {
		if e := s.Step(env, cmd); naming.KindOf(e.Err) != naming.KindRejected || e.Changed || len(e.Records) > 0 || e.Result.Known || s.Len() != 2 {
			t.Errorf("%T: %+v", cmd, e)
		}
	}
	env.Rules.MaxInstances = 1 // those that are there stay
	if e := s.Step(env, naming.Beat{Addr: inst("2.2.2.2", true).Addr()}); !e.Result.Known || s.Len() != 2 {
		t.Errorf("%+v", e)
	}
}
