package dual

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"
	"unsafe"
	"weak"

	"nactor/naming"
	"nactor/naming/upgrade"
	"nactor/naming/v2"
)

var (
	key   = naming.Key{Namespace: "public", Group: "DEFAULT_GROUP", Name: "s"}
	rules = naming.DefaultRules()

	v1Alone, v2Alone = Layout{Serves: V1}, Layout{Serves: V2}
	v1Double         = Layout{Serves: V1, DoubleWrite: true, Delay: time.Second}
	v2Double         = Layout{Serves: V2, DoubleWrite: true, Delay: time.Second}
	layouts          = []Layout{v1Alone, v1Double, v2Double, v2Alone}
)

func at(d time.Duration) naming.Env { return naming.Env{Now: naming.Instant(d), Rules: &rules} }

func inst(ip string, edit ...func(*naming.Instance)) *naming.Instance {
	in := &naming.Instance{IP: ip, Port: 80, Cluster: "DEFAULT", Weight: 1, Enabled: true, Healthy: true, Ephemeral: true}
	for _, f := range edit {
		f(in)
	}
	return in
}

func persistent(in *naming.Instance) { in.Ephemeral = false }
func port81(in *naming.Instance)     { in.Port = 81 }
func clusterB(in *naming.Instance)   { in.Cluster = "b" }

func register(in *naming.Instance) naming.Command { return naming.Register{Instance: in} }

// listed tells what a view lists: "ip:port cluster", with "!" for an unhealthy and "p" for
// a persistent instance.
func listed(v *naming.View) (all []string) {
	for _, in := range v.Instances {
		s := fmt.Sprintf("%s:%d %s", in.IP, in.Port, in.Cluster)
		if !in.Healthy {
			s += "!"
		}
		if !in.Ephemeral {
			s += "p"
		}
		all = append(all, s)
	}
	return all
}

func expect(t *testing.T, s *Service, want ...string) {
	t.Helper()
	if got := listed(s.View(naming.Revision{})); !slices.Equal(got, want) {
		t.Fatalf("%v shows %q, want %q", s.Layout(), got, want)
	}
}

func inSync(t *testing.T, s *Service) {
	t.Helper()
	if _, _, pending := s.Pending(); pending || !s.InSync() {
		t.Fatalf("%v: %v waits, differences %q", s.Layout(), s.Task(), slices.Collect(s.Differences()))
	}
}

func TestLayouts(t *testing.T) {
	for _, tt := range []struct {
		in, want Layout
		text     string
	}{
		{Layout{}, v2Alone, "v2"},
		{Layout{Serves: V2, Delay: time.Hour}, v2Alone, "v2"},
		{v1Alone, v1Alone, "v1"},
		{Layout{Serves: V1, DoubleWrite: true}, v1Double, "v1, double write to v2"},
		{Layout{DoubleWrite: true}, v2Double, "v2, double write to v1"},
		{Layout{DoubleWrite: true, Delay: time.Minute}, Layout{V2, true, time.Minute}, "v2, double write to v1"},
	} {
		if got := New(key, tt.in).Layout(); got != tt.want || tt.in.String() != tt.text {
			t.Errorf("%+v: %+v %q, want %+v %q", tt.in, got, tt.in, tt.want, tt.text)
		}
	}
}

// A service in 2.0 alone is two words more than the structure.
func TestAloneCostsNothing(t *testing.T) {
	if size := unsafe.Sizeof(Service{}); size > 2*unsafe.Sizeof(uintptr(0)) {
		t.Errorf("%d bytes", size)
	}
	s := New(key, v2Alone)
	s.Step(at(0), register(inst("1.1.1.1")))
	beat := naming.Command(naming.Beat{Addr: inst("1.1.1.1").Addr()})
	for _, l := range layouts {
		s.Switch(at(0), l)
		if n := testing.AllocsPerRun(100, func() { s.Step(at(time.Second), beat) }); n > 0 {
			t.Errorf("a beat in %v allocates %v times", l, n)
		}
	}
}

// A change is double written a delay after it, not before, and by a tick at the deadline.
func TestDelay(t *testing.T) {
	for _, l := range []Layout{v1Double, v2Double, {Serves: V1, DoubleWrite: true, Delay: 200 * time.Millisecond}} {
		s := New(key, l)
		s.Step(at(0), register(inst("1.1.1.1")))
		s.Step(at(l.Delay/2), register(inst("2.2.2.2")))
		since, attempts, ok := s.Pending()
		if since != 0 || attempts != 0 || !ok || s.InSync() {
			t.Fatalf("%v: pending since %v, %d attempts, %v; in sync %v", l, since, attempts, ok, s.InSync())
		}
		if due, ok := s.Deadline(); !ok || due != naming.Instant(l.Delay) {
			t.Fatalf("%v: deadline %v, %v", l, due, ok)
		}
		if s.Step(at(l.Delay-1), naming.Tick{}); s.InSync() {
			t.Fatalf("%v: double written too early", l)
		}
		if e := s.Step(at(l.Delay), naming.Tick{}); e.Changed || e.Empty {
			t.Fatalf("%v: the double write shows something: %+v", l, e)
		}
		inSync(t, s)
		if due, ok := s.Deadline(); !ok || due != naming.Instant(naming.DefaultBeatTimeout) {
			t.Fatalf("%v: deadline %v, %v after the double write", l, due, ok)
		}
	}
}

// A service that changes all the time is double written at every delay.
func TestNeverStarves(t *testing.T) {
	for _, l := range []Layout{v1Double, v2Double} {
		s := New(key, l)
		caughtUp := 0
		for ms := time.Duration(0); ms < 60*time.Second; ms += 100 * time.Millisecond {
			in := inst("1.1.1.1")
			in.Weight = float64(ms/time.Millisecond%1000) + 1
			s.Step(at(ms), register(in))
			if due, _ := s.Deadline(); due <= naming.Instant(ms) {
				if s.Step(at(ms), naming.Tick{}); s.InSync() {
					caughtUp++
				}
			}
			if since, _, ok := s.Pending(); ok && at(ms).Now.Since(since) > l.Delay {
				t.Fatalf("%v: a change waits for %v", l, at(ms).Now.Since(since))
			}
		}
		if caughtUp < 50 {
			t.Errorf("%v: double written %d times in a minute", l, caughtUp)
		}
	}
}

// A failed double write is tried again, after longer and longer pauses, and what serves
// goes on.
func TestBackOff(t *testing.T) {
	for _, l := range []Layout{v1Double, v2Double} {
		s := New(key, l)
		s.Step(at(0), register(inst("1.1.1.1", persistent)))
		s.Step(at(time.Second), naming.Tick{})
		s.pair().fault = func() { panic("the sky falls") }
		begin := 10 * time.Second
		s.Step(at(begin), register(inst("2.2.2.2", persistent)))
		now := begin + time.Second
		for i, pause := range []time.Duration{1, 2, 4, 8, 16, 30, 30, 30} {
			if _, attempts, _ := s.Pending(); attempts != i {
				t.Fatalf("%v: %d attempts before %v", l, attempts, now)
			}
			if e := s.Step(at(now), naming.Tick{}); e.Err != nil || e.Changed || e.Empty {
				t.Fatalf("%v: a failed double write shows: %+v", l, e)
			}
			since, attempts, ok := s.Pending()
			if since != naming.Instant(begin) || attempts != i+1 || !ok || s.Failure() == nil || s.InSync() {
				t.Fatalf("%v: since %v, %d attempts, %v, %v, in sync %v", l, since, attempts, ok, s.Failure(), s.InSync())
			}
			if s.pair().backlog.at != naming.Instant(now+pause*time.Second) {
				t.Fatalf("%v: attempt %d at %v is followed by one at %v", l, attempts, now, s.pair().backlog.at)
			}
			s.Step(at(now+1), register(inst("3.3.3.3", persistent))) // does not bring it forward
			now += pause * time.Second
		}
		expect(t, s, "1.1.1.1:80 DEFAULTp", "2.2.2.2:80 DEFAULTp", "3.3.3.3:80 DEFAULTp")
		s.pair().fault = nil
		s.Step(at(now), naming.Tick{})
		inSync(t, s)
		if s.Failure() != nil {
			t.Error(s.Failure())
		}
	}
}

// A structure that was left half written by a failure is written anew.
func TestHalfWritten(t *testing.T) {
	s := New(key, v1Double)
	s.Step(at(0), register(inst("1.1.1.1")))
	s.pair().fault = func() {
		s.pair().two.Step(at(0), register(inst("9.9.9.9")))
		panic("half way")
	}
	s.Step(at(time.Second), naming.Tick{})
	s.pair().fault = nil
	if one, two := s.Counts(); one.Ephemeral != 1 || two != (Count{}) {
		t.Errorf("counts %+v, %+v", one, two)
	}
	s.Step(at(time.Minute), naming.Beat{Addr: inst("1.1.1.1").Addr()})
	s.Step(at(time.Minute), naming.Tick{})
	inSync(t, s)
}

// A switch to a structure that cannot be built is refused and changes nothing.
func TestSwitchFails(t *testing.T) {
	s := New(key, v1Double)
	s.Step(at(0), register(inst("1.1.1.1")))
	s.pair().fault = func() { panic("no") }
	for range 2 {
		if e := s.Switch(at(0), v2Double); e.Err == nil || e.Changed || e.Empty {
			t.Fatalf("%+v", e)
		}
		if s.Layout() != v1Double {
			t.Fatal(s.Layout())
		}
		expect(t, s, "1.1.1.1:80 DEFAULT")
	}
	tries := 0
	s.pair().fault = func() {
		if tries++; tries == 1 {
			panic("once")
		}
	}
	if e := s.Switch(at(0), v2Double); e.Err != nil {
		t.Fatalf("a second attempt from nothing: %v", e.Err)
	}
	inSync(t, s)
	expect(t, s, "1.1.1.1:80 DEFAULT")
}

// Changes that wait are not lost in a switch, whoever serves after it.
func TestSwitchFlushes(t *testing.T) {
	for _, from := range layouts {
		for _, to := range layouts {
			s := New(key, from)
			s.Step(at(0), register(inst("1.1.1.1")))
			s.Step(at(0), register(inst("2.2.2.2", persistent)))
			s.Step(at(naming.DefaultBeatTimeout), naming.Tick{})
			e := s.Switch(at(naming.DefaultBeatTimeout), to)
			if e.Err != nil || e.Empty || len(e.Events)+len(e.Records) > 0 || s.Layout() != to {
				t.Fatalf("%v to %v: %+v", from, to, e)
			}
			expect(t, s, "1.1.1.1:80 DEFAULT!", "2.2.2.2:80 DEFAULTp")
			if from != to {
				inSync(t, s)
			}
			one, two := s.Counts()
			full := Count{Services: 1, Ephemeral: 1, Persistent: 1}
			if one != map[bool]Count{true: full}[to.Keeps(V1)] || two != map[bool]Count{true: full}[to.Keeps(V2)] && from != to {
				t.Errorf("%v to %v: counts %+v, %+v", from, to, one, two)
			}
			// It expires when it would have.
			now := naming.DefaultBeatTimeout
			for s.Len() == 2 && now < time.Hour {
				due, ok := s.Deadline()
				if !ok {
					t.Fatalf("%v to %v: nobody waits for the time-out", from, to)
				}
				now = max(now, time.Duration(due))
				s.Step(at(now), naming.Tick{})
			}
			if now != naming.DefaultDeleteTimeout {
				t.Errorf("%v to %v: expired at %v", from, to, now)
			}
		}
	}
}

// An instance that beats is not judged by the time that passed before its structure served.
func TestSwitchOfAQuietService(t *testing.T) {
	for _, from := range layouts {
		for _, to := range layouts {
			s := New(key, from)
			s.Step(at(0), register(inst("1.1.1.1")))
			s.Step(at(time.Second), naming.Tick{})
			now := time.Duration(0)
			for range 100 { // nothing but beats: nothing is double written
				now += 5 * time.Second
				s.Step(at(now), naming.Beat{Addr: inst("1.1.1.1").Addr()})
				s.Step(at(now), naming.Tick{})
			}
			now += 4 * time.Second
			s.Switch(at(now), to)
			if e := s.Step(at(now), naming.Tick{}); e.Changed {
				t.Fatalf("%v to %v: %v", from, to, e.Events)
			}
			expect(t, s, "1.1.1.1:80 DEFAULT")
			if due, ok := s.Deadline(); !ok || due != naming.Instant(now+11*time.Second) {
				t.Errorf("%v to %v: deadline %v, %v", from, to, due, ok)
			}
		}
	}
}

// The special cases that kept Nacos from ever being ready.
func TestSpecialCases(t *testing.T) {
	for _, tt := range []struct {
		name         string
		commands     []naming.Command
		inV1, inV2   []string
		metaOperator bool
	}{
		{"two ports of one ip", []naming.Command{register(inst("1.1.1.1")), register(inst("1.1.1.1", port81))},
			[]string{"1.1.1.1:80 DEFAULT", "1.1.1.1:81 DEFAULT"}, []string{"1.1.1.1:80 DEFAULT", "1.1.1.1:81 DEFAULT"}, false},
		{"an ip:port in two clusters", []naming.Command{register(inst("1.1.1.1")), register(inst("1.1.1.1", clusterB))},
			[]string{"1.1.1.1:80 DEFAULT", "1.1.1.1:80 b"}, []string{"1.1.1.1:80 DEFAULT"}, false},
		{"a persistent ip:port in two clusters", []naming.Command{register(inst("1.1.1.1", persistent)), register(inst("1.1.1.1", persistent, clusterB))},
			[]string{"1.1.1.1:80 DEFAULTp", "1.1.1.1:80 bp"}, []string{"1.1.1.1:80 DEFAULTp"}, false},
		{"persistent and ephemeral", []naming.Command{register(inst("1.1.1.1")), register(inst("2.2.2.2", persistent)), register(inst("1.1.1.1", persistent))},
			[]string{"1.1.1.1:80 DEFAULT", "1.1.1.1:80 DEFAULTp", "2.2.2.2:80 DEFAULTp"}, []string{"1.1.1.1:80 DEFAULT", "1.1.1.1:80 DEFAULTp", "2.2.2.2:80 DEFAULTp"}, false},
		{"an empty service with metadata", []naming.Command{naming.CreateService{}}, nil, nil, true},
		{"an empty service without", []naming.Command{register(inst("1.1.1.1")), naming.Deregister{Addr: inst("1.1.1.1").Addr(), Ephemeral: true}}, nil, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := New(key, v1Double)
			for _, c := range tt.commands {
				if e := s.Step(at(0), c); e.Err != nil {
					t.Fatal(e.Err)
				}
			}
			s.Step(at(time.Second), naming.Tick{})
			inSync(t, s)
			expect(t, s, tt.inV1...)
			surplus := len(tt.inV1) - len(tt.inV2)
			e := s.Switch(at(time.Second), v2Double)
			if e.Changed != (surplus > 0) || len(e.Events) != surplus || e.Empty {
				t.Fatalf("%+v", e)
			}
			if tt.name == "a persistent ip:port in two clusters" && len(e.Records) != 1 {
				t.Errorf("records %+v", e.Records)
			}
			expect(t, s, tt.inV2...)
			if meta := s.View(naming.Revision{}).Meta; (meta != nil) != tt.metaOperator {
				t.Errorf("metadata %+v", meta)
			}
			s.Step(at(2*time.Second), naming.Tick{})
			inSync(t, s)
			s.Switch(at(3*time.Second), v1Double)
			inSync(t, s)
			expect(t, s, tt.inV2...)
		})
	}
}

// An ip:port in two clusters becomes the one that beats, also when nothing has been double
// written since it began to.
func TestSwitchKeepsTheOneThatBeats(t *testing.T) {
	for _, beating := range []string{"DEFAULT", "b"} {
		s := New(key, v1Double)
		s.Step(at(0), register(inst("1.1.1.1")))
		s.Step(at(0), register(inst("1.1.1.1", clusterB)))
		s.Step(at(time.Second), naming.Tick{})
		s.Step(at(5*time.Second), naming.Beat{Addr: naming.Addr{IP: "1.1.1.1", Port: 80, Cluster: beating}})
		s.Switch(at(10*time.Second), v2Alone)
		expect(t, s, "1.1.1.1:80 "+beating)
		if c := s.Clock(naming.Addr{IP: "1.1.1.1", Port: 80, Cluster: beating}, true); c.Last != naming.Instant(5*time.Second) {
			t.Errorf("last heard of at %v", c.Last)
		}
	}
}

// 1.x protects every service, 2.0 those with metadata: a switch tells where that shows.
func TestSwitchTellsOfProtection(t *testing.T) {
	for _, sick := range []bool{false, true} {
		s := New(key, v1Double)
		in := inst("1.1.1.1")
		in.Healthy = !sick
		s.Step(at(0), register(in))
		for _, to := range []Layout{v2Double, v1Double, v2Alone, v1Alone} {
			if e := s.Switch(at(0), to); e.Changed != sick {
				t.Errorf("sick %v, switch to %v: changed %v", sick, to, e.Changed)
			}
		}
	}
}

// Nothing of a structure that is not kept stays in memory.
func TestDropFrees(t *testing.T) {
	s := New(key, v1Double)
	for i := range 100 {
		s.Step(at(0), register(inst(fmt.Sprintf("10.0.0.%d", i))))
	}
	s.Step(at(time.Second), naming.Tick{})
	one := weak.Make(s.pair().one)
	pair := weak.Make(s.pair())
	s.Switch(at(time.Second), v2Double)
	s.Switch(at(time.Second), v2Alone)
	runtime.GC()
	if one.Value() != nil || pair.Value() != nil {
		t.Error("what 1.x held is still there")
	}
	two := weak.Make(s.held.(*v2.Service))
	s.Switch(at(time.Second), v1Alone)
	runtime.GC()
	if two.Value() != nil || s.pair().two != nil {
		t.Error("what 2.0 held is still there")
	}
	if s.Len() != 100 {
		t.Error(s.Len())
	}
}

// Before anything is known of a service there is nothing to switch, and nothing is lost of
// one that is gone.
func TestSwitchOfNothing(t *testing.T) {
	for _, from := range layouts {
		for _, to := range layouts {
			s := New(key, from)
			if e := s.Switch(at(0), to); e.Changed || !e.Empty || e.Err != nil {
				t.Fatalf("%v to %v: %+v", from, to, e)
			}
			if _, ok := s.Deadline(); ok || s.Exists() || !s.InSync() {
				t.Fatalf("%v to %v: waits %v, exists %v, in sync %v", from, to, ok, s.Exists(), s.InSync())
			}
			s.Step(at(0), naming.CreateService{})
			s.Switch(at(0), from)
			s.Step(at(0), naming.RemoveService{})
			if e := s.Switch(at(0), to); !e.Empty || s.Exists() {
				t.Fatalf("%v to %v: a removed service is back", from, to)
			}
		}
	}
}

// The structures are compared in fact, not in good faith.
func TestInSyncLooks(t *testing.T) {
	s := New(key, v2Double)
	s.Step(at(0), register(inst("1.1.1.1")))
	s.Step(at(time.Second), naming.Tick{})
	inSync(t, s)
	s.pair().one.Step(at(time.Second), register(inst("9.9.9.9"))) // nobody may do that
	s.pair().compared = false
	if s.InSync() || len(slices.Collect(s.Differences())) != 1 {
		t.Errorf("in sync: %v, %q", s.InSync(), slices.Collect(s.Differences()))
	}
}

func BenchmarkBeat(b *testing.B) {
	for _, n := range []int{1, 1000} {
		beat := naming.Command(naming.Beat{Addr: naming.Addr{IP: fmt.Sprintf("10.0.0.%d", n/2), Port: 80, Cluster: "DEFAULT"}})
		fill := func(step func(naming.Env, naming.Command) naming.Effects) {
			for i := range n {
				step(at(0), register(inst(fmt.Sprintf("10.0.0.%d", i))))
			}
		}
		env := at(0)
		b.Run(fmt.Sprintf("%d/bare v2", n), func(b *testing.B) {
			s := v2.New(key)
			fill(s.Step)
			for b.Loop() {
				s.Step(env, beat)
			}
		})
		for _, l := range layouts {
			b.Run(fmt.Sprintf("%d/%v", n, l), func(b *testing.B) {
				s := New(key, l)
				fill(s.Step)
				for b.Loop() {
					s.Step(env, beat)
				}
			})
		}
	}
}

// BenchmarkCatchUp is what a change of a service costs, merged with all others of a second.
func BenchmarkCatchUp(b *testing.B) {
	for _, n := range []int{10, 1000, 100_000} {
		for _, l := range []Layout{v1Double, v2Double} {
			s := New(key, l)
			for i := range n {
				s.Step(at(0), register(inst(fmt.Sprintf("10.%d.%d.%d", i/62500, i/250%250, i%250))))
			}
			s.Step(at(time.Second), naming.Tick{})
			b.Run(fmt.Sprintf("%d/%v", n, l), func(b *testing.B) {
				for b.Loop() {
					s.pair().backlog.add(upgrade.Task{Content: upgrade.Instances}, 0, 0)
					if !s.pair().catchUp(0) {
						b.Fatal(s.Failure())
					}
				}
			})
		}
	}
}
