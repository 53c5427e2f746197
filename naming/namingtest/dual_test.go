package namingtest

import (
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nactor/naming"
	"nactor/naming/dual"
	"nactor/naming/v1"
	"nactor/naming/v2"
)

// layouts are all in which a service can be.
var layouts = []dual.Layout{
	{Serves: dual.V1},
	{Serves: dual.V1, DoubleWrite: true, Delay: dual.DefaultDelay},
	{Serves: dual.V2, DoubleWrite: true, Delay: dual.DefaultDelay},
	{Serves: dual.V2},
}

func modelOf(l dual.Layout) Model { return Model(l.Serves) }

func drawLayout(t *rapid.T, label string) dual.Layout {
	return rapid.SampledFrom(layouts).Draw(t, label)
}

func TestDualConformance(t *testing.T) {
	for _, l := range layouts {
		t.Run(l.String(), func(t *testing.T) {
			Run(t, func(*testing.T) Rig {
				o := NewOracleOf(func(key naming.Key) Machine { return dual.New(key, l) })
				return Rig{Registry: o, Reader: o, Model: modelOf(l), Advance: o.Advance}
			})
		})
	}
}

// twofold is a service in both structures under random commands.
type twofold struct {
	*world
	*dual.Service
	ledger Ledger
}

func newTwofold(l dual.Layout) *twofold {
	s := dual.New(testKey, l)
	w := newWorld(modelOf(l))
	w.Machine = s
	return &twofold{world: w, Service: s, ledger: Ledger{}}
}

func (d *twofold) do(cmd naming.Command) naming.Effects { return d.took(d.step(cmd)) }

func (d *twofold) wait(pause time.Duration) { d.pass(pause, func(e naming.Effects) { d.took(e) }) }

func (d *twofold) turn(l dual.Layout) naming.Effects { return d.took(d.Switch(d.env(), l)) }

func (d *twofold) took(e naming.Effects) naming.Effects {
	d.ledger.Write(e.Records)
	return e
}

// shown is what readers are shown; nil when there is no service.
func (d *twofold) shown() *naming.View { return d.view() }

func (d *twofold) differences() (all []string) {
	for diff := range d.Differences() {
		all = append(all, diff.String())
	}
	return all
}

// forgetful rules would tell structures apart that learned of a change at different times.
func forgetNothing() naming.Rules {
	r := naming.DefaultRules()
	r.EmptyService, r.Remember = 1000*time.Hour, 1000*time.Hour
	return r
}

// Whichever structure serves, and whenever that changes: readers are shown what that
// structure shows when it has been told of every change at once, and a switch shows them
// nothing new.
func TestDualShowsWhatServes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := drawLayout(t, "layout")
		l.Delay = rapid.SampledFrom([]time.Duration{0, 300 * time.Millisecond, 5 * time.Second}).Draw(t, "delay")
		d, oracle := newTwofold(l), newPair(modelOf(l))
		same := func(when string) {
			t.Helper()
			got, want := d.shown(), oracle.server().view()
			if got != nil && want != nil {
				got.Ephemeral = want.Ephemeral // 1.x has no such flag
			}
			if !sameView(got, want) {
				t.Fatalf("%s, %v: shown is %s, want %s", when, d.Layout(), describe(got), describe(want))
			}
			for _, in := range instances(got) {
				if a, b := d.Service.Clock(in.Addr(), in.Ephemeral), oracle.server().Clock(in.Addr(), in.Ephemeral); in.Client == nil && a.Last != b.Last {
					t.Fatalf("%s, %v: clock of %+v at %v, want %v", when, d.Layout(), in, a.Last, b.Last)
				}
			}
		}
		history(t, SettledAddrs(), func(cmd naming.Command) {
			got := d.do(cmd)
			s := oracle.server()
			s.stamp = d.stamp - 1
			want := s.step(cmd)
			oracle.took(want)
			oracle.catchUp()
			if (got.Err == nil) != (want.Err == nil) || got.Changed != want.Changed || got.Empty != want.Empty || len(got.Records) != len(want.Records) {
				t.Fatalf("%T in %v: %+v, want %+v", cmd, d.Layout(), got, want)
			}
			same("after a command")
		}, func(pause time.Duration) {
			d.wait(pause)
			oracle.pass(pause)
			oracle.catchUp()
			same("after a pause")
			if rapid.IntRange(0, 2).Draw(t, "switch") > 0 {
				return
			}
			before := d.shown()
			to := drawLayout(t, "to")
			if e := d.turn(to); e.Err != nil || e.Empty != (before == nil) || len(e.Records)+len(e.Events) > 0 {
				t.Fatalf("switch to %v: %+v", to, e)
			}
			if after := d.shown(); !slices.EqualFunc(instances(before), instances(after), sameInstance) {
				t.Fatalf("switch to %v shows %s, before %s", to, describe(after), describe(before))
			}
			if oracle.serving != modelOf(to) {
				oracle.handOver()
			}
			d.wait(0) // whoever begins to serve looks around
			oracle.pass(0)
			oracle.catchUp()
			same("after a switch")
		})
	})
}

// handOver lets the other structure serve, with what the owner remembers.
func (p *pair) handOver() {
	one, two := p.one.Machine.(*v1.Service), p.two.Machine.(*v2.Service)
	if p.serving == V1 {
		*two.Memory() = *one.Memory()
	} else {
		*one.Memory() = *two.Memory()
	}
	p.flip()
}

func instances(v *naming.View) []*naming.Instance {
	if v == nil {
		return nil
	}
	return v.Instances
}

// A switch tells whether readers are shown anything new, changes no instance's health, and
// never hides an ip:port, not even one that 1.x has in several clusters.
func TestDualSwitchTells(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := newTwofold(drawLayout(t, "layout"))
		history(t, Addrs(), func(cmd naming.Command) { d.do(cmd) }, func(pause time.Duration) {
			d.wait(pause)
			before := d.shown()
			to := drawLayout(t, "to")
			e := d.turn(to)
			after := d.shown()
			if !e.Changed && before != nil {
				readersAgree(t, before, after)
			}
			if gone := len(instances(before)) - len(instances(after)); gone != len(e.Events) {
				t.Fatalf("%d instances are gone, and it tells of %v", gone, e.Events)
			}
			for _, in := range instances(after) {
				if !slices.ContainsFunc(before.Instances, func(was *naming.Instance) bool { return sameInstance(was, in) }) {
					t.Fatalf("switch to %v shows %+v, before %s", to, in, describe(before))
				}
			}
			if before != nil && clients(before) != clients(after) {
				t.Fatalf("switch to %v hides somebody: %s, before %s", to, describe(after), describe(before))
			}
		})
	})
}

// host is a client of 2.0.
type host struct {
	ip        string
	port      int
	ephemeral bool
}

// The quick answer is the right one at every step; a change waits for no longer than the
// delay, however many follow it; and when nothing happens any more the structures are equal.
func TestDualInSync(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := drawLayout(t, "layout")
		l.Delay = rapid.SampledFrom([]time.Duration{300 * time.Millisecond, time.Second, 5 * time.Second}).Draw(t, "delay")
		d := newTwofold(l)
		check := func() {
			t.Helper()
			if quick, diff := d.InSync(), d.differences(); quick != (len(diff) == 0) {
				t.Fatalf("in sync: %v, but the differences are %q", quick, diff)
			}
			since, attempts, pending := d.Pending()
			if pending && (d.now.Since(since) > l.Delay || attempts > 0) {
				t.Fatalf("something waits for %v, %d attempts", d.now.Since(since), attempts)
			}
			if !pending && !d.InSync() {
				t.Fatalf("nothing waits, but %q", d.differences())
			}
			if pending && !d.Layout().DoubleWrite {
				t.Fatalf("%v waits for a double write", d.Layout())
			}
		}
		history(t, Addrs(), func(cmd naming.Command) {
			d.do(cmd)
			check()
		}, func(pause time.Duration) {
			d.wait(pause)
			check()
			if rapid.IntRange(0, 2).Draw(t, "switch") == 0 {
				next := drawLayout(t, "to")
				if next.DoubleWrite {
					next.Delay = l.Delay
				}
				d.turn(next)
				check()
			}
		})
		d.rules = forgetNothing()
		d.rules.HealthCheck, d.rules.Expire = false, false // nothing happens any more
		d.wait(l.Delay)
		check()
		d.wait(l.Delay)
		if _, _, pending := d.Pending(); pending || !d.InSync() {
			t.Fatalf("something waits: %v; in sync: %v", pending, d.InSync())
		}
	})
}

// Dropping a structure and building it again, there and back, loses nothing.
func TestDualRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := newTwofold(drawLayout(t, "layout"))
		history(t, SettledAddrs(), func(cmd naming.Command) { d.do(cmd) }, d.wait)
		home, before, clocks := d.Layout(), d.shown(), d.clocks()
		for range rapid.IntRange(1, 4).Draw(t, "trips") {
			d.turn(drawLayout(t, "through"))
		}
		d.turn(home)
		after := d.shown()
		if before == nil || after == nil {
			if before != after {
				t.Fatalf("before %s, after %s", describe(before), describe(after))
			}
			return
		}
		after.Ephemeral = before.Ephemeral
		if !sameView(after, before) {
			t.Fatalf("after %s, before %s", describe(after), describe(before))
		}
		for i, in := range before.Instances {
			if after.Instances[i].Stamp != in.Stamp {
				t.Fatalf("stamp %d, before %d: %+v", after.Instances[i].Stamp, in.Stamp, in)
			}
		}
		if !maps.Equal(d.clocks(), clocks) {
			t.Fatal("a clock was lost")
		}
	})
}

func (d *twofold) clocks() map[*naming.BeatClock]bool {
	all := map[*naming.BeatClock]bool{}
	for _, in := range instances(d.shown()) {
		all[d.Service.Clock(in.Addr(), in.Ephemeral)] = true
	}
	return all
}

// What is removed and created again, in whatever order and however quickly, is there in
// both structures in the end.
func TestDualRemovedAndCreatedAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := newTwofold(rapid.SampledFrom(layouts[1:3]).Draw(t, "layout"))
		in := ephemeral("1.1.1.1")
		commands := []naming.Command{
			naming.CreateService{Meta: naming.ServiceMeta{ProtectThreshold: 0.5}},
			naming.RemoveService{},
			naming.Register{Instance: in},
			naming.Register{Instance: persistent("1.1.1.1")},
			naming.Deregister{Addr: in.Addr(), Ephemeral: true},
			naming.Deregister{Addr: in.Addr()},
		}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			d.do(rapid.SampledFrom(commands).Draw(t, "command"))
			d.wait(time.Duration(rapid.IntRange(0, 600).Draw(t, "pause")) * time.Millisecond)
		}
		d.wait(time.Second)
		if diff := d.differences(); diff != nil || !d.InSync() {
			t.Fatalf("%q", diff)
		}
		one, two := d.Counts()
		if n := len(instances(d.shown())); one != two || one.Ephemeral+one.Persistent != n || (one.Services == 1) != d.Service.Exists() {
			t.Fatalf("counts %+v and %+v, shown are %d instances", one, two, n)
		}
	})
}

// What was written down, by whichever structure, is what a restart in any layout needs.
func TestDualRecords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := newTwofold(drawLayout(t, "layout"))
		check := func() {
			t.Helper()
			saved, want := d.ledger.Saved(testKey), d.shown()
			if want == nil {
				if saved.Meta != nil || len(saved.Instances)+len(saved.Overlays) > 0 {
					t.Fatalf("a service that is gone is still written down: %+v", saved)
				}
				return
			}
			want.Instances = slices.DeleteFunc(want.Instances, func(in *naming.Instance) bool { return in.Ephemeral })
			s := dual.FromSaved(saved, d.now, d.Layout())
			got := s.View(naming.Revision{})
			got.Ephemeral = want.Ephemeral
			if !sameView(unjudged(got), unjudged(want)) {
				t.Fatalf("%v: from the store %s, want %s", d.Layout(), describe(got), describe(want))
			}
			other := dual.FromSaved(saved, d.now, drawLayout(t, "restart"))
			if !other.InSync() {
				t.Fatal("a restart is out of sync")
			}
			// What is known already is not news.
			if e := d.Reconcile(d.env(), saved); e.Changed || len(e.Records) > 0 {
				t.Fatalf("%v: reconciled: %+v\n%s", d.Layout(), e, describe(d.shown()))
			}
		}
		history(t, Addrs(), func(cmd naming.Command) {
			d.do(cmd)
			check()
		}, func(pause time.Duration) {
			d.wait(pause)
			check()
			d.turn(drawLayout(t, "to"))
			check()
		})
	})
}

// A view that was made in one layout is a beginning in any other.
func TestDualRestore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := newTwofold(drawLayout(t, "layout"))
		addrs, crowded := SettledAddrs(), rapid.Bool().Draw(t, "crowded")
		if crowded {
			addrs = Addrs()
		}
		history(t, addrs, func(cmd naming.Command) { d.do(cmd) }, d.wait)
		view := d.shown()
		if view == nil {
			return
		}
		to := drawLayout(t, "restored in")
		s := dual.Restore(view, d.now, to)
		got := s.View(naming.Revision{})
		if !crowded || modelOf(to) == V1 {
			if !slices.EqualFunc(got.Instances, view.Instances, sameInstance) || !slices.EqualFunc(got.Instances, view.Instances, func(a, b *naming.Instance) bool { return a.Stamp == b.Stamp }) {
				t.Fatalf("%v from %v: %s, want %s", to, d.Layout(), describe(got), describe(view))
			}
		} else if clients(got) != clients(view) || clients(got) != len(got.Instances) {
			t.Fatalf("%v from %v: %s, want each ip:port once of %s", to, d.Layout(), describe(got), describe(view))
		}
		if len(got.Overlays) != len(view.Overlays) {
			t.Fatalf("%v from %v: %s, want the overlays of %s", to, d.Layout(), describe(got), describe(view))
		}
		if !s.InSync() {
			t.Fatal("out of sync from the beginning")
		}
		if due, ok := s.Deadline(); !ok || due > d.now {
			t.Fatalf("a new life does not look around: deadline %v, %v", due, ok)
		}
		for _, in := range got.Instances {
			if c := s.Clock(in.Addr(), in.Ephemeral); c == nil || c.Last != d.now {
				t.Fatalf("no grace for %+v: %v", in, c)
			}
		}
	})
}

// clients counts what 2.0 can hold of a view.
func clients(v *naming.View) int {
	all := map[host]bool{}
	for _, in := range v.Instances {
		all[host{in.IP, in.Port, in.Ephemeral}] = true
	}
	return len(all)
}
