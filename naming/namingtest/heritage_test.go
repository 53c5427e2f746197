package namingtest

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nactor/naming"
	"nactor/naming/dual"
)

// kinds of owners that take over from each other: nodes of a cluster, in whichever layout.
func owners() map[string]func(*naming.View, naming.Instant) Owner {
	all := map[string]func(*naming.View, naming.Instant) Owner{}
	for _, m := range []Model{V1, V2} {
		all[m.String()+", bare"] = func(v *naming.View, now naming.Instant) Owner { return m.Restore(v, now).(Owner) }
	}
	for _, l := range layouts {
		all[l.String()] = func(v *naming.View, now naming.Instant) Owner { return dual.Restore(v, now, l) }
	}
	return all
}

// owner is a service with the clock of the node that it lives on.
type owner struct {
	Owner
	stamp *uint64
}

func at(when time.Duration) naming.Env {
	r := naming.DefaultRules()
	return naming.Env{Now: naming.Instant(when), Rules: &r}
}

func (o owner) do(when time.Duration, cmd naming.Command) naming.Effects {
	*o.stamp++
	e := at(when)
	e.Stamp = *o.stamp
	return o.Step(e, cmd)
}

// node makes owners of one sort.
type node func(*naming.View, naming.Instant) Owner

// diverge returns two owners of one service that went on from the same view.
func diverge(first, second node, instances ...*naming.Instance) (a, b owner) {
	stamp := uint64(0)
	s := owner{V1.New(testKey), &stamp}
	for _, in := range instances {
		s.do(0, naming.Register{Instance: in})
	}
	v := s.View(naming.Revision{Activation: 1, Counter: 1})
	return owner{first(v, 0), &stamp}, owner{second(v, 0), &stamp}
}

// between runs a test between owners of every two sorts.
func between(t *testing.T, check func(t *testing.T, first, second node)) {
	for a, first := range owners() {
		for b, second := range owners() {
			t.Run(fmt.Sprintf("%s and %s", a, b), func(t *testing.T) { check(t, first, second) })
		}
	}
}

func (o owner) inherits(when time.Duration, other owner) {
	v := other.View(naming.Revision{Activation: 2, Counter: 1})
	o.Inherit(at(when), other.Heritage(v, naming.Instant(when)))
}

func (o owner) has(ip string) *naming.Instance {
	return o.View(naming.Revision{}).FindClient(ip, 80, true)
}

func TestInheritKeepsBothSides(t *testing.T) {
	between(t, func(t *testing.T, first, second node) {
		a, b := diverge(first, second, ephemeral("1"))
		a.do(time.Second, naming.Register{Instance: ephemeral("2")})
		b.do(time.Second, naming.Register{Instance: ephemeral("3")})
		a.inherits(2*time.Second, b)
		for _, ip := range []string{"1", "2", "3"} {
			if a.has(ip) == nil {
				t.Errorf("%s is lost", ip)
			}
		}
	})
}

func TestInheritTakesTheLaterRegistration(t *testing.T) {
	between(t, func(t *testing.T, x, y node) {
		for _, later := range []string{"a", "b"} {
			a, b := diverge(x, y, ephemeral("1"))
			first, second := a, b
			if later == "a" {
				first, second = b, a
			}
			old, young := ephemeral("1"), ephemeral("1")
			old.Weight, young.Weight = 5, 7
			first.do(time.Second, naming.Register{Instance: old})
			second.do(2*time.Second, naming.Register{Instance: young})
			a.inherits(3*time.Second, b)
			if got := a.has("1").Weight; got != 7 {
				t.Errorf("later on %s: weight %v", later, got)
			}
		}
	})
}

// In 1.x an operator's word is in no store, and counts as a registration does.
func TestInheritTakesTheLaterEdit(t *testing.T) {
	put := naming.Update{Addr: addr("1"), Ephemeral: true, Overlay: naming.Overlay{Weight: 7, Enabled: true}}
	young := ephemeral("1")
	young.Weight = 5
	one := V1.Restore
	for _, tt := range []struct {
		name  string
		play  func(a, b owner)
		want  float64
		carry bool
	}{
		{"here, after the registration there", func(a, b owner) {
			b.do(time.Second, naming.Register{Instance: young})
			a.do(2*time.Second, put)
		}, 7, false},
		{"there, after the registration here", func(a, b owner) {
			a.do(time.Second, naming.Register{Instance: young})
			b.do(2*time.Second, put)
		}, 7, false},
		{"there, before the registration here", func(a, b owner) {
			b.do(time.Second, put)
			a.do(2*time.Second, naming.Register{Instance: young})
		}, 5, false},
		{"there, over an overlay that is carried here", func(a, b owner) {
			b.do(time.Second, put)
		}, 7, true},
	} {
		first := func(v *naming.View, now naming.Instant) Owner { return one(v, now).(Owner) }
		a, b := diverge(first, first, ephemeral("1"))
		saved := naming.Saved{Key: testKey, Overlays: map[naming.Addr]*naming.Overlay{addr("1"): {Weight: 3, Enabled: true}}}
		if tt.carry {
			for _, o := range []owner{a, b} {
				o.Reconcile(at(0), saved)
				if got := o.has("1"); got.Weight != 3 || got.Registered == nil {
					t.Fatalf("the overlay is not shown: %+v", got)
				}
			}
		}
		tt.play(a, b)
		a.inherits(3*time.Second, b)
		a.Reconcile(at(3*time.Second), naming.Saved{Key: testKey}) // who wrote has deleted the overlay
		if got := a.has("1"); got.Weight != tt.want || got.Registered != nil {
			t.Errorf("%s: %+v, want weight %v", tt.name, got, tt.want)
		}
	}
}

// A node that took over late, without the news of a deregistration, and never heard a beat,
// does not bring the instance back.
func TestInheritKnowsWhoOnlyTookOver(t *testing.T) {
	between(t, func(t *testing.T, first, second node) {
		a, b := diverge(first, second, ephemeral("1"))
		before := b.View(naming.Revision{Activation: 1, Counter: 1})
		gone := naming.Deregister{Addr: naming.Addr{IP: "1", Port: 80, Cluster: "DEFAULT"}, Ephemeral: true}
		a.do(time.Second, gone)
		late := owner{second(before, naming.Instant(10*time.Second)), a.stamp}
		a.inherits(20*time.Second, late)
		if a.has("1") != nil {
			t.Error("brought back by somebody who never heard of it")
		}
		// Also when it moved on meanwhile.
		moved := owner{first(before, naming.Instant(15*time.Second)), a.stamp}
		moved.Credit(at(15*time.Second), late.Heritage(before, naming.Instant(15*time.Second)))
		a.inherits(21*time.Second, moved)
		if a.has("1") != nil {
			t.Error("brought back by a move")
		}
	})
}

// What was registered again unchanged, after a deregistration, stays with both.
func TestInheritKeepsWhatWasRegisteredAgain(t *testing.T) {
	between(t, func(t *testing.T, first, second node) {
		a, b := diverge(first, second, ephemeral("1"))
		gone := naming.Deregister{Addr: addr("1"), Ephemeral: true}
		a.do(time.Second, naming.Register{Instance: ephemeral("1")})
		b.do(2*time.Second, gone)
		b.do(3*time.Second, naming.Register{Instance: ephemeral("1")})
		a.inherits(4*time.Second, b)
		if a.has("1") == nil {
			t.Error("lost to the deregistration before it")
		}
	})
}

func TestInheritHonoursDeregistration(t *testing.T) {
	gone := naming.Deregister{Addr: addr("1"), Ephemeral: true}
	beat := naming.Beat{Addr: gone.Addr}
	between(t, func(t *testing.T, first, second node) {
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
			{"here, where it had expired", func(o owner) { o.do(3*time.Second, naming.Tick{}); o.do(5*time.Second, gone) }, func(owner) {}, false},
			{"here, registered there since", func(o owner) { o.do(5*time.Second, gone) },
				func(o owner) {
					in := ephemeral("1")
					in.Weight = 3
					o.do(6*time.Second, naming.Register{Instance: in})
				}, true},
		} {
			in := ephemeral("1")
			if tt.name == "here, where it had expired" {
				in.Metadata = md(naming.MetaDeleteTimeout, "2000")
			}
			a, b := diverge(first, second, in)
			tt.a(a)
			tt.b(b)
			a.inherits(8*time.Second, b)
			if got := a.has("1") != nil; got != tt.want {
				t.Errorf("%s: listed %v, want %v", tt.name, got, tt.want)
			}
		}
	})
}

// The beat clocks travel: a move neither ages an instance nor makes it younger.
func TestCreditTakesOverTheBeats(t *testing.T) {
	between(t, func(t *testing.T, first, second node) {
		a, _ := diverge(first, first, ephemeral("1"))
		v := a.View(naming.Revision{Activation: 1, Counter: 1})
		h := a.Heritage(v, naming.Instant(12*time.Second))
		b := owner{second(v, naming.Instant(100*time.Second)), a.stamp} // another node, another clock
		b.Credit(at(100*time.Second), h)
		if b.do(102*time.Second, naming.Tick{}); !b.has("1").Healthy {
			t.Error("unhealthy after 14 s of silence")
		}
		if due, ok := b.Deadline(); !ok || due > naming.Instant(103*time.Second) {
			t.Errorf("deadline %v, %v", due, ok)
		}
		if b.do(103*time.Second, naming.Tick{}); b.has("1").Healthy {
			t.Error("healthy after 15 s of silence")
		}
	})
}

// Whoever was heard of here, and later by an owner on the other side of a cut that showed
// nothing new: the later word counts, and who had fallen silent here is healthy again.
func TestCreditTakesOverLaterBeats(t *testing.T) {
	between(t, func(t *testing.T, first, second node) {
		a, b := diverge(first, second, ephemeral("1"), ephemeral("2"))
		beat := func(o owner, when time.Duration, ip string) { o.do(when, naming.Beat{Addr: addr(ip)}) }
		beat(a, 2*time.Second, "1")
		beat(a, 9*time.Second, "2")
		beat(b, 16*time.Second, "1")
		beat(b, 5*time.Second, "2")
		a.do(17*time.Second, naming.Tick{})
		if a.has("1").Healthy {
			t.Fatal("healthy after 15 s of silence")
		}
		v := a.View(naming.Revision{Activation: 1, Counter: 1})
		for i, in := range v.Instances {
			healthy := *in
			healthy.Healthy = true
			v.Instances[i] = &healthy
		}
		a.do(19*time.Second, naming.Tick{}) // double write has caught up
		e := a.Credit(at(20*time.Second), b.Heritage(v, naming.Instant(20*time.Second)))
		if !e.Changed || !a.has("1").Healthy {
			t.Error("not healthy again")
		}
		if both, ok := a.Owner.(*dual.Service); ok && both.Layout().DoubleWrite {
			if _, _, waits := both.Pending(); !waits {
				t.Error("the other structure is not told")
			}
		}
		a.do(26*time.Second, naming.Tick{})
		if !a.has("1").Healthy || a.has("2").Healthy {
			t.Errorf("after 10 s and 17 s of silence: %v, %v", a.has("1"), a.has("2"))
		}
	})
}

// A heartbeat that was on its way for a while, since its node was cut off from the owner, is
// as old as it is: a deregistration after it stands, and no silence is shortened by it.
func TestBeatsThatComeLate(t *testing.T) {
	between(t, func(t *testing.T, first, second node) {
		for _, tt := range []struct {
			came, credited time.Duration
			want           bool
		}{{5500 * time.Millisecond, 9 * time.Second, false}, {9 * time.Second, 9 * time.Second, true}} {
			a, b := diverge(first, second, ephemeral("1"))
			a.do(5520*time.Millisecond, naming.Deregister{Addr: addr("1"), Ephemeral: true})
			b.do(tt.credited, naming.Beat{Addr: addr("1"), Ago: tt.credited - tt.came})
			a.inherits(11*time.Second, b)
			if got := a.has("1") != nil; got != tt.want {
				t.Errorf("heard at %v, credited at %v, deregistered elsewhere at 5.52 s: listed %v", tt.came, tt.credited, got)
			}
		}
		a, _ := diverge(first, second, ephemeral("1"))
		a.do(12*time.Second, naming.Beat{Addr: addr("1"), Ago: 4 * time.Second})
		a.do(13*time.Second, naming.Beat{Addr: addr("1"), Ago: 9 * time.Second})
		if a.do(22*time.Second, naming.Tick{}); !a.has("1").Healthy {
			t.Error("unhealthy after 14 s of silence")
		}
		a.do(24*time.Second, naming.Tick{})
		a.do(24*time.Second, naming.Beat{Addr: addr("1"), Ago: 16 * time.Second})
		if a.has("1").Healthy {
			t.Error("healthy after 16 s of silence")
		}
	})
}

// What an owner remembers goes along when another structure begins to serve.
func TestSwitchKeepsTheMemory(t *testing.T) {
	for _, from := range layouts {
		for _, to := range layouts {
			t.Run(fmt.Sprintf("%v to %v", from, to), func(t *testing.T) {
				in := func(l dual.Layout) node {
					return func(v *naming.View, now naming.Instant) Owner { return dual.Restore(v, now, l) }
				}
				a, b := diverge(in(from), in(to), ephemeral("1"), ephemeral("2"))
				a.do(time.Second, naming.Deregister{Addr: addr("1"), Ephemeral: true})
				a.Owner.(*dual.Service).Switch(at(2*time.Second), to)
				// Nobody has been heard of in this life of 2, so the other owner knows better.
				b.do(500*time.Millisecond, naming.Beat{Addr: addr("2")})
				a.inherits(10*time.Second, b)
				if a.has("1") != nil {
					t.Error("what was deregistered before the switch is back")
				}
				if c := a.Clock(addr("2"), true); c.Last != naming.Instant(500*time.Millisecond) {
					t.Errorf("last heard of at %v", c.Last)
				}
				h := a.Heritage(a.View(naming.Revision{}), naming.Instant(10*time.Second))
				if len(h.Removed) != 1 || h.Removed[0].IP != "1" {
					t.Errorf("it hands over %+v", h.Removed)
				}
			})
		}
	}
}

// Whichever owner inherits, the same instances stay, and where double write is on the other
// structure hears of it. To inherit the same again changes nothing.
func TestInheritCommutes(t *testing.T) { rapid.Check(t, inheritCommutes) }

// FuzzInherit is [TestInheritCommutes] led by what it covers.
func FuzzInherit(f *testing.F) { f.Fuzz(rapid.MakeFuzz(inheritCommutes)) }

func inheritCommutes(t *rapid.T) {
	ips := []string{"1", "2", "3"}
	play := func(o owner, who string, begin time.Duration) {
		for i := range rapid.IntRange(0, 8).Draw(t, who) {
			ip := rapid.SampledFrom(ips).Draw(t, "ip")
			when := begin + time.Duration(i)*100*time.Millisecond
			switch rapid.IntRange(0, 2).Draw(t, "what") {
			case 0:
				in := ephemeral(ip)
				in.Weight = float64(i + 1)
				o.do(when, naming.Register{Instance: in})
			case 1:
				o.do(when, naming.Deregister{Addr: addr(ip), Ephemeral: true})
			default:
				o.do(when, naming.Beat{Addr: addr(ip)})
			}
		}
	}
	in := func(l dual.Layout) node {
		return func(v *naming.View, now naming.Instant) Owner { return dual.Restore(v, now, l) }
	}
	a, b := diverge(in(drawLayout(t, "a's")), in(drawLayout(t, "b's")), ephemeral("1"), ephemeral("2"))
	play(a, "a", time.Second)
	play(b, "b", 1050*time.Millisecond)
	const now = 5 * time.Second
	va, vb := a.View(naming.Revision{Activation: 2, Counter: 1}), b.View(naming.Revision{Activation: 3, Counter: 1})
	ha, hb := a.Heritage(va, naming.Instant(now)), b.Heritage(vb, naming.Instant(now))
	a.Inherit(at(now), hb)
	b.Inherit(at(now), ha)
	once := a.View(naming.Revision{})
	a.Inherit(at(now), hb)
	if twice := a.View(naming.Revision{}); !reflect.DeepEqual(once.Instances, twice.Instances) {
		t.Fatalf("inherited once %v, twice %v", once.Instances, twice.Instances)
	}
	for _, ip := range ips {
		x, y := a.has(ip), b.has(ip)
		if (x == nil) != (y == nil) {
			t.Fatalf("%s: %v and %v", ip, x, y)
		}
		if x != nil && x.Weight != y.Weight {
			t.Fatalf("%s: weights %v and %v", ip, x.Weight, y.Weight)
		}
	}
	for _, o := range []owner{a, b} {
		s := o.Owner.(*dual.Service)
		if o.do(now+time.Second, naming.Tick{}); !s.InSync() {
			t.Fatalf("%v: out of sync after a merge", s.Layout())
		}
	}
}

// A heritage with an ip:port in several clusters, as 1.x leaves it, becomes one instance in
// 2.0: the one last heard of.
func TestInheritCrowded(t *testing.T) {
	other := ephemeral("1")
	other.Cluster = "b"
	for _, serves := range []dual.Layout{layouts[2], layouts[3]} {
		for _, heard := range []string{"DEFAULT", "b"} {
			one := func(v *naming.View, now naming.Instant) Owner { return dual.Restore(v, now, layouts[0]) }
			a, _ := diverge(one, one, ephemeral("1"), other)
			a.do(3*time.Second, naming.Beat{Addr: naming.Addr{IP: "1", Port: 80, Cluster: heard}})
			h := a.Heritage(a.View(naming.Revision{}), naming.Instant(4*time.Second))
			for _, inherit := range []func(*dual.Service){
				func(s *dual.Service) { s.Inherit(at(10*time.Second), h) },
				func(s *dual.Service) { s.Credit(at(10*time.Second), h) },
			} {
				s := dual.Restore(a.View(naming.Revision{}), naming.Instant(8*time.Second), serves)
				inherit(s)
				v := s.View(naming.Revision{})
				if len(v.Instances) != 1 {
					t.Fatalf("%s", describe(v))
				}
				got := v.Instances[0]
				if c := s.Clock(got.Addr(), true); c.Last != naming.Instant(9*time.Second) {
					t.Errorf("%v, heard of %s: clock at %v of %s", serves, heard, c.Last, describe(v))
				}
			}
		}
	}
}

func TestReconcile(t *testing.T) {
	for name, restore := range owners() {
		t.Run(name, func(t *testing.T) {
			s, _ := diverge(restore, restore, ephemeral("1"), persistent("2"))
			saved := naming.Saved{
				Key: testKey, Meta: &naming.ServiceMeta{ProtectThreshold: 0.5}, Instances: []*naming.Instance{persistent("3")},
				Overlays: map[naming.Addr]*naming.Overlay{addr("1"): {Weight: 9, Enabled: true}},
			}
			e := s.Reconcile(at(time.Second), saved)
			if !e.Changed || len(e.Records) > 0 {
				t.Errorf("changed %v, records %v: what the store holds is not written again", e.Changed, e.Records)
			}
			before := s.View(naming.Revision{})
			if before.Meta.ProtectThreshold != 0.5 || before.FindClient("2", 80, false) != nil || before.FindClient("3", 80, false) == nil {
				t.Error(describe(before))
			}
			if in := before.FindClient("1", 80, true); in == nil || in.Weight != 9 || in.Base().Weight != 1 || len(before.Overlays) != 1 {
				t.Errorf("the overlay is not shown: %s", describe(before))
			}
			if e := s.Reconcile(at(2*time.Second), saved); e.Changed {
				t.Error("the second time changes something")
			}
			if e := s.Reconcile(at(3*time.Second), naming.Saved{Key: testKey}); !e.Changed {
				t.Error("nothing is saved any more, and that changes nothing")
			}
			if in := s.has("1"); in.Weight != 1 || in.Registered != nil {
				t.Errorf("the overlay is still shown: %+v", in)
			}
			if len(before.Overlays) != 1 || before.FindClient("1", 80, true).Weight != 9 {
				t.Error("a view that was handed out was changed")
			}
		})
	}
}

// What a view of 1.x says of a service that nobody created is not an operator's word.
func TestReconcileImplied(t *testing.T) {
	for name, restore := range owners() {
		if name == "v2, bare" {
			continue // views of 1.x come to it through dual
		}
		t.Run(name, func(t *testing.T) {
			s, _ := diverge(restore, restore, ephemeral("1"))
			v := owner{V1.New(testKey), s.stamp}.View(naming.Revision{})
			if e := s.Reconcile(at(0), naming.Saved{Key: testKey, Meta: v.Meta}); e.Changed {
				t.Errorf("%+v: %s", e.Events, describe(s.View(naming.Revision{})))
			}
		})
	}
}

// What 1.x saved under one ip:port in several clusters becomes one instance in 2.0, the one
// that is held if there is one; the others are to be deleted, lest they come back.
func TestReconcileCrowded(t *testing.T) {
	a, b := persistent("1"), persistent("1")
	b.Cluster = "b"
	saved := naming.Saved{Key: testKey, Instances: []*naming.Instance{b, a}}
	for _, held := range []*naming.Instance{nil, a, b} {
		s := dual.New(testKey, dual.Layout{})
		want := a
		if held != nil {
			s.Step(at(0), naming.Register{Instance: held})
			want = held
		}
		e := s.Reconcile(at(0), saved)
		v := s.View(naming.Revision{})
		if len(v.Instances) != 1 || v.Instances[0].Cluster != want.Cluster {
			t.Fatalf("held %+v: %s", held, describe(v))
		}
		if len(e.Records) != 1 || !e.Records[0].Delete || e.Records[0].Addr == want.Addr() || e.Records[0].Kind != naming.RecordInstance {
			t.Fatalf("held %+v: records %+v", held, e.Records)
		}
	}
	if v := dual.FromSaved(saved, 0, dual.Layout{}).View(naming.Revision{}); len(v.Instances) != 1 {
		t.Fatal(describe(v))
	}
	one := dual.New(testKey, layouts[1])
	if e := one.Reconcile(at(0), saved); one.Len() != 2 || len(e.Records) > 0 {
		t.Fatalf("1.x holds %d of 2, records %+v", one.Len(), e.Records)
	}
}

// A heartbeat that follows a service to its next owner may come before what the owner before
// knew, which is older than it.
func TestHeartbeatComesBeforeTheHeritage(t *testing.T) {
	for name, restore := range owners() {
		t.Run(name, func(t *testing.T) {
			before, after := diverge(restore, restore, ephemeral("1"))
			before.do(11*time.Second, naming.Beat{Addr: addr("1")})
			v := before.View(naming.Revision{Activation: 2, Counter: 1})
			after.Owner = restore(v, naming.Instant(14*time.Second))
			after.do(14*time.Second, naming.Beat{Addr: addr("1"), Ago: time.Second})
			after.Credit(at(15*time.Second), before.Heritage(v, naming.Instant(15*time.Second)))
			c := after.Clock(addr("1"), true)
			if c.Granted || c.Last != naming.Instant(13*time.Second) {
				t.Errorf("last heard of at %v, granted: %v", time.Duration(c.Last), c.Granted)
			}
		})
	}
}
