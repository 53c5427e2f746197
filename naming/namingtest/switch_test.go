package namingtest

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nactor/naming"
	"nactor/naming/upgrade"
	"nactor/naming/v1"
	"nactor/naming/v2"
)

// pair is a service with both structures, of which one serves and the other follows by
// double write.
type pair struct {
	one, two *world
	serving  Model
	task     upgrade.Task
	ledger   Ledger
}

func newPair(serving Model) *pair {
	return &pair{one: newWorld(V1), two: newWorld(V2), serving: serving, ledger: Ledger{}}
}

func (p *pair) server() *world {
	if p.serving == V1 {
		return p.one
	}
	return p.two
}

func (p *pair) took(e naming.Effects) {
	p.task = p.task.Merge(upgrade.Plan(e.Events))
	p.ledger.Write(e.Records)
}

func (p *pair) pass(d time.Duration) {
	p.server().pass(d, p.took)
	p.one.now, p.two.now = p.server().now, p.server().now
}

// catchUp carries out what is pending.
func (p *pair) catchUp() {
	if !p.task.Pending() {
		return
	}
	p.task = upgrade.Task{}
	a, b := p.one.Machine.(*v1.Service), p.two.Machine.(*v2.Service)
	if p.serving == V1 {
		upgrade.ToV2(p.one.now, a, b)
	} else {
		upgrade.ToV1(p.one.now, b, a)
	}
}

func (p *pair) flip() { p.serving = V1 + V2 - p.serving }

func (p *pair) differences() (all []string) {
	for d := range upgrade.Diff(p.one.view(), p.two.view()) {
		all = append(all, d.String())
	}
	return all
}

// Whatever happens to the structure that serves: once the double write has caught up there
// is no difference, the digests are equal, the clocks are the same, and the switch shows
// readers nothing but what they saw before; also to those who look again after a tick. The
// store, written by whoever served, fits whoever serves.
func TestSwitchIsInvisible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPair(rapid.SampledFrom([]Model{V1, V2}).Draw(t, "serving"))
		check := func() {
			p.catchUp()
			if diff := p.differences(); diff != nil {
				t.Fatalf("%v serves, and after the double write: %q", p.serving, diff)
			}
			if a, b := upgrade.Sum(p.one.view()), upgrade.Sum(p.two.view()); a != b {
				t.Fatalf("digests %x and %x of\n%s\n%s", a, b, describe(p.one.view()), describe(p.two.view()))
			}
			sameFlagsAndClocks(t, p)
			written(t, p.ledger, p.server())
		}
		history(t, SettledAddrs(), func(cmd naming.Command) {
			p.took(p.server().step(cmd))
			if rapid.Bool().Draw(t, "double write") {
				check()
			}
		}, func(d time.Duration) {
			p.pass(d)
			if rapid.IntRange(0, 2).Draw(t, "switch") > 0 {
				return
			}
			check()
			before := p.server().view()
			p.flip()
			p.pass(0) // whoever begins to serve looks around
			after := p.server().view()
			if before != nil && after != nil && !slices.EqualFunc(before.Instances, after.Instances, sameInstance) {
				t.Fatalf("now %v serves: before\n%s\nafter\n%s", p.serving, describe(before), describe(after))
			}
			if (before == nil) != (after == nil) && p.server().Len() > 0 {
				t.Fatalf("now %v serves: before\n%s\nafter\n%s", p.serving, describe(before), describe(after))
			}
			check()
		})
	})
}

func sameFlagsAndClocks(t *rapid.T, p *pair) {
	t.Helper()
	a, b := p.one.view(), p.two.view()
	if a == nil {
		return
	}
	if !slices.EqualFunc(a.Instances, b.Instances, sameInstance) {
		t.Fatalf("flags differ:\n%s\n%s", describe(a), describe(b))
	}
	for _, in := range a.Instances {
		if p.one.Clock(in.Addr(), in.Ephemeral) != p.two.Clock(in.Addr(), in.Ephemeral) {
			t.Fatalf("%+v has two clocks", in)
		}
	}
}

// Copying to the other structure and back changes nothing that both can hold.
func TestRoundTrip(t *testing.T) {
	forBoth(t, func(t *rapid.T, m Model) {
		w := newWorld(m)
		history(t, SettledAddrs(), func(cmd naming.Command) { w.step(cmd) }, func(d time.Duration) { w.pass(d, func(naming.Effects) {}) })
		var back Structure
		switch s := w.Machine.(type) {
		case *v1.Service:
			there, again := v2.New(testKey), v1.New(testKey)
			upgrade.ToV2(w.now, s, there)
			upgrade.ToV1(w.now, there, again)
			back = again
		case *v2.Service:
			there, again := v1.New(testKey), v2.New(testKey)
			upgrade.ToV1(w.now, s, there)
			upgrade.ToV2(w.now, there, again)
			back = again
		}
		if back.Exists() != w.Exists() {
			t.Fatalf("it exists: %v, and after the round trip: %v", w.Exists(), back.Exists())
		}
		if !w.Exists() {
			return
		}
		want, got := w.view(), back.View(naming.Revision{})
		got.Ephemeral = want.Ephemeral // 1.x has no such flag
		if !sameView(got, want) {
			t.Fatalf("after the round trip %s, before %s", describe(got), describe(want))
		}
		for _, in := range want.Instances {
			if back.Clock(in.Addr(), in.Ephemeral) != w.Clock(in.Addr(), in.Ephemeral) {
				t.Fatalf("the clock of %+v was lost", in)
			}
		}
	})
}

// With an ip:port in several clusters 2.0 holds less, but what it holds is right, and
// copying again finds nothing to complain about.
func TestContestedAddresses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPair(V1)
		history(t, Addrs(), func(cmd naming.Command) {
			p.took(p.one.step(cmd))
			p.catchUp()
			if diff := p.differences(); diff != nil {
				t.Fatalf("after the double write: %q", diff)
			}
			if v := p.two.view(); v != nil {
				type client struct {
					ip        string
					port      int
					ephemeral bool
				}
				seen := map[client]bool{}
				for _, in := range v.Instances {
					id := client{in.IP, in.Port, in.Ephemeral}
					if seen[id] {
						t.Fatalf("2.0 holds a client twice:\n%s", describe(v))
					}
					seen[id] = true
				}
			}
		}, func(d time.Duration) { p.pass(d) })
	})
}

// A difference is found wherever one is made.
func TestDiffFindsChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPair(V1)
		history(t, SettledAddrs(), func(cmd naming.Command) { p.took(p.one.step(cmd)) }, p.pass)
		p.catchUp()
		before := p.one.view()
		changed := p.one.step(Commands(SettledAddrs()).Draw(t, "change")).Changed
		after := p.one.view()
		same := len(p.differences()) == 0
		if content := upgrade.Sum(before) == upgrade.Sum(after); same != content {
			t.Fatalf("differences: %q; digests say equal: %v (changed: %v)", p.differences(), content, changed)
		}
		if same != upgrade.Equal(p.one.view(), p.two.view()) {
			t.Fatal("Equal and Diff disagree")
		}
	})
}
