package dual

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nactor/naming"
	"nactor/naming/namingtest"
)

// While double writes fail, in whatever way and however often, what serves is not touched
// by it: readers are shown what they would be shown without double write. When the trouble
// is over the structures become equal by themselves. So they do after repairs by operators.
func TestFaults(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		serves := rapid.SampledFrom([]Structure{V1, V2}).Draw(t, "serves")
		s, calm := New(key, Layout{Serves: serves, DoubleWrite: true}), New(key, Layout{Serves: serves})
		now := naming.Instant(time.Hour)
		trouble := false
		s.pair().fault = func() {
			if trouble {
				panic("trouble")
			}
		}
		tick := func(s *Service, until naming.Instant) {
			for at := now; ; {
				due, ok := s.Deadline()
				if !ok || due > until {
					return
				}
				at = max(at, due)
				s.Step(naming.Env{Now: at, Rules: &rules}, naming.Tick{})
				if next, ok := s.Deadline(); ok && next <= at {
					t.Fatalf("a tick at %v leaves the deadline at %v", at, next)
				}
			}
		}
		pass := func(d time.Duration) {
			tick(s, now.Add(d))
			tick(calm, now.Add(d))
			now = now.Add(d)
		}
		for range rapid.IntRange(1, 32).Draw(t, "steps") {
			trouble = rapid.Bool().Draw(t, "trouble")
			cmd := namingtest.Commands(namingtest.SettledAddrs()).Draw(t, "command")
			env := naming.Env{Now: now, Rules: &rules}
			s.Step(env, cmd)
			calm.Step(env, cmd)
			if rapid.IntRange(0, 3).Draw(t, "repair") == 0 {
				cmd := namingtest.Commands(namingtest.SettledAddrs()).Draw(t, "repairs")
				e := s.Step(env, naming.In{Structure: s.serves().Other(), Command: cmd})
				if e.Changed || len(e.Records)+len(e.Events) > 0 {
					t.Fatalf("a repair is shown or written: %+v", e)
				}
			}
			pass(namingtest.Pauses().Draw(t, "pause"))
			if got, want := shown(s.held), shown(calm.held); (got == nil) != (want == nil) || got != nil && !slices.Equal(listed(got), listed(want)) {
				t.Fatalf("shown is %q, want %q", listed(got), listed(want))
			}
			if since, _, ok := s.Pending(); ok && !trouble && s.Failure() == nil && s.Repairs() == 0 && now.Since(since) > DefaultDelay {
				t.Fatalf("something has waited for %v", now.Since(since))
			}
			if rapid.IntRange(0, 4).Draw(t, "switch") > 0 {
				continue
			}
			env.Now = now
			from, to := s.Layout(), Layout{Serves: s.serves().Other(), DoubleWrite: true}.normal()
			_, _, owed := s.Pending()
			if e := s.Switch(env, to); e.Err != nil && (!trouble || s.Layout() != from) || e.Err == nil && (trouble && owed || s.Layout() != to) {
				t.Fatalf("trouble %v, pending %v: %v, layout %v", trouble, owed, e.Err, s.Layout())
			} else if e.Err == nil {
				calm.Switch(env, Layout{Serves: to.Serves})
			}
		}
		trouble = false
		pass(lastPause)
		for range 100 { // until nothing has changed in the last second
			if _, _, ok := s.Pending(); !ok {
				break
			}
			pass(DefaultDelay)
		}
		if _, _, ok := s.Pending(); ok || !s.InSync() || s.Failure() != nil {
			t.Fatalf("pending %v, in sync %v, %v", ok, s.InSync(), s.Failure())
		}
	})
}

func BenchmarkSwitch(b *testing.B) {
	for name, n := range map[string]int{"10": 10, "1000": 1000} {
		b.Run(name, func(b *testing.B) {
			s := New(key, v1Double)
			for i := range n {
				s.Step(at(0), register(inst(string(rune('a'+i%26))+name, func(in *naming.Instance) { in.Port = i })))
			}
			b.ReportAllocs()
			to := []Layout{v2Double, v1Double}
			for i := 0; b.Loop(); i++ {
				s.Switch(at(0), to[i%2])
			}
		})
	}
}
