package persistence

import (
	"context"
	"errors"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"nactor/naming"
)

func settings(t *testing.T, b *Bolt, onChange ...func(*naming.Switches)) *Settings {
	t.Helper()
	s, err := b.Settings(onChange...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSwitches(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	b := open(t, dir)
	var seen []*naming.Switches
	s := settings(t, b, func(sw *naming.Switches) { seen = append(seen, sw) })
	set := func(entry, value string, debug bool) {
		t.Helper()
		if err := s.SetSwitch(ctx, entry, value, debug); err != nil {
			t.Fatal(err)
		}
		if len(seen) == 0 || seen[len(seen)-1] != s.Switches() {
			t.Error("the hook did not see the change")
		}
	}
	set("check", "false", false)
	set("lightBeatEnabled", "false", true)
	set("healthCheckTimes", "7", false)
	set("nonsense", "7", false)
	if err := s.SetSwitch(ctx, "pushCacheMillis", "1", false); naming.KindOf(err) != naming.KindInvalid {
		t.Errorf("bad value: %v", err)
	}
	if sw := s.Switches(); sw.HealthCheckEnabled || sw.LightBeatEnabled || sw.CheckTimes != 7 || len(seen) != 4 {
		t.Errorf("switches %+v, %d calls", sw, len(seen))
	}
	closeStore(t, b)
	if sw := settings(t, open(t, dir)).Switches(); sw.HealthCheckEnabled || sw.CheckTimes != 7 {
		t.Errorf("after a restart: %+v", sw)
	} else if !sw.LightBeatEnabled {
		t.Error("what was set for debugging was written down")
	}
}

func TestNamespaces(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	b := open(t, dir)
	s := settings(t, b)
	for _, c := range []struct {
		id   string
		want bool
	}{
		{"dev", true}, {"dev", false}, {"_-9", true}, {"", true}, {"", true},
		{"bad id", false}, {"a\n", false}, {"ü", false}, {"public", false},
		{strings.Repeat("x", 128), true}, {strings.Repeat("x", 129), false},
	} {
		if ok, err := s.CreateNamespace(ctx, naming.Namespace{ID: c.id, Name: "n"}); ok != c.want || err != nil {
			t.Errorf("create %q: %v %v", c.id, ok, err)
		}
	}
	for _, ns := range []naming.Namespace{{Name: strings.Repeat("n", 129)}, {Description: strings.Repeat("n", 257)}, {Name: "\xff"}} {
		if ok, err := s.CreateNamespace(ctx, ns); ok || naming.KindOf(err) != naming.KindInvalid {
			t.Errorf("create %+v: %v %v", ns, ok, err)
		}
	}
	dev := naming.Namespace{ID: "dev", Name: "new", Description: "d"}
	for _, ns := range []naming.Namespace{dev, {ID: "unknown", Name: "x"}} {
		if err := s.UpdateNamespace(ctx, ns); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"_-9", "unknown"} {
		if err := s.RemoveNamespace(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	got := s.Namespaces()
	if len(got) != 4 || !slices.Contains(got, dev) || !slices.IsSortedFunc(got, func(a, b naming.Namespace) int { return strings.Compare(a.ID, b.ID) }) {
		t.Errorf("%+v", got)
	}
	closeStore(t, b)
	if again := settings(t, open(t, dir)).Namespaces(); !slices.Equal(again, got) {
		t.Errorf("after a restart: %+v, were %+v", again, got)
	}
}

// A caller whose time is over gets an answer. The change goes on, and memory follows it.
func TestSettingsTimeOut(t *testing.T) {
	b := open(t, t.TempDir())
	changed := make(chan struct{}, 1)
	s := settings(t, b, func(*naming.Switches) { changed <- struct{}{} })
	release := hold(b)
	ctx, cancel := context.WithCancel(t.Context())
	answer := make(chan error, 2)
	go func() { answer <- s.SetSwitch(ctx, "check", "false", false) }()
	s.awaitTurn() // until it is being written
	go func() {
		_, err := s.CreateNamespace(ctx, naming.Namespace{ID: "n"}) // waits for its turn
		answer <- err
	}()
	cancel()
	for range 2 {
		if err := <-answer; naming.KindOf(err) != naming.KindUnavailable || !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	}
	if !s.Switches().HealthCheckEnabled {
		t.Error("it is in force and not written")
	}
	release()
	<-changed
	if s.Switches().HealthCheckEnabled || len(s.Namespaces()) != 0 {
		t.Errorf("%+v %+v", s.Switches(), s.Namespaces())
	}
}

func TestRefusedChangeChangesNothing(t *testing.T) {
	b := open(t, t.TempDir())
	s := settings(t, b, func(*naming.Switches) { t.Error("published") })
	closeStore(t, b)
	if err := s.SetSwitch(t.Context(), "check", "false", false); naming.KindOf(err) != naming.KindUnavailable {
		t.Error(err)
	}
	if ok, err := s.CreateNamespace(t.Context(), naming.Namespace{ID: "n"}); ok || naming.KindOf(err) != naming.KindUnavailable {
		t.Error(ok, err)
	}
	if !s.Switches().HealthCheckEnabled || len(s.Namespaces()) != 0 {
		t.Error("changed")
	}
}

// awaitTurn returns when a change is at work.
func (s *Settings) awaitTurn() {
	for len(s.turn) == 0 {
		runtime.Gosched()
	}
}

// What debug set lasts until the same is set for all, here or on another node.
func TestDebugSwitches(t *testing.T) {
	ctx := t.Context()
	b := open(t, t.TempDir())
	for _, c := range []struct {
		name            string
		debug, then     [2]string
		elsewhere, lost bool
	}{
		{"another entry", [2]string{"check", "false"}, [2]string{"healthCheckTimes", "5"}, false, false},
		{"another entry elsewhere", [2]string{"check", "false"}, [2]string{"healthCheckTimes", "6"}, true, false},
		{"the entry", [2]string{"check", "false"}, [2]string{"check", "true"}, false, true},
		{"the entry elsewhere", [2]string{"healthCheckTimes", "9"}, [2]string{"healthCheckTimes", "7"}, true, true},
		{"a batch hides all", [2]string{"batch", `{"checkTimes":9}`}, [2]string{"pushEnabled", "false"}, true, true},
		{"all are set", [2]string{"lightBeatEnabled", "false"}, [2]string{"batch", `{"checkTimes":3}`}, true, false},
		{"all are set, this one too", [2]string{"healthCheckTimes", "9"}, [2]string{"batch", `{"checkTimes":4}`}, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, other := settings(t, b), settings(t, b)
			set := func(s *Settings, entry [2]string, debug bool) {
				t.Helper()
				if err := s.SetSwitch(ctx, entry[0], entry[1], debug); err != nil {
					t.Fatal(err)
				}
			}
			set(s, c.debug, true)
			if c.elsewhere {
				set(other, c.then, false)
				if err := s.reload(ctx); err != nil {
					t.Fatal(err)
				}
			} else {
				set(s, c.then, false)
			}
			if lost := len(s.debug) == 0; lost != c.lost {
				t.Errorf("lost: %v", lost)
			}
			want, err := settings(t, b).Switches(), error(nil)
			if !c.lost {
				if want, err = want.Set(c.debug[0], c.debug[1]); err != nil {
					t.Fatal(err)
				}
			}
			if !reflect.DeepEqual(s.Switches(), want) {
				t.Errorf("%+v, want %+v", s.Switches(), want)
			}
		})
	}
}
