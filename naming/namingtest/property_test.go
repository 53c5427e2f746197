package namingtest

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nactor/naming"
	"nactor/naming/upgrade"
)

// Properties are checked 1,000 times unless told otherwise: rapid's own default is 100.
func TestMain(m *testing.M) {
	flag.Parse()
	told := false
	flag.Visit(func(f *flag.Flag) { told = told || f.Name == "rapid.checks" })
	if !told {
		n := "1000"
		if testing.Short() {
			n = "200"
		}
		flag.Set("rapid.checks", n)
	}
	os.Exit(m.Run())
}

var testKey = naming.Key{Namespace: "public", Group: "DEFAULT_GROUP", Name: "s"}

// world is one service under random commands.
type world struct {
	Machine
	model Model
	now   naming.Instant
	rules naming.Rules
	stamp uint64
}

func newWorld(m Model) *world {
	return &world{Machine: m.New(testKey), model: m, now: naming.Instant(time.Hour), rules: naming.DefaultRules()}
}

func (w *world) step(cmd naming.Command) naming.Effects {
	return w.Step(w.env(), cmd)
}

func (w *world) env() naming.Env {
	w.stamp++
	return naming.Env{Now: w.now, Rules: &w.rules, Stamp: w.stamp, Present: here}
}

// here reports whether a process that holds connections is here; see [connections].
func here(process string) bool { return process == "a" }

// pass lets d pass, with a tick at each deadline on the way.
func (w *world) pass(d time.Duration, after func(naming.Effects)) {
	end := w.now.Add(d)
	for {
		due, ok := w.Deadline()
		if !ok || due > end {
			break
		}
		w.now = max(w.now, due)
		after(w.step(naming.Tick{}))
	}
	w.now = end
}

// view is what readers are shown; nil when there is no service.
func (w *world) view() *naming.View {
	if !w.Exists() {
		return nil
	}
	return w.View(naming.Revision{})
}

// history is a random run: command after pause after command.
func history(t *rapid.T, addrs *rapid.Generator[naming.Addr], do func(naming.Command), pause func(time.Duration)) {
	for range rapid.SampledFrom([]int{1, 2, 4, 8, 16, 32, 64}).Draw(t, "steps") {
		if rapid.IntRange(0, 2).Draw(t, "what") == 0 {
			pause(Pauses().Draw(t, "pause"))
		} else {
			do(Commands(addrs).Draw(t, "command"))
		}
	}
}

func forBoth(t *testing.T, check func(t *rapid.T, m Model)) {
	for _, m := range []Model{V1, V2} {
		t.Run(m.String(), func(t *testing.T) { rapid.Check(t, func(t *rapid.T) { check(t, m) }) })
	}
}

// A command that is refused changes nothing, one that changes something says so, and the
// events tell all that happened to the instances, each once.
func TestEffectsTellEverything(t *testing.T) {
	forBoth(t, func(t *rapid.T, m Model) {
		w, shadow := newWorld(m), map[string]*naming.Instance{}
		id := func(in *naming.Instance) string {
			cluster := in.Cluster
			if m == V2 {
				cluster = "" // a registration in another cluster replaces the one before
			}
			return fmt.Sprint(in.IP, in.Port, cluster, in.Ephemeral)
		}
		var before *naming.View
		check := func(e naming.Effects) {
			after := w.view()
			if same := sameView(before, after); e.Changed && same && len(e.Records) == 0 {
				t.Fatalf("said to have changed: %+v", e)
			} else if !e.Changed && !same {
				t.Fatalf("changed without saying so: %s, before %s", describe(after), describe(before))
			}
			if e.Err != nil && (e.Changed || e.Records != nil || e.Events != nil) {
				t.Fatalf("refused (%v) and yet did something: %+v", e.Err, e)
			}
			if e.Empty != (after == nil) {
				t.Fatalf("empty %v, view %v", e.Empty, after)
			}
			for _, ev := range e.Events {
				if ev.Instance == nil {
					continue
				}
				old := shadow[id(ev.Instance)]
				if old == nil && ev.Kind != naming.InstanceRegistered {
					t.Fatalf("%v of an instance that is not there: %+v", ev.Kind, ev.Instance)
				}
				if ev.Kind == naming.HealthChanged && old.Healthy == ev.Instance.Healthy {
					t.Fatalf("health changed to what it was: %+v", ev.Instance)
				}
				if ev.Kind == naming.InstanceDeregistered || ev.Kind == naming.InstanceExpired {
					delete(shadow, id(ev.Instance))
				} else {
					shadow[id(ev.Instance)] = ev.Instance
				}
			}
			n := 0
			if after != nil {
				n = len(after.Instances)
				for _, in := range after.Instances {
					if told := shadow[id(in)]; told == nil || !sameInstance(told, in) {
						t.Fatalf("shown is %+v, the events told %+v", in, told)
					}
				}
				if !slices.IsSortedFunc(after.Instances, func(a, b *naming.Instance) int {
					return compareAddrs(a.Addr(), b.Addr())
				}) {
					t.Fatalf("not sorted: %s", describe(after))
				}
			}
			if n != len(shadow) || n != w.Len() {
				t.Fatalf("%d instances are shown, the events told of %d, Len says %d", n, len(shadow), w.Len())
			}
			before = after
		}
		history(t, Addrs(), func(c naming.Command) { check(w.step(c)) }, func(d time.Duration) { w.pass(d, check) })
	})
}

// A tick at the deadline does something or moves the deadline; without a tick, nothing
// would have happened before it.
func TestDeadline(t *testing.T) {
	forBoth(t, func(t *rapid.T, m Model) {
		w := newWorld(m)
		early := func() {
			if due, ok := w.Deadline(); ok && due <= w.now {
				return
			}
			if e := w.step(naming.Tick{}); e.Changed {
				t.Fatalf("a tick before the deadline changed something: %+v", e.Events)
			}
		}
		history(t, Addrs(), func(c naming.Command) { w.step(c); early() }, func(d time.Duration) {
			end := w.now.Add(d)
			for {
				due, ok := w.Deadline()
				if !ok || due > end {
					break
				}
				w.now = max(w.now, due)
				e := w.step(naming.Tick{})
				if next, ok := w.Deadline(); ok && next <= w.now {
					t.Fatalf("a tick at %v leaves the deadline at %v (changed %v)", due, next, e.Changed)
				}
			}
			w.now = end
			early()
		})
	})
}

// An instance turns unhealthy or goes only when its beats have stayed away for its time-outs,
// and then it does.
func TestBeatsInTime(t *testing.T) {
	forBoth(t, func(t *rapid.T, m Model) {
		w := newWorld(m)
		type id struct {
			naming.Addr
			ephemeral bool
		}
		heard := map[id]naming.Instant{}
		check := func(e naming.Effects) {
			for _, ev := range e.Events {
				if ev.Instance == nil || !ev.Instance.Ephemeral {
					continue
				}
				silent := w.now.Since(heard[id{ev.Instance.Addr(), true}])
				if ev.Instance.Client != nil {
					if ev.Kind == naming.InstanceExpired && (here(ev.Instance.Client.Node) || silent < naming.ConnectionGrace) {
						t.Fatalf("gone %v after it was published over a connection: %+v", silent, ev.Instance)
					}
					continue
				}
				if ev.Kind == naming.HealthChanged && !ev.Instance.Healthy && silent < naming.BeatTimeout(ev.Instance.Metadata) {
					t.Fatalf("unhealthy %v after its last beat: %+v", silent, ev.Instance)
				}
				if ev.Kind == naming.InstanceExpired && silent < naming.DeleteTimeout(ev.Instance.Metadata) {
					t.Fatalf("gone %v after its last beat: %+v", silent, ev.Instance)
				}
			}
		}
		do := func(cmd naming.Command) {
			switch c := cmd.(type) {
			case naming.Register:
				heard[id{c.Instance.Addr(), c.Instance.Ephemeral}] = w.now
			case naming.Beat:
				heard[id{c.Addr, true}] = w.now
			}
			check(w.step(cmd))
			if c, ok := cmd.(naming.Beat); ok {
				if v := w.view(); v != nil {
					for _, in := range v.Instances {
						if in.Addr() == c.Addr && in.Ephemeral && !in.Healthy {
							t.Fatalf("unhealthy after a beat: %+v", in)
						}
					}
				}
			}
		}
		history(t, SettledAddrs(), do, func(d time.Duration) {
			w.pass(d, check)
			v := w.view()
			if v == nil {
				return
			}
			for _, in := range v.Instances {
				silent := w.now.Since(heard[id{in.Addr(), true}])
				if in.Client != nil {
					if !here(in.Client.Node) && silent >= naming.ConnectionGrace+naming.ConnectionCheck {
						t.Fatalf("still there %v after it was published over a connection that has gone: %+v", silent, in)
					}
					continue
				}
				if !in.Ephemeral || beatless(v, in) {
					continue
				}
				if silent >= naming.DeleteTimeout(in.Metadata) || in.Healthy && silent >= naming.BeatTimeout(in.Metadata) {
					t.Fatalf("still there (healthy: %v) %v after its last beat: %+v", in.Healthy, silent, in)
				}
			}
		})
	})
}

func beatless(v *naming.View, in *naming.Instance) bool {
	s, ok := in.Metadata.Get(naming.MetaClientBeat)
	if !ok && v.Meta != nil {
		s, _ = v.Meta.Metadata.Get(naming.MetaClientBeat)
	}
	return s == "true"
}

// A new life begins with what the old one showed.
func TestRestore(t *testing.T) {
	forBoth(t, func(t *rapid.T, m Model) {
		w := newWorld(m)
		history(t, Addrs(), func(c naming.Command) { w.step(c) }, func(d time.Duration) { w.pass(d, func(naming.Effects) {}) })
		v := w.view()
		if v == nil {
			return
		}
		r := m.Restore(v, w.now)
		if got := r.View(naming.Revision{}); !sameView(got, v) {
			t.Fatalf("restored %s, want %s", describe(got), describe(v))
		}
		if due, ok := r.Deadline(); !ok || due > w.now {
			t.Fatalf("a new life does not look around: deadline %v, %v", due, ok)
		}
		for _, in := range v.Instances {
			if c := r.Clock(in.Addr(), in.Ephemeral); c == nil || c.Last != w.now {
				t.Fatalf("no grace for %+v: %v", in, c)
			}
		}
	})
}

// What is written down is what a restart needs.
func TestRecords(t *testing.T) {
	forBoth(t, func(t *rapid.T, m Model) {
		w, ledger := newWorld(m), Ledger{}
		check := func(e naming.Effects) {
			ledger.Write(e.Records)
			written(t, ledger, w)
		}
		history(t, Addrs(), func(c naming.Command) { check(w.step(c)) }, func(d time.Duration) { w.pass(d, check) })
	})
}

// written checks that a restart from the ledger shows what w shows, its ephemeral
// instances aside.
func written(t *rapid.T, ledger Ledger, w *world) {
	t.Helper()
	saved, want := ledger.Saved(testKey), w.view()
	if want == nil {
		if saved.Meta != nil || len(saved.Instances)+len(saved.Overlays) > 0 {
			t.Fatalf("a service that is gone is still written down: %+v", saved)
		}
		return
	}
	want.Instances = slices.DeleteFunc(want.Instances, func(in *naming.Instance) bool { return in.Ephemeral })
	got := w.model.FromSaved(saved, w.now).View(naming.Revision{})
	got.Ephemeral = want.Ephemeral
	if !sameView(unjudged(got), unjudged(want)) {
		t.Fatalf("from the store %s, want %s", describe(got), describe(want))
	}
}

// After a while nothing is remembered of what is gone.
func TestForgets(t *testing.T) {
	forBoth(t, func(t *rapid.T, m Model) {
		w := newWorld(m)
		history(t, Addrs(), func(c naming.Command) { w.step(c) }, func(d time.Duration) { w.pass(d, func(naming.Effects) {}) })
		w.pass(10*time.Minute, func(naming.Effects) {})
		v := w.view()
		if v == nil {
			return
		}
		if len(v.Instances) == 0 && v.Meta == nil {
			t.Fatal("an empty service is still there")
		}
		for _, in := range v.Instances {
			if in.Client != nil && here(in.Client.Node) {
				continue
			}
			if in.Ephemeral && (in.Client != nil || !beatless(v, in)) {
				t.Fatalf("still there: %+v", in)
			}
		}
		for addr := range v.Overlays {
			if !slices.ContainsFunc(v.Instances, func(in *naming.Instance) bool { return in.Addr() == addr }) {
				t.Fatalf("an overlay of nothing: %+v in %s", addr, describe(v))
			}
		}
	})
}

// The digest that follows the changes is the digest of the view.
func TestDigestFollows(t *testing.T) {
	forBoth(t, func(t *rapid.T, m Model) {
		w := newWorld(m)
		var before *naming.View
		var digest upgrade.Digest
		check := func(naming.Effects) {
			after := w.view()
			digest = digest.After(before, after)
			if sum := upgrade.Sum(after); digest != sum {
				t.Fatalf("digest %x, recomputed %x: %s after %s", digest, sum, describe(after), describe(before))
			}
			before = after
		}
		history(t, Addrs(), func(c naming.Command) { check(w.step(c)) }, func(d time.Duration) { w.pass(d, check) })
	})
}
