package v2

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"nactor/naming"
)

// owner is a service with the clock of the node that it lives on.
type owner struct {
	*Service
	stamp *uint64
}

func (o owner) do(when time.Duration, cmd naming.Command) naming.Effects {
	*o.stamp++
	e := at(when)
	e.Stamp = *o.stamp
	return o.Step(e, cmd)
}

// diverge returns two owners of one service that went on from the same view.
func diverge(instances ...*naming.Instance) (a, b owner) {
	stamp := uint64(0)
	s := owner{New(naming.Key{Namespace: "n", Group: "g", Name: "s"}), &stamp}
	for _, in := range instances {
		s.do(0, naming.Register{Instance: in})
	}
	v := s.View(naming.Revision{Activation: 1, Counter: 1})
	return owner{Restore(v, 0), &stamp}, owner{Restore(v, 0), &stamp}
}

func (o owner) inherits(when time.Duration, other owner) {
	v := other.View(naming.Revision{Activation: 2, Counter: 1})
	o.Inherit(at(when), other.Heritage(v, naming.Instant(when)))
}

func (o owner) has(ip string) *naming.Instance {
	return o.View(naming.Revision{}).FindClient(ip, 80, true)
}

func TestInheritKeepsBothSides(t *testing.T) {
	a, b := diverge(inst("1", true))
	a.do(time.Second, naming.Register{Instance: inst("2", true)})
	b.do(time.Second, naming.Register{Instance: inst("3", true)})
	a.inherits(2*time.Second, b)
	for _, ip := range []string{"1", "2", "3"} {
		if a.has(ip) == nil {
			t.Errorf("%s is lost", ip)
		}
	}
}

func TestInheritTakesTheLaterRegistration(t *testing.T) {
	for _, later := range []string{"a", "b"} {
		a, b := diverge(inst("1", true))
		first, second := a, b
		if later == "a" {
			first, second = b, a
		}
		old, young := inst("1", true), inst("1", true)
		old.Weight, young.Weight = 5, 7
		first.do(time.Second, naming.Register{Instance: old})
		second.do(2*time.Second, naming.Register{Instance: young})
		a.inherits(3*time.Second, b)
		if got := a.has("1").Weight; got != 7 {
			t.Errorf("later on %s: weight %v", later, got)
		}
	}
}

// What was registered again unchanged, after a deregistration, stays with both.
func TestInheritKeepsWhatWasRegisteredAgain(t *testing.T) {
	a, b := diverge(inst("1", true))
	gone := naming.Deregister{Addr: naming.Addr{IP: "1", Port: 80, Cluster: "DEFAULT"}, Ephemeral: true}
	a.do(time.Second, naming.Register{Instance: inst("1", true)})
	b.do(2*time.Second, gone)
	b.do(3*time.Second, naming.Register{Instance: inst("1", true)})
	a.inherits(4*time.Second, b)
	if a.has("1") == nil {
		t.Error("lost to the deregistration before it")
	}
}

func TestInheritHonoursDeregistration(t *testing.T) {
	gone := naming.Deregister{Addr: naming.Addr{IP: "1", Port: 80, Cluster: "DEFAULT"}, Ephemeral: true}
	beat := naming.Beat{Addr: gone.Addr}
	for _, tt := range []struct {
		name string
		a, b func(owner)
		want bool
	}{
		{"here, not heard of there", func(o owner) { o.do(5*time.Second, gone) }, func(owner) {}, false},
		{"there, not heard of here", func(owner) {}, func(o owner) { o.do(5*time.Second, gone) }, false},
		{"there, heard of here before", func(o owner) { o.do(4*time.Second, beat) }, func(o owner) { o.do(5*time.Second, gone) }, false},
		{"there, heard of here since", func(o owner) { o.do(7500*time.Millisecond, beat) }, func(o owner) { o.do(5*time.Second, gone) }, true},
		{"there, a beat that was on its way", func(o owner) { o.do(6*time.Second, beat) }, func(o owner) { o.do(5*time.Second, gone) }, false},
		{"here, where it had expired", func(o owner) { o.pubs, o.hashes = nil, nil; o.do(5*time.Second, gone) }, func(owner) {}, false},
		{"here, registered there since", func(o owner) { o.do(5*time.Second, gone) },
			func(o owner) {
				in := inst("1", true)
				in.Weight = 3
				o.do(6*time.Second, naming.Register{Instance: in})
			}, true},
	} {
		a, b := diverge(inst("1", true))
		tt.a(a)
		tt.b(b)
		a.inherits(8*time.Second, b)
		if got := a.has("1") != nil; got != tt.want {
			t.Errorf("%s: listed %v, want %v", tt.name, got, tt.want)
		}
	}
}

// The beat clocks travel: a move neither ages an instance nor makes it younger.
func TestCreditTakesOverTheBeats(t *testing.T) {
	a, _ := diverge(inst("1", true))
	v := a.View(naming.Revision{Activation: 1, Counter: 1})
	h := a.Heritage(v, naming.Instant(12*time.Second))
	b := Restore(v, naming.Instant(100*time.Second)) // another node, another clock
	b.Credit(at(100*time.Second), h)
	if b.Step(at(102*time.Second), naming.Tick{}); !b.pubs[0].inst.Healthy {
		t.Error("unhealthy after 14 s of silence")
	}
	if b.Step(at(103*time.Second), naming.Tick{}); b.pubs[0].inst.Healthy {
		t.Error("healthy after 15 s of silence")
	}
}

// Whichever owner inherits, the same instances stay.
func TestInheritCommutes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ips := []string{"1", "2", "3"}
		play := func(o owner, who string, begin time.Duration) {
			for i := range rapid.IntRange(0, 8).Draw(t, who) {
				ip := rapid.SampledFrom(ips).Draw(t, "ip")
				when := begin + time.Duration(i)*100*time.Millisecond
				switch rapid.IntRange(0, 2).Draw(t, "what") {
				case 0:
					in := inst(ip, true)
					in.Weight = float64(i + 1)
					o.do(when, naming.Register{Instance: in})
				case 1:
					o.do(when, naming.Deregister{Addr: naming.Addr{IP: ip, Port: 80, Cluster: "DEFAULT"}, Ephemeral: true})
				default:
					o.do(when, naming.Beat{Addr: naming.Addr{IP: ip, Port: 80, Cluster: "DEFAULT"}})
				}
			}
		}
		a, b := diverge(inst("1", true), inst("2", true))
		play(a, "a", time.Second)
		play(b, "b", 1050*time.Millisecond)
		const now = 5 * time.Second
		va, vb := a.View(naming.Revision{Activation: 2, Counter: 1}), b.View(naming.Revision{Activation: 3, Counter: 1})
		ha, hb := a.Heritage(va, naming.Instant(now)), b.Heritage(vb, naming.Instant(now))
		a.Inherit(at(now), hb)
		b.Inherit(at(now), ha)
		for _, ip := range ips {
			x, y := a.has(ip), b.has(ip)
			if (x == nil) != (y == nil) {
				t.Fatalf("%s: %v and %v", ip, x, y)
			}
			if x != nil && x.Weight != y.Weight {
				t.Fatalf("%s: weights %v and %v", ip, x.Weight, y.Weight)
			}
		}
	})
}

func TestReconcile(t *testing.T) {
	stamp := uint64(0)
	s := owner{New(naming.Key{Namespace: "n", Group: "g", Name: "s"}), &stamp}
	s.do(0, naming.Register{Instance: inst("1", true)})
	s.do(0, naming.Register{Instance: inst("2", false)})
	saved := naming.Saved{
		Key: s.key, Meta: &naming.ServiceMeta{ProtectThreshold: 0.5}, Instances: []*naming.Instance{inst("3", false)},
		Overlays: map[naming.Addr]*naming.Overlay{{IP: "1", Port: 80, Cluster: "DEFAULT"}: {Weight: 9, Enabled: true}},
	}
	e := s.Reconcile(at(time.Second), saved)
	if !e.Changed || len(e.Records) > 0 {
		t.Errorf("changed %v, records %v: what the store holds is not written again", e.Changed, e.Records)
	}
	v := s.View(naming.Revision{})
	if v.Meta.ProtectThreshold != 0.5 || v.FindClient("2", 80, false) != nil || v.FindClient("3", 80, false) == nil {
		t.Errorf("%+v", v)
	}
	if in := v.FindClient("1", 80, true); in == nil || in.Weight != 9 {
		t.Errorf("the overlay is not shown: %+v", in)
	}
	if e := s.Reconcile(at(2*time.Second), saved); e.Changed {
		t.Error("the second time changes something")
	}
}
