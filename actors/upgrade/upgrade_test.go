package upgrade

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"nactor/actors"
	"nactor/naming"
	"nactor/naming/dual"
	"nactor/naming/upgrade/switchover"
)

// The lines of Nacos that operators look for.
const (
	lineFalse     = "upgrade check result false"
	lineTrue      = "upgrade check result true"
	lineWatch     = "Check whether close double write"
	lineUpgraded  = "Upgrade to 2.0.X"
	lineDowngrade = "Downgrade to 1.X"
	lineClosed    = "Disable Double write, stop and clean v1.x cache and features"
)

const (
	switchTime    = 25 * time.Second
	downgradeTime = 5 * time.Second
)

var (
	bothByV1 = dual.Layout{Serves: dual.V1, DoubleWrite: true, Delay: time.Second}
	bothByV2 = dual.Layout{Serves: dual.V2, DoubleWrite: true, Delay: time.Second}
)

// startAll starts all nodes as 2.X and waits for the switch.
func (r *rig) startAll() {
	r.t.Helper()
	for _, name := range r.names {
		r.start(name, v2x)
	}
	r.follow(switchTime, 1, switchover.V2)
}

func TestTheWayUpDownAndOut(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		r.start("a", v2x)
		r.start("b", v2x)
		old := r.start("c", v1x)
		time.Sleep(30 * time.Second)
		for _, n := range r.all() {
			if n.State().Epoch != 0 {
				t.Fatalf("%s goes by epoch %d with a member of 1.X", n.name, n.State().Epoch)
			}
		}
		r.kill("c")
		r.start("c", v2x)
		r.follow(switchTime, 1, switchover.V2)
		time.Sleep(time.Second)
		for _, n := range r.all() {
			if n.told() != bothByV2 {
				t.Errorf("%s: services go by %v", n.name, n.told())
			}
			lines := []string{lineWatch, lineFalse, lineTrue, lineUpgraded}
			if n.name == "c" { // it has seen nobody who was not ready
				lines = []string{lineWatch, lineTrue, lineUpgraded}
			}
			if line := n.lacking(lines...); line != "" {
				t.Errorf("%s lacks %q in its place:\n%s", n.name, line, strings.Join(n.log(), "\n"))
			}
			if before, _, _ := strings.Cut(strings.Join(n.log(), "\n"), lineUpgraded); strings.LastIndex(before, lineFalse) > strings.LastIndex(before, lineTrue) {
				t.Errorf("%s was not ready when it followed:\n%s", n.name, before)
			}
		}
		for _, line := range []string{lineWatch, lineFalse, lineTrue, lineUpgraded} {
			if slices.Contains(old.log(), line) {
				t.Errorf("the node of 1.X writes %q", line)
			}
		}

		r.kill("b")
		old = r.start("b", v1x)
		r.follow(downgradeTime, 2, switchover.V1)
		if old.told() != (dual.Layout{Serves: dual.V1}) {
			t.Errorf("the node of 1.X keeps %v", old.told())
		}
		time.Sleep(10 * time.Second)
		for _, name := range []string{"a", "c"} {
			n := r.node(name)
			if n.told() != bothByV1 {
				t.Errorf("%s: services go by %v", name, n.told())
			}
			if line := n.lacking(lineUpgraded, lineDowngrade, lineFalse); line != "" {
				t.Errorf("%s lacks %q in its place:\n%s", name, line, strings.Join(n.log(), "\n"))
			}
			if n.ready == nil || *n.ready {
				t.Errorf("%s says that it is ready beside a member of 1.X", name)
			}
		}

		r.kill("b")
		r.start("b", v2x)
		r.follow(switchTime, 3, switchover.V2)
		if err := r.node("b").Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.follow(time.Second, 4, switchover.V2)
		time.Sleep(time.Second)
		for _, n := range r.all() {
			if n.told() != (dual.Layout{Serves: dual.V2, Delay: time.Second}) {
				t.Errorf("%s: services go by %v after the close", n.name, n.told())
			}
			if line := n.lacking(lineTrue, lineUpgraded, lineClosed); line != "" {
				t.Errorf("%s lacks %q in its place:\n%s", n.name, line, strings.Join(n.log(), "\n"))
			}
			_, after, _ := strings.Cut(strings.Join(n.log(), "\n"), lineUpgraded)
			after, _, _ = strings.Cut(after, lineDowngrade)
			if strings.Contains(after, "upgrade check result") {
				t.Errorf("%s goes by 2.0 and still checks:\n%s", n.name, after)
			}
			if got := strings.Count(strings.Join(n.log(), "\n"), lineClosed); got != 1 {
				t.Errorf("%s writes %d times that double write is closed", n.name, got)
			}
		}
		if a := r.node("a"); strings.Count(strings.Join(a.log(), "\n"), lineUpgraded) != 2 || a.lacking(lineDowngrade, lineTrue, lineUpgraded) != "" {
			t.Errorf("a, which was there all the time, has written:\n%s", strings.Join(a.log(), "\n"))
		}
	})
}

// A node that was away learns what was decided before its services serve.
// A 1.X member that fails is a member still: nobody is ready for 2.0 because of that.
func TestFailedMemberOf1X(t *testing.T) {
	for _, version := range []string{v1x, ""} { // "": nobody has seen it yet
		inRig(t, func(t *testing.T, r *rig) {
			r.start("c", v1x)
			r.start("a", v2x)
			r.start("b", v2x)
			time.Sleep(30 * time.Second)
			r.kill("c")
			r.mu.Lock()
			r.nodes["c"].version = version
			r.mu.Unlock()
			time.Sleep(30 * time.Second)
			for _, n := range r.all() {
				n.mu.Lock()
				ready := n.ready
				n.mu.Unlock()
				if ready == nil || *ready {
					t.Errorf("%s says that it is ready: %v", n.name, ready)
				}
				if n.lacking(lineTrue) == "" {
					t.Errorf("%s has logged that it is ready", n.name)
				}
			}
			r.mu.Lock()
			r.names = []string{"a", "b"} // c is removed for good
			r.mu.Unlock()
			r.follow(switchTime, 1, switchover.V2)
		})
	}
}

func TestBeginWithWhatWasDecided(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		r.startAll()
		r.kill("c")
		n := r.start("c", v2x)
		if n.State().Mode != switchover.V2 || n.layouts[0] != bothByV2 {
			t.Errorf("it begins in mode %v, with %v", n.State().Mode, n.layouts[0])
		}
		time.Sleep(time.Second)
		if line := n.lacking(lineWatch, lineUpgraded); line != "" {
			t.Errorf("it lacks %q:\n%s", line, strings.Join(n.log(), "\n"))
		}
		if err := n.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.kill("b")
		n = r.start("b", v2x)
		if !n.State().Closed() || n.layouts[0] != (dual.Layout{Serves: dual.V2, Delay: time.Second}) {
			t.Errorf("it begins closed: %v, with %v", n.State().Closed(), n.layouts[0])
		}
		time.Sleep(time.Second)
		if n.lacking(lineClosed) != "" || n.lacking(lineWatch) == "" || n.lacking(lineUpgraded) == "" {
			t.Errorf("it begins after the close, and writes:\n%s", strings.Join(n.log(), "\n"))
		}
	})
}

// Whichever node dies at whichever point, the decision is made once and followed by all.
func TestDeathBetweenTheSteps(t *testing.T) {
	for _, point := range []string{
		"upgrade.vote", "upgrade.before-commit", "upgrade.after-commit", "upgrade.mid-broadcast", "upgrade.mid-flip", "upgrade.before-done",
	} {
		t.Run(point, func(t *testing.T) {
			inRig(t, func(t *testing.T, r *rig) {
				for _, name := range r.names {
					r.start(name, v2x)
				}
				time.Sleep(6 * time.Second) // all have voted once
				died := make(chan string, 1)
				var once sync.Once
				r.mu.Lock()
				r.trap = func(n *testNode, at string) {
					if at == point {
						once.Do(func() { n.dead.Store(true); died <- n.name })
					}
				}
				if point == "upgrade.mid-broadcast" {
					// Somebody has to be reminded.
					r.nodes["c"].refuse = errors.New("not now")
				}
				r.mu.Unlock()
				r.until(switchTime, "somebody dies at "+point, func() bool { return len(died) > 0 })
				name := <-died
				r.kill(name)
				r.node("c").edit(func() { r.nodes["c"].refuse = nil })
				time.Sleep(20 * time.Second)
				// A node that is down holds up the switch, but not those that have to follow.
				before := r.decided()
				if len(before) == 1 {
					r.follow(time.Second, 1, switchover.V2)
				}
				if point == "upgrade.before-commit" && len(before) != 0 {
					t.Errorf("without %s it was decided: %+v", name, before)
				}
				r.start(name, v2x)
				r.follow(switchTime, 1, switchover.V2)
				time.Sleep(20 * time.Second)
				if all := r.decided(); len(all) != 1 {
					t.Errorf("%d decisions: %+v", len(all), all)
				}
				for _, n := range r.all() {
					e, err := n.Explain(t.Context())
					if err != nil || e.Phase != switchover.Done {
						t.Errorf("%s: %v, %v", n.name, e.Phase, err)
					}
				}
			})
		})
	}
}

// A write that was carried out and not confirmed is not repeated.
func TestUnconfirmedDecision(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		r.lie = 1
		r.startAll()
		time.Sleep(30 * time.Second)
		if all := r.decided(); len(all) != 1 {
			t.Errorf("%d decisions: %+v", len(all), all)
		}
		r.mu.Lock()
		r.lie = 1
		r.mu.Unlock()
		if err := r.node("c").Close(t.Context()); err != nil && naming.KindOf(err) != naming.KindUnavailable {
			t.Error(err)
		}
		time.Sleep(10 * time.Second)
		if all := r.decided(); len(all) != 2 || !all[1].Closed() {
			t.Errorf("decided: %+v", all)
		}
		if err := r.node("b").Close(t.Context()); err != nil {
			t.Errorf("what is closed is closed again: %v", err)
		}
	})
}

// A write that failed is made again when all have said once more that they are ready.
func TestRefusedDecision(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		r.fail = 1
		for _, name := range r.names {
			r.start(name, v2x)
		}
		r.until(switchTime, "a decision is refused", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return r.fail == 0 })
		r.follow(switchover.DefaultRules().Check+3*time.Second, 1, switchover.V2)
		r.mu.Lock()
		r.fail = 1
		r.mu.Unlock()
		if err := r.node("b").Close(t.Context()); naming.KindOf(err) != naming.KindUnavailable {
			t.Errorf("closed without a store: %v", err)
		}
		time.Sleep(20 * time.Second)
		if r.node("c").State().Closed() {
			t.Error("what an operator was refused is done later")
		}
		if err := r.node("b").Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// The coordinator is one, and goes where it belongs.
func TestCoordinatorMoves(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		r.startAll()
		for i, order := range [][]string{{"b", "a", "c"}, {"c", "a", "b"}, {"a", "b", "c"}} {
			r.mu.Lock()
			r.names = order
			r.mu.Unlock()
			r.until(time.Second, "the coordinator is at "+order[0], func() bool {
				return r.node(order[0]).coordinates() && !r.node(order[1]).coordinates() && !r.node(order[2]).coordinates()
			})
			time.Sleep(time.Second)
			for _, n := range r.all() {
				e, err := n.Explain(t.Context())
				if err != nil || e.Phase != switchover.Done || e.Epoch != 1 || len(e.Members) != 3 {
					t.Errorf("move %d, asked at %s: %+v, %v", i, n.name, e, err)
				}
				for _, m := range e.Members {
					if m.Epoch != 1 || m.Ready == nil {
						t.Errorf("move %d, asked at %s: of %s the new coordinator has heard %+v", i, n.name, m.Address, m)
					}
				}
			}
		}
		if all := r.decided(); len(all) != 1 {
			t.Errorf("%d decisions", len(all))
		}
	})
}

// Services that do not follow are asked again, and the node goes by what they do.
func TestServicesThatDoNotFollow(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		for _, name := range r.names {
			r.start(name, v2x)
		}
		b := r.node("b")
		b.edit(func() { b.refuse = errors.New("one service cannot") })
		r.until(switchTime, "it is decided", func() bool { return len(r.decided()) == 1 })
		time.Sleep(10 * time.Second)
		if b.State().Mode != switchover.V1 || b.told() != bothByV1 {
			t.Errorf("it goes by %v without its services", b.State().Mode)
		}
		e, err := r.node("c").Explain(t.Context())
		if err != nil || e.Phase != switchover.Switching || !strings.Contains(strings.Join(e.WaitsFor, "; "), "b has not followed") {
			t.Errorf("phase %v, waits for %q, %v", e.Phase, e.WaitsFor, err)
		}
		b.edit(func() { b.refuse = nil })
		r.follow(time.Second, 1, switchover.V2)
		if line := b.lacking(lineWatch, lineTrue, lineUpgraded); line != "" {
			t.Errorf("it lacks %q:\n%s", line, strings.Join(b.log(), "\n"))
		}
	})
}

// A node whose structures differ, or whose double write is overdue, holds the switch up and
// tells why; one that only has something to write does not.
func TestWhatHoldsUpTheSwitch(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		for _, name := range r.names {
			r.start(name, v2x)
		}
		b := r.node("b")
		for _, c := range []struct {
			backlog actors.DoubleWrite
			text    string
		}{
			{actors.DoubleWrite{Pending: 2, Oldest: 10 * time.Second}, "2 services wait for their double write"},
			{actors.DoubleWrite{Pending: 1, Failed: 1, Differing: []switchover.Differing{{Service: "public##g@@s"}}}, "1 services differ between 1.x and 2.0, such as public##g@@s"},
		} {
			b.edit(func() { b.backlog = c.backlog })
			time.Sleep(30 * time.Second)
			if len(r.decided()) > 0 {
				t.Fatalf("it was decided while %q", c.text)
			}
			e, err := r.node("a").Explain(t.Context())
			if err != nil || !strings.Contains(strings.Join(e.WaitsFor, "; "), c.text) {
				t.Errorf("waits for %q, not %q; %v", e.WaitsFor, c.text, err)
			}
			if err := b.Close(t.Context()); naming.KindOf(err) != naming.KindInvalid || !strings.Contains(err.Error(), c.text) {
				t.Errorf("double write closes: %v", err)
			}
		}
		b.edit(func() { b.backlog = actors.DoubleWrite{Pending: 500, Oldest: 900 * time.Millisecond} })
		r.follow(switchTime, 1, switchover.V2)
	})
}

// Nobody is asked for what nobody can decide.
func TestNobodyToAsk(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		n := r.start("a", v2x)
		n.dead.Store(true)
		time.Sleep(time.Second)
		if _, err := n.Explain(context.Background()); naming.KindOf(err) != naming.KindUnavailable {
			t.Errorf("explains: %v", err)
		}
		if err := n.Close(context.Background()); naming.KindOf(err) != naming.KindUnavailable {
			t.Errorf("closes: %v", err)
		}
		n.dead.Store(false)
	})
}
