package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"nactor/naming"
)

// pass lets time go by in a bubble.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// first is when the first check of an instance has been made at the latest.
const first = 7*time.Second + 2*grain

func TestFirstCheckAndInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		w.show(view(nil, persistent("10.0.0.1", true)))
		pass(firstCheck - grain)
		if d, _ := w.taken(); len(d) != 0 {
			t.Errorf("checked before 2 s: %v", d)
		}
		pass(first - firstCheck)
		d, _ := w.taken()
		if len(d) == 0 || d[0] != "10.0.0.1:80" {
			t.Fatalf("not checked within 7 s: %v", d)
		}
		pass(30 * time.Second) // answers without delay bring the interval down to the least
		w.taken()
		pass(10 * time.Second)
		if d, r := w.taken(); len(d) < 9 || len(d) > 11 || len(r) != 0 {
			t.Errorf("%d checks in 10 s at an interval of 1 s, reports %v", len(d), r)
		}
		if s := w.Stats(); s.Services != 1 || s.Instances != 1 || s.TCP < 10 || s.HTTP != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// A time-out has to happen three times in a row, and so has a success; a refused connection
// is enough.
func TestChangesOfHealth(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer func(context.Context, string) (net.Conn, error)
		checks int
	}{
		{"time-out", hangs, 3},
		{"error", fails(errors.New("no route to host")), 3},
		{"refused", fails(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}), 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := start(t, Config{})
				w.answer = c.answer
				w.show(view(nil, persistent("10.0.0.1", true)))
				await := func(healthy bool, checks int) {
					t.Helper()
					n := 0
					for range 10000 {
						pass(grain)
						d, r := w.taken()
						n += len(d)
						if len(r) == 0 {
							continue
						}
						want := naming.SetHealth{Addr: persistent("10.0.0.1", true).Addr(), Healthy: healthy, Probe: true}
						if len(r) != 1 || r[0] != want || n != checks {
							t.Fatalf("after %d checks %+v, want after %d %+v", n, r, checks, want)
						}
						return
					}
					t.Fatalf("no report after %d checks", n)
				}
				await(false, c.checks)
				pass(time.Minute)
				if _, r := w.taken(); len(r) != 0 {
					t.Errorf("reported again: %v", r)
				}
				w.set(func() { w.answer = accept })
				await(true, 3)
			})
		})
	}
}

// Only failures in a row count.
func TestStreak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		n := 0
		w.answer = func(context.Context, string) (net.Conn, error) {
			if n++; n%3 == 0 {
				return nobody{}, nil
			}
			return nil, errors.New("reset")
		}
		w.show(view(nil, persistent("10.0.0.1", true)))
		pass(5 * time.Minute)
		if d, r := w.taken(); len(d) < 30 || len(r) != 0 {
			t.Errorf("%d checks, reports %v", len(d), r)
		}
	})
}

// Errors of this node are no verdict.
func TestOwnErrors(t *testing.T) {
	for _, err := range []error{syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.ENOBUFS} {
		synctest.Test(t, func(t *testing.T) {
			w := start(t, Config{})
			w.answer = fails(&net.OpError{Op: "dial", Err: err})
			w.show(view(nil, persistent("10.0.0.1", true), persistent("10.0.0.2", false)))
			pass(5 * time.Minute)
			if d, r := w.taken(); len(d) < 30 || len(r) != 0 {
				t.Errorf("%v: %d checks, reports %v", err, len(d), r)
			}
		})
	}
}

func TestFailedReportIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		w.answer = fails(syscall.ECONNREFUSED)
		w.refuse = errors.New("the owner is moving")
		w.show(view(nil, persistent("10.0.0.1", true)))
		pass(30 * time.Second)
		d, r := w.taken()
		if len(r) < 3 || len(r) != len(d) {
			t.Errorf("%d checks, %d reports", len(d), len(r))
		}
		w.set(func() { w.refuse = nil })
		pass(10 * time.Second)
		if _, r := w.taken(); len(r) != 1 {
			t.Errorf("reports after the owner is back: %v", r)
		}
	})
}

func TestSwitchedOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		w.answer = fails(syscall.ECONNREFUSED)
		off := *naming.DefaultSwitches()
		off.HealthCheckEnabled = false
		w.switches.Store(&off)
		w.show(view(nil, persistent("10.0.0.1", true)))
		pass(time.Minute)
		if d, r := w.taken(); len(d)+len(r) != 0 {
			t.Errorf("switched off: %v %v", d, r)
		}
		white := off
		white.HealthCheckWhiteList = []string{"DEFAULT_GROUP@@s"}
		w.switches.Store(&white)
		pass(first)
		if _, r := w.taken(); len(r) != 1 {
			t.Errorf("on the white list: %v", r)
		}
	})
}

// What was found is not reported when the switch went off meanwhile.
func TestSwitchedOffDuringCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		off := *naming.DefaultSwitches()
		off.HealthCheckEnabled = false
		w.answer = func(context.Context, string) (net.Conn, error) {
			w.switches.Store(&off)
			return nil, syscall.ECONNREFUSED
		}
		w.show(view(nil, persistent("10.0.0.1", true)))
		pass(time.Minute)
		if d, r := w.taken(); len(d) != 1 || len(r) != 0 {
			t.Errorf("%v %v", d, r)
		}
	})
}

func TestWhatIsWatched(t *testing.T) {
	ephemeral, disabled := persistent("10.0.0.2", true), persistent("10.0.0.3", true)
	ephemeral.Ephemeral, disabled.Enabled = true, false
	other := persistent("10.0.0.4", true)
	other.Cluster = "other"
	all := []*naming.Instance{persistent("10.0.0.1", true), ephemeral, disabled, other}
	for _, c := range []struct {
		name string
		meta *naming.ServiceMeta
		want []string
	}{
		{"without metadata", nil, []string{"10.0.0.1:80", "10.0.0.4:80"}},
		{"metadata without clusters", &naming.ServiceMeta{}, []string{"10.0.0.1:80", "10.0.0.4:80"}},
		{"TCP", withChecker(naming.HealthChecker{Type: "TCP"}), []string{"10.0.0.1:80", "10.0.0.4:80"}},
		{"NONE", withChecker(naming.HealthChecker{Type: "NONE"}), []string{"10.0.0.4:80"}},
		{"unknown", withChecker(naming.HealthChecker{Type: "DNS"}), []string{"10.0.0.4:80"}},
		{"MYSQL", withChecker(naming.HealthChecker{Type: "MYSQL", Command: "select 1"}), []string{"10.0.0.1:80", "10.0.0.4:80"}},
		{"check port", &naming.ServiceMeta{Clusters: []naming.ClusterMeta{{Name: "DEFAULT", CheckPort: 8081}, {Name: "other", CheckPort: 0}}}, []string{"10.0.0.1:8081"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := start(t, Config{})
				w.show(view(c.meta, all...))
				pass(first)
				d, _ := w.taken()
				slices.Sort(d)
				if d = slices.Compact(d); !slices.Equal(d, c.want) {
					t.Errorf("checked %v, want %v", d, c.want)
				}
			})
		})
	}
	t.Run("nothing", func(t *testing.T) {
		w := start(t, Config{})
		w.Watch(view(nil, ephemeral, disabled))
		w.Watch(view(withChecker(naming.HealthChecker{Type: "NONE"}), persistent("10.0.0.1", true)))
		if s := w.Stats(); s != (Stats{}) {
			t.Errorf("%+v", s)
		}
	})
}

// A view takes the place of the one before; what is still there keeps its turn.
func TestViewsReplaceEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		check := func(want ...string) {
			t.Helper()
			pass(500 * time.Millisecond) // what was under way
			w.taken()
			pass(first)
			d, _ := w.taken()
			slices.Sort(d)
			if d = slices.Compact(d); !slices.Equal(d, want) {
				t.Errorf("checked %v, want %v", d, want)
			}
			if s := w.Stats(); s.Instances != len(want) || len(w.due.heap) != len(want) {
				t.Errorf("%+v, %d in the queue, want %d", s, len(w.due.heap), len(want))
			}
		}
		a, b, c, e := persistent("10.0.0.1", true), persistent("10.0.0.2", true), persistent("10.0.0.3", true), persistent("10.0.0.4", true)
		w.show(view(nil, a, c))
		check("10.0.0.1:80", "10.0.0.3:80")
		kept := w.services[key].targets[1]
		w.show(view(nil, b, c, e))
		if w.services[key].targets[1] != kept {
			t.Error("an instance that stayed began anew")
		}
		check("10.0.0.2:80", "10.0.0.3:80", "10.0.0.4:80")
		w.show(view(nil, a))
		check("10.0.0.1:80")
		w.show(view(nil))
		check()
		w.show(view(nil, a, b))
		check("10.0.0.1:80", "10.0.0.2:80")
		w.Forget(key)
		w.Forget(key)
		check()
	})
}

// What a check finds about something that has changed meanwhile is not reported.
func TestChangeDuringCheck(t *testing.T) {
	fixed := &naming.ServiceMeta{Clusters: []naming.ClusterMeta{{Name: "DEFAULT", CheckPort: 8081}}}
	for _, c := range []struct {
		name   string
		change func(w *world)
	}{
		{"forgotten", func(w *world) { w.Forget(key) }},
		{"gone", func(w *world) { w.show(view(nil, persistent("10.0.0.9", false))) }},
		{"other port", func(w *world) { w.show(view(fixed, persistent("10.0.0.1", true))) }},
		{"stopped", func(w *world) { w.cancel() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := start(t, Config{})
				asked, answer := make(chan bool, 1), make(chan bool)
				w.answer = func(context.Context, string) (net.Conn, error) {
					select {
					case asked <- true:
						<-answer
						return nil, syscall.ECONNREFUSED
					default:
						return nobody{}, nil
					}
				}
				w.show(view(nil, persistent("10.0.0.1", true)))
				pass(first)
				c.change(w)
				close(answer)
				synctest.Wait()
				pass(time.Second)
				if _, r := w.taken(); len(r) != 0 {
					t.Errorf("reported %v", r)
				}
				w.Prober.mu.Lock()
				defer w.Prober.mu.Unlock()
				if n := len(w.due.heap); n > w.targets {
					t.Errorf("%d wait for a check, %d are watched", n, w.targets)
				}
			})
		})
	}
}

// Failures before a change of what is shown, or by another kind of check, do not count
// after it.
func TestStreakEndsWithView(t *testing.T) {
	meta := &naming.ServiceMeta{Clusters: []naming.ClusterMeta{{Name: "DEFAULT", CheckPort: 8081}}}
	for _, c := range []struct {
		name string
		then *naming.View
		want bool // a third failure is enough
	}{
		{"same", view(nil, persistent("10.0.0.1", true)), true},
		{"health", view(nil, persistent("10.0.0.1", false)), false},
		{"check", view(meta, persistent("10.0.0.1", true)), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := start(t, Config{})
			w.Watch(view(nil, persistent("10.0.0.1", true)))
			g := w.services[key].targets[0]
			fail := func() bool {
				_, changed := w.judge(g, g.plan, outcome{finding: failed}, naming.DefaultSwitches())
				return changed
			}
			for range 2 {
				if fail() {
					t.Fatal("changed too early")
				}
			}
			w.Watch(c.then)
			w.Watch(view(c.then.Meta, persistent("10.0.0.1", true)))
			if got := fail(); got != c.want {
				t.Errorf("changed: %v", got)
			}
		})
	}
}

// What an answer does to the interval: refusals lengthen it at once, time-outs and busy
// answers by and by.
func TestIntervals(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer func(context.Context, string) (net.Conn, error)
		want   time.Duration // after 2 s, by the factor 0.75
	}{
		{"at once", accept, 1500 * time.Millisecond},
		{"time-out", hangs, 2500 * time.Millisecond},
		{"refused", fails(syscall.ECONNREFUSED), 2750 * time.Millisecond},
		{"ours", fails(syscall.EMFILE), 2750 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := start(t, Config{})
				w.answer = c.answer
				w.show(view(nil, persistent("10.0.0.1", true)))
				w.Prober.mu.Lock()
				g := w.due.first()
				w.due.remove(g)
				g.interval = 2 * time.Second
				w.Prober.mu.Unlock()
				w.check(g)
				if g.interval != c.want || g.due != time.Since(w.began)+c.want || g.index < 0 {
					t.Errorf("interval %v, due in %v; want %v", g.interval, g.due-time.Since(w.began), c.want)
				}
			})
		})
	}
}

// However many checks are due, only so many are under way; the rest wait their turn.
func TestConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{Concurrency: 3})
		var now, most atomic.Int64
		w.answer = func(ctx context.Context, a string) (net.Conn, error) {
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			return hangs(ctx, a)
		}
		var in []*naming.Instance
		for i := range 100 {
			in = append(in, persistent(fmt.Sprintf("10.0.0.%03d", i), true))
		}
		w.show(view(nil, in...))
		pass(5 * time.Minute)
		if most.Load() != 3 {
			t.Errorf("%d checks at once", most.Load())
		}
		if _, r := w.taken(); len(r) != 100 {
			t.Errorf("%d reports", len(r))
		}
	})
}

// Above the rate intervals grow, up to the longest.
func TestRate(t *testing.T) {
	for _, c := range []struct{ rate, perMinute int }{{1000, 60}, {50, 30}, {1, 12}} {
		synctest.Test(t, func(t *testing.T) {
			w := start(t, Config{Rate: c.rate})
			var in []*naming.Instance
			for i := range 100 {
				in = append(in, persistent(fmt.Sprintf("10.0.0.%03d", i), true))
			}
			w.show(view(nil, in...))
			pass(time.Minute)
			w.taken()
			pass(time.Minute)
			d, _ := w.taken()
			if got, want := len(d), 100*c.perMinute; got < want*9/10 || got > want*11/10 {
				t.Errorf("rate %d: %d checks a minute, want about %d", c.rate, got, want)
			}
		})
	}
}

// Stop does not wait for answers, and nothing happens after it.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{Concurrency: 1})
		w.answer = hangs
		w.show(view(nil, persistent("10.0.0.1", true), persistent("10.0.0.2", true)))
		for w.Stats().TCP == 0 {
			pass(grain)
		}
		begin := time.Now()
		w.Stop()
		if took := time.Since(begin); took != 0 {
			t.Errorf("stopped after %v", took)
		}
		w.taken()
		w.Watch(view(nil, persistent("10.0.0.3", true)))
		pass(time.Minute)
		if d, r := w.taken(); len(d)+len(r) != 0 {
			t.Errorf("after Stop: %v %v", d, r)
		}
		if s := w.Stats(); s.Instances != 2 {
			t.Errorf("watched after Stop: %+v", s)
		}
		w.Stop()
	})
}

func TestAdapt(t *testing.T) {
	tcp, http, mysql := naming.DefaultSwitches().TCPHealthParams, naming.DefaultSwitches().HTTPHealthParams, naming.DefaultSwitches().MySQLHealthParams
	for _, c := range []struct {
		interval, took time.Duration
		params         naming.HealthParams
		want           time.Duration
	}{
		{4 * time.Second, 0, tcp, 3 * time.Second},
		{1 * time.Second, 0, tcp, 1 * time.Second},
		{4 * time.Second, 8 * time.Second, tcp, 5 * time.Second},
		{4 * time.Second, 100 * time.Second, tcp, 5 * time.Second},
		{7 * time.Second, 5 * time.Second, tcp, 5 * time.Second},
		{2 * time.Second, time.Second, http, 1850 * time.Millisecond},
		{500 * time.Millisecond, time.Millisecond, http, 500 * time.Millisecond},
		{2 * time.Second, 4 * time.Second, mysql, 2700 * time.Millisecond},
		{7 * time.Second, 3 * time.Second, mysql, 3 * time.Second},
		{time.Second, 0, mysql, 2 * time.Second},
		{time.Second, 0, naming.HealthParams{}, minInterval},
	} {
		g := &target{interval: c.interval}
		g.adapt(c.took, c.params)
		if (g.interval - c.want).Abs() > time.Millisecond {
			t.Errorf("%v, took %v: %v, want %v", c.interval, c.took, g.interval, c.want)
		}
	}
}

// Whatever the switches say, checks neither run all the time nor cease.
func TestAdaptBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		params := naming.HealthParams{Max: rapid.Int().Draw(t, "max"), Min: rapid.Int().Draw(t, "min"), Factor: rapid.Float64().Draw(t, "factor")}
		took := time.Duration(rapid.Int64Min(0).Draw(t, "took"))
		g := &target{interval: time.Duration(rapid.Int64Range(int64(minInterval), int64(24*time.Hour)).Draw(t, "interval"))}
		g.adapt(took, params)
		if g.interval < minInterval || g.interval > 24*time.Hour {
			t.Errorf("%v", g.interval)
		}
		if least, most := millis(params.Min), millis(params.Max); least >= minInterval && least <= most && (g.interval < least || g.interval > most) {
			t.Errorf("%v is not between %v and %v", g.interval, least, most)
		}
	})
}

// New bounds of the intervals hold at once, for each kind of check.
func TestRetune(t *testing.T) {
	for _, c := range []struct {
		kind   string
		params func(*naming.Switches) *naming.HealthParams
	}{
		{"TCP", func(s *naming.Switches) *naming.HealthParams { return &s.TCPHealthParams }},
		{"HTTP", func(s *naming.Switches) *naming.HealthParams { return &s.HTTPHealthParams }},
		{"MYSQL", func(s *naming.Switches) *naming.HealthParams { return &s.MySQLHealthParams }},
	} {
		t.Run(c.kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := start(t, Config{})
				set := func(p naming.HealthParams) {
					changed := *w.switches.Load()
					*c.params(&changed) = p
					w.switches.Store(&changed)
					w.Retune()
				}
				count := func(d time.Duration) int {
					pass(d)
					dialled, _ := w.taken()
					return len(dialled)
				}
				set(naming.HealthParams{Max: 600_000, Min: 600_000, Factor: 0.5})
				var in []*naming.Instance
				for i := range 50 {
					in = append(in, persistent(fmt.Sprintf("10.0.0.%03d", i), false))
				}
				w.show(view(withChecker(naming.HealthChecker{Type: c.kind, Path: "/", Command: "select 1"}), in...))
				if n := count(time.Minute); n == 0 || n > 200 {
					t.Errorf("%d checks in the first minute", n)
				}
				count(20 * time.Minute)
				if n := count(20 * time.Minute); n != 100 {
					t.Errorf("%d checks in two intervals of ten minutes, want 100", n)
				}
				w.switches.Store(w.switches.Load())
				w.Retune() // nothing is new
				if n := count(time.Second); n > 25 {
					t.Errorf("%d checks at once", n)
				}
				set(naming.HealthParams{Max: 3000, Min: 3000, Factor: 0.5})
				if n := count(3 * time.Second); n < 45 || n > 105 {
					t.Errorf("%d checks in the first 3 s, want 50", n)
				}
				if n := count(30 * time.Second); n < 450 || n > 550 {
					t.Errorf("%d checks in 30 s, want 500", n)
				}
				set(naming.HealthParams{Max: 60_000, Min: 60_000, Factor: 0.5})
				count(time.Minute)
				if n := count(2 * time.Minute); n < 95 || n > 105 {
					t.Errorf("%d checks in two minutes, want 100", n)
				}
			})
		})
	}
}
