package v1

import (
	"slices"
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

func in(ip, cluster string, ephemeral bool) *naming.Instance {
	i := inst(ip, ephemeral)
	i.Cluster = cluster
	return i
}

func md(kv ...string) naming.Metadata {
	m := map[string]string{}
	for i := 0; i < len(kv); i += 2 {
		m[kv[i]] = kv[i+1]
	}
	return naming.MetadataOf(m)
}

func TestIdentityIncludesTheCluster(t *testing.T) {
	s := New(key)
	for _, i := range []*naming.Instance{in("2.2.2.2", "a", true), in("1.1.1.1", "b", true), in("1.1.1.1", "a", false), in("1.1.1.1", "a", true)} {
		s.Step(at(0), naming.Register{Instance: i})
	}
	var got []string
	for _, i := range s.View(naming.Revision{}).Instances {
		kind := "persistent"
		if i.Ephemeral {
			kind = "ephemeral"
		}
		got = append(got, i.IP+" "+i.Cluster+" "+kind)
	}
	want := []string{"1.1.1.1 a ephemeral", "1.1.1.1 a persistent", "1.1.1.1 b ephemeral", "2.2.2.2 a ephemeral"}
	if !slices.Equal(got, want) {
		t.Fatalf("view %q, want %q", got, want)
	}
	if e := s.Step(at(0), naming.Beat{Addr: naming.Addr{IP: "2.2.2.2", Port: 80, Cluster: "b"}}); e.Result.Known {
		t.Error("a beat for another cluster is known")
	}
	s.Step(at(0), naming.Deregister{Addr: naming.Addr{IP: "1.1.1.1", Port: 80, Cluster: "a"}, Ephemeral: true})
	if s.Len() != 3 || s.Clock(naming.Addr{IP: "1.1.1.1", Port: 80, Cluster: "b"}, true) == nil {
		t.Errorf("%d instances left after one of four was deregistered", s.Len())
	}
}

func TestExpiry(t *testing.T) {
	s := New(key)
	s.Step(at(0), naming.Register{Instance: inst("1.1.1.1", true)})
	s.Step(at(0), naming.Register{Instance: inst("2.2.2.2", false)})
	for _, want := range []struct {
		at     time.Duration
		events []naming.EventKind
	}{
		{14999 * time.Millisecond, nil},
		{15 * time.Second, []naming.EventKind{naming.HealthChanged}},
		{29999 * time.Millisecond, nil},
		{30 * time.Second, []naming.EventKind{naming.InstanceExpired}},
		{300 * time.Second, nil},
	} {
		e := s.Step(at(want.at), naming.Tick{})
		if got := kinds(e); !slices.Equal(got, want.events) || e.Changed != (len(got) > 0) {
			t.Fatalf("tick at %v: changed %v, %v; want %v", want.at, e.Changed, got, want.events)
		}
	}
	if s.Len() != 1 {
		t.Errorf("%d instances left, want the persistent one", s.Len())
	}
}

func kinds(e naming.Effects) (ks []naming.EventKind) {
	for _, ev := range e.Events {
		ks = append(ks, ev.Kind)
	}
	return ks
}

func TestReRegistrationOverwrites(t *testing.T) {
	s := New(key)
	s.Step(at(0), naming.Register{Instance: inst("1.1.1.1", true)})
	s.Step(at(0), naming.Update{Addr: inst("1.1.1.1", true).Addr(), Overlay: naming.Overlay{Weight: 5, Metadata: md("a", "1")}})
	s.Step(at(15*time.Second), naming.Tick{})
	again := inst("1.1.1.1", true)
	again.Weight = 0.001
	s.Step(at(16*time.Second), naming.Register{Instance: again})
	got := s.View(naming.Revision{}).Instances[0]
	if !got.Healthy || !got.Enabled || got.Weight != 0.01 || len(got.Metadata) != 0 {
		t.Fatalf("after registering again: %+v", got)
	}
	if e := s.Step(at(30*time.Second), naming.Tick{}); e.Changed {
		t.Fatalf("the clock did not start anew: %v", e.Events)
	}
	s.Step(at(30*time.Second), naming.Beat{Addr: got.Addr()})
	if got := s.View(naming.Revision{}).Instances[0]; !got.Healthy {
		t.Fatal("unhealthy after a beat")
	}
}

func TestBeats(t *testing.T) {
	s := New(key)
	addr := naming.Addr{IP: "1.1.1.1", Port: 80, Cluster: "DEFAULT"}
	if e := s.Step(at(0), naming.Beat{Addr: addr}); e.Result.Known || e.Changed || !e.Empty {
		t.Fatalf("light beat of an unknown instance: %+v", e)
	}
	full := inst("1.1.1.1", true)
	full.Metadata = md(naming.MetaBeatInterval, "2000")
	if e := s.Step(at(0), naming.Beat{Addr: addr, Instance: full}); !e.Result.Known || !e.Changed || e.Result.Interval != 2*time.Second {
		t.Fatalf("full beat of an unknown instance: %+v", e)
	}
	if e := s.Step(at(0), naming.Beat{Addr: addr, Instance: full}); !e.Result.Known || e.Changed {
		t.Fatalf("full beat of a known instance: %+v", e)
	}
	s.Step(at(0), naming.Register{Instance: inst("2.2.2.2", false)})
	if e := s.Step(at(0), naming.Beat{Addr: naming.Addr{IP: "2.2.2.2", Port: 80, Cluster: "DEFAULT"}, Instance: inst("2.2.2.2", true)}); !e.Result.Known || e.Changed {
		t.Fatalf("beat of a persistent instance: %+v", e)
	}
}

func TestOperatorsChangeTheRecord(t *testing.T) {
	s := New(key)
	a, two := inst("1.1.1.1", false), 2.0
	a.Metadata = md("k", "1", "l", "1")
	s.Step(at(0), naming.Register{Instance: a})
	e := s.Step(at(0), naming.Patch{Addr: a.Addr(), Weight: &two})
	if len(e.Records) != 1 || e.Records[0].Instance.Weight != 2 {
		t.Fatalf("patch of a persistent instance: %+v", e.Records)
	}
	e = s.Step(at(0), naming.EditMetadata{Remove: true, Metadata: md("k", "")})
	if len(e.Result.Updated) != 1 || !s.View(naming.Revision{}).Instances[0].Metadata.Equal(md("l", "1")) {
		t.Fatalf("a registered key was not removed: %+v", e)
	}
	s.Step(at(0), naming.Update{Addr: a.Addr(), Overlay: naming.Overlay{Weight: 3, Metadata: md("m", "1")}})
	if got := s.View(naming.Revision{}).Instances[0]; got.Weight != 3 || got.Enabled || !got.Metadata.Equal(md("m", "1")) || got.Registered != nil {
		t.Fatalf("after PUT: %+v", got)
	}
}

// An operator's word on health is stored for a persistent instance, and holds for a time-out
// for an ephemeral one.
func TestPatchedHealth(t *testing.T) {
	s := New(key)
	sick, well := false, true
	persistent, ephemeral := inst("1.1.1.1", false), inst("2.2.2.2", true)
	s.Step(at(0), naming.Register{Instance: persistent})
	s.Step(at(0), naming.Register{Instance: ephemeral})
	e := s.Step(at(0), naming.Patch{Addr: persistent.Addr(), Healthy: &sick})
	if len(e.Records) != 1 || e.Records[0].Instance.Healthy {
		t.Fatalf("stored: %+v", e.Records)
	}
	s.Step(at(20*time.Second), naming.Tick{})
	s.Step(at(20*time.Second), naming.Patch{Addr: ephemeral.Addr(), Healthy: &well})
	s.Step(at(34*time.Second), naming.Tick{})
	if got := s.View(naming.Revision{}).Instances; got[0].Healthy || !got[1].Healthy {
		t.Fatalf("before the time-out: %+v, %+v", got[0], got[1])
	}
	s.Step(at(36*time.Second), naming.Tick{})
	if got := s.View(naming.Revision{}).Instances; got[1].Healthy {
		t.Fatal("nobody beats, and yet it is healthy")
	}
}

func TestErrors(t *testing.T) {
	known := New(key)
	known.Step(at(0), naming.Register{Instance: inst("1.1.1.1", true)})
	other := naming.Addr{IP: "9.9.9.9", Port: 80, Cluster: "C"}
	for _, tt := range []struct {
		s    *Service
		cmd  naming.Command
		kind naming.Kind
		text string
	}{
		{known, naming.CreateService{}, naming.KindInvalid, "specified service already exists, serviceName : DEFAULT_GROUP@@s"},
		{New(key), naming.RemoveService{}, naming.KindInvalid, "specified service not exist, serviceName : DEFAULT_GROUP@@s"},
		{New(key), naming.UpdateService{}, naming.KindRejected, "service DEFAULT_GROUP@@s not found!"},
		{New(key), naming.UpdateCluster{}, naming.KindRejected, "service not found:DEFAULT_GROUP@@s"},
		{New(key), naming.Update{}, naming.KindRejected, "service not found, namespace: public, service: DEFAULT_GROUP@@s"},
		{known, naming.Update{Addr: other, Overlay: naming.Overlay{Weight: 1}}, naming.KindRejected, "instance not exist: 9.9.9.9:80:unknown:C_1.0_true_false_C"},
		{known, naming.Patch{Addr: other}, naming.KindInvalid, "instance not found"},
		{known, naming.SetHealth{Addr: other}, naming.KindInvalid, "health check is still working, service: DEFAULT_GROUP@@s"},
		{New(naming.Key{Group: "g", Name: "ä"}), naming.Register{Instance: inst("1.1.1.1", true)}, naming.KindInvalid, "dom name can only have these characters: 0-9a-zA-Z-._:, current: g@@ä"},
		{New(naming.Key{Group: "g", Name: "a b"}), naming.CreateService{}, naming.KindInvalid, "dom name can only have these characters: 0-9a-zA-Z-._:, current: g@@a b"},
		{known, naming.Register{Instance: in("1.1.1.1", "a_b", true)}, naming.KindInvalid, "cluster name can only have these characters: 0-9a-zA-Z-, current: a_b"},
	} {
		e := tt.s.Step(at(0), tt.cmd)
		if e.Err == nil || e.Err.Error() != tt.text || naming.KindOf(e.Err) != tt.kind {
			t.Errorf("%T: %v, want %s", tt.cmd, e.Err, tt.text)
		}
		if e.Changed || e.Events != nil || e.Records != nil {
			t.Errorf("%T failed and did something: %+v", tt.cmd, e)
		}
	}
}

func TestProtectionIsAlwaysOn(t *testing.T) {
	s := New(key)
	s.Step(at(0), naming.Register{Instance: inst("1.1.1.1", true)})
	s.Step(at(15*time.Second), naming.Tick{})
	if sel := s.View(naming.Revision{}).Select(nil, true); !sel.Protected || len(sel.Instances) != 1 {
		t.Fatalf("all unhealthy, threshold 0: %+v", sel)
	}
}

// A service goes with what it has, in memory and in the store: those who beat come back by
// themselves, as the ones of a new service.
func TestRemoveService(t *testing.T) {
	s := New(key)
	s.Step(at(0), naming.CreateService{Meta: naming.ServiceMeta{ProtectThreshold: 0.5}})
	s.Step(at(0), naming.Register{Instance: inst("1.1.1.1", true)})
	s.Step(at(0), naming.Register{Instance: in("1.1.1.2", "other", true)})
	s.Step(at(0), naming.Register{Instance: inst("1.1.1.1", false)})
	e := s.Step(at(0), naming.RemoveService{})
	if e.Err != nil || !e.Empty || s.Len() != 0 || s.Exists() {
		t.Fatalf("%+v", e)
	}
	if want := []naming.EventKind{naming.InstanceDeregistered, naming.InstanceDeregistered, naming.InstanceDeregistered, naming.ServiceRemoved}; !slices.Equal(kinds(e), want) {
		t.Errorf("events %v", kinds(e))
	}
	var deleted []naming.RecordKind
	for _, r := range e.Records {
		if r.Delete {
			deleted = append(deleted, r.Kind)
		}
	}
	if !slices.Equal(deleted, []naming.RecordKind{naming.RecordInstance, naming.RecordService}) {
		t.Errorf("records %+v", e.Records)
	}
	back := inst("1.1.1.1", true)
	if e := s.Step(at(time.Second), naming.Beat{Addr: back.Addr(), Instance: back}); e.Err != nil || s.Len() != 1 || !Implied(s.View(naming.Revision{}).Meta) {
		t.Fatalf("after a heartbeat: %+v, %d instances", e, s.Len())
	}
}

func TestEmptyServiceGoes(t *testing.T) {
	s := New(key)
	s.Step(at(0), naming.Register{Instance: inst("1.1.1.1", true)})
	s.Step(at(0), naming.Deregister{Addr: inst("1.1.1.1", true).Addr(), Ephemeral: true})
	if e := s.Step(at(59*time.Second), naming.Tick{}); e.Empty {
		t.Fatal("gone too early")
	}
	if when, ok := s.Deadline(); !ok || when != naming.Instant(60*time.Second) {
		t.Fatalf("deadline %v %v", when, ok)
	}
	if e := s.Step(at(60*time.Second), naming.Tick{}); !e.Empty || !e.Changed {
		t.Fatalf("still there: %+v", e)
	}
	if _, ok := s.Deadline(); ok {
		t.Fatal("a service that is gone waits for something")
	}
	s.Step(at(100*time.Second), naming.CreateService{})
	if e := s.Step(at(1000*time.Second), naming.Tick{}); e.Empty {
		t.Fatal("a service that an operator created was removed")
	}
	// The mark of an operator survives the way through a view.
	r := Restore(s.View(naming.Revision{}), 0)
	if e := r.Step(at(1000*time.Second), naming.Tick{}); e.Empty {
		t.Fatal("a service that an operator created was removed in its next life")
	}
}

// Overlays come from the 2.0 structure; 1.x carries them until somebody writes.
func TestCarriedOverlays(t *testing.T) {
	base, o := inst("1.1.1.1", false), &naming.Overlay{Weight: 7, Enabled: true, Metadata: md("a", "2")}
	twin := inst("1.1.1.1", true)
	other := inst("2.2.2.2", false)
	lost := naming.Addr{IP: "3.3.3.3", Port: 80, Cluster: "DEFAULT"}
	view := FromSaved(naming.Saved{
		Key: key, Instances: []*naming.Instance{base, twin, other},
		Overlays: map[naming.Addr]*naming.Overlay{base.Addr(): o, other.Addr(): o, lost: o},
	}, 0).View(naming.Revision{})
	if len(view.Overlays) != 3 || view.Instances[0].Weight != 7 || view.Instances[1].Registered != base {
		t.Fatalf("from the store: %+v", view)
	}

	s := Restore(view, 0)
	e := s.Step(at(0), naming.Tick{})
	if len(e.Records) != 1 || e.Records[0].Addr != lost || !e.Records[0].Delete || len(s.View(naming.Revision{}).Overlays) != 2 {
		t.Fatalf("the overlay of an instance that is not there: %+v", e)
	}
	e = s.Step(at(0), naming.Register{Instance: twin})
	got := s.View(naming.Revision{})
	if len(got.Overlays) != 1 || got.Instances[0].Weight != 1 || got.Instances[1].Weight != 7 || got.Instances[1].Registered != nil {
		t.Fatalf("after a registration: %+v", got.Instances)
	}
	if len(e.Records) != 2 || e.Records[0].Kind != naming.RecordOverlay || !e.Records[0].Delete || e.Records[1].Instance.Weight != 7 {
		t.Fatalf("the twin was not written down: %+v", e.Records)
	}
	e = s.Step(at(0), naming.Deregister{Addr: other.Addr()})
	if len(e.Records) != 2 || e.Records[1].Addr != other.Addr() || e.Records[1].Kind != naming.RecordOverlay || s.View(naming.Revision{}).Overlays != nil {
		t.Fatalf("the overlay of a deregistered instance: %+v", e.Records)
	}
	if len(view.Overlays) != 3 {
		t.Error("a view was changed")
	}
}

func TestRestoreGrantsGrace(t *testing.T) {
	s := New(key)
	for _, ip := range []string{"3.3.3.3", "1.1.1.1", "2.2.2.2"} {
		s.Step(at(0), naming.Register{Instance: inst(ip, true)})
	}
	r := Restore(s.View(naming.Revision{}), naming.Instant(100*time.Second))
	if e := r.Step(at(114*time.Second), naming.Tick{}); e.Changed {
		t.Fatalf("no grace for a new owner: %v", e.Events)
	}
	if e := r.Step(at(115*time.Second), naming.Tick{}); len(e.Events) != 3 {
		t.Fatalf("after the grace: %v", e.Events)
	}
}

func TestEnableClientBeatSkipsExpiry(t *testing.T) {
	s := New(key)
	i := inst("1.1.1.1", true)
	i.Metadata = md(naming.MetaClientBeat, "true")
	s.Step(at(0), naming.Register{Instance: i})
	if e := s.Step(at(time.Hour), naming.Tick{}); e.Changed {
		t.Fatalf("%v", e.Events)
	}
	if when, ok := s.Deadline(); !ok || when != naming.Instant(time.Hour+recheck) {
		t.Errorf("deadline %v %v", when, ok)
	}
}

func TestBeatDoesNotAllocate(t *testing.T) {
	s := filled(1000)
	env := at(0)
	var beat naming.Command = naming.Beat{Addr: address(500)}
	if n := testing.AllocsPerRun(100, func() { s.Step(env, beat) }); n != 0 {
		t.Errorf("%v allocations a beat", n)
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
