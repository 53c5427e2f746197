package faulttest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// agreedAfter is how long after the death of a coordinator all others must go by the same:
// its death is noticed, another one decides, or learns what was decided.
const agreedAfter = 2 * writeAgain

// moment is one at which the node of the coordinator, or of a voter, ends or stands still.
type moment struct {
	coordinator bool
	point       string
	committed   bool // the cluster has decided by then
}

func (m moment) String() string {
	return map[bool]string{true: "coordinator", false: "voter"}[m.coordinator] + " at " + strings.TrimPrefix(m.point, "upgrade.")
}

var worst = []moment{
	{true, "upgrade.after-commit", true},
	{true, "upgrade.before-commit", false},
	{true, "upgrade.mid-broadcast", true},
	{true, "upgrade.before-done", true},
	{true, "upgrade.mid-flip", true},
	{false, "upgrade.vote", false},
	{false, "upgrade.mid-flip", true},
}

// F24, F25: a node ends at the worst moments of a switch. Before the commit nothing has
// happened; after it all go by 2.0, also the node itself when it is back.
func TestUpgradeKilled(t *testing.T) {
	needsUpgrade(t, true)
	u := beginUpgrade(t, "F24 killed", loopback{}, 3, false, mixture)
	for _, m := range worst[:rounds(len(worst), 1)] {
		u.stage(m.String(), func() { u.happens(m, "exit") })
	}
	u.finish()
}

// The same of a node that stands still, and runs on later by what it knew before.
func TestUpgradeStalled(t *testing.T) {
	needsUpgrade(t, false)
	for _, m := range worst {
		t.Run(m.String(), func(t *testing.T) {
			u := beginUpgrade(t, "F24 stalled "+m.String(), loopback{}, 3, false, mixture)
			u.happens(m, "stop")
			u.finish()
		})
	}
}

// happens has a moment happen, and checks what comes of it.
func (u *upgrade) happens(m moment, action string) {
	u.t.Helper()
	var fate *doomed
	for range 4 { // the coordinator may have moved
		if fate = u.strike(m.coordinator, m.point, action); fate.hit {
			break
		}
		u.switched()
	}
	if !fate.hit {
		u.t.Fatalf("no node has met %s", m.point)
	}
	committed := m.committed
	if m.point == "upgrade.before-commit" && action == "stop" {
		// The signal takes a moment, in which the decision may get away.
		u.traffic(agreedAfter)
		x, err := u.alive()[0].api.explain()
		committed = err == nil && x.Epoch > u.decisions
	}
	u.survive(fate, committed)
}

// strike takes the cluster back to 1.X and up again, with a fault planted in the node of the
// coordinator or in another one. It returns when that has struck, or all have switched.
func (u *upgrade) strike(coordinator bool, point, action string) *doomed {
	u.t.Helper()
	victim := u.coordinator()
	if !coordinator {
		victim = u.except(victim)[0]
	}
	last := u.except(victim)[0]
	u.down(last)
	if !u.plant(victim, point+"="+action) {
		u.replace(last, false)
		u.switched()
		results.skip(u.t, u.fault, point+" is met when the coordinator starts: it cannot be caused in a switch")
	}
	fate := u.doom(victim, action)
	u.since = time.Now()
	u.load.helpless.Store(true) // should it strike before the last one is up, two of three are away
	last.stop(20 * time.Second)
	last.old.Store(false)
	last.launch()
	last.ready(readyTime)
	u.load.helpless.Store(false)
	eventually(u.t, decided, "the fault strikes, or all have switched", func() error {
		if fate.happened() {
			fate.fell()
			return nil
		}
		for _, n := range u.alive() {
			if c, err := n.api.counts(); err != nil || !c.Upgraded {
				return fmt.Errorf("%v: %v %+v", n, err, c)
			}
		}
		return nil
	})
	// A signal takes a moment, in which the node may have told that it has switched.
	for end := time.Now().Add(2 * time.Second); !fate.hit && time.Now().Before(end); u.traffic(100 * time.Millisecond) {
		if fate.happened() {
			fate.fell()
		}
	}
	if !fate.hit {
		fate.back()
	}
	return fate
}

// survive checks that the others know what has been decided, and that the node does when it
// is back.
func (u *upgrade) survive(fate *doomed, committed bool) {
	u.t.Helper()
	mode := "v1"
	if committed {
		u.decisions++
		mode = "v2"
	}
	took := eventually(u.t, decided, "the others go by what was decided", func() error {
		for _, n := range u.alive() {
			c, err := n.api.counts()
			if err != nil || c.Upgraded != committed {
				return fmt.Errorf("%v: %v %+v", n, err, c)
			}
			x, err := n.api.explain()
			if err != nil || x.Epoch != u.decisions || x.Mode != mode {
				return fmt.Errorf("%v: %v: it explains %s of epoch %d, phase %s, waits for %v", n, err, x.Mode, x.Epoch, x.Phase, x.WaitsFor)
			}
			// By its ip: who has not seen it since its own start knows only where its store is.
			if ip, _, _ := strings.Cut(fate.n.addr, ":"); !committed && !strings.Contains(strings.Join(x.WaitsFor, "; "), ip+":") {
				return fmt.Errorf("%v: it waits for %v, not for %v", n, x.WaitsFor, fate.n)
			}
		}
		return nil
	})
	u.expect(took <= agreedAfter, u.name()+": the others agree", "after "+short(took).String(), "≤ "+agreedAfter.String())
	u.stays(mode, 5*checkEvery)
	fate.back()
	if !committed {
		u.switched()
	}
	u.switches = u.switches[:min(1, len(u.switches))] // in the others somebody failed between the last vote and the last flip
	took = u.goes("v2", true, decided)
	u.t.Logf("all go by 2.0, %v after %v was back", short(took), fate.n)
	u.compare()
}

// name is the last part of the name of the test that runs.
func (u *upgrade) name() string {
	name := u.t.Name()
	return name[strings.LastIndexByte(name, '/')+1:]
}

// F26: a node of 1.X that comes and goes twenty times. One that does not stay changes
// nothing; one that does is a reason for two decisions, there and back.
func TestUpgradeFlapping(t *testing.T) {
	needsUpgrade(t, false)
	u := beginUpgrade(t, "F26 flapping 1.X", loopback{}, 3, false, mixture)
	random := rand.New(rand.NewPCG(*upgradeSeed, 26))
	guest := u.add(false) // it has been here before
	u.goes("v2", true, decided)
	u.drop(guest)
	guest.old.Store(true)
	visits := 0
	for i := range 20 {
		u.since = time.Now()
		guest.launch()
		if i%2 == 0 {
			// Killed before it has been here for as long as makes a difference.
			u.traffic(time.Duration(random.IntN(1000)) * time.Millisecond)
			guest.server.Kill()
			u.await(15 * time.Second)
			u.stays("v2", 5*checkEvery)
			continue
		}
		guest.ready(readyTime)
		visits++
		u.downgraded()
		u.traffic(time.Duration(random.IntN(2000)) * time.Millisecond)
		u.since = time.Now()
		guest.stop(20 * time.Second)
		u.switched()
	}
	u.compare()
	u.expect(u.modes.newest() <= 1+2*visits, "decisions for "+fmt.Sprint(visits)+" visits that lasted, of 20", fmt.Sprint(u.modes.newest()), fmt.Sprint("≤ ", 1+2*visits))
	u.finish()
}

// Two nodes of 1.X come at once: one reason, one decision.
func TestUpgradeTwoOldNodes(t *testing.T) {
	needsUpgrade(t, false)
	u := beginUpgrade(t, "two 1.X at once", loopback{}, 3, false, mixture)
	var guests []*node
	u.since = time.Now()
	for range 2 {
		n := u.joiner(u.nodes[0])
		n.old.Store(true)
		guests = append(guests, n)
	}
	for _, n := range guests {
		n.launch()
	}
	for _, n := range guests {
		n.ready(readyTime)
		u.load.add(n)
	}
	u.downgraded()
	u.compare()
	u.drop(guests[0])
	u.stays("v1", 10*checkEvery)
	u.drop(guests[1])
	u.switched()
	u.compare()
	u.finish()
}

// F27: nodes are swapped back while others have not come up yet; a node misses the way back
// and starts by what was decided meanwhile.
func TestUpgradeMissedDowngrade(t *testing.T) {
	needsUpgrade(t, false)
	u := beginUpgrade(t, "F27 back on the way, missed", loopback{}, 3, true, mixture)
	a, b, c := u.nodes[0], u.nodes[1], u.nodes[2]
	u.stage("swapped back while others are of 1.X", func() {
		u.up(a)
		u.awaitFalse()
		u.replace(a, true)
		u.stays("v1", 5*checkEvery)
		u.compare()
		u.up(a, b, c)
		u.switched()
	})
	u.stage("N4 a node misses the way back", func() {
		u.since = time.Now()
		c.stop(20 * time.Second)
		u.replace(a, true)
		u.downgraded()
		u.launch(c)
		// Not for a moment by 2.0: it has asked before it serves.
		if counts, err := c.api.counts(); err != nil || counts.Upgraded {
			u.t.Errorf("%v: %v: just started, it goes by 2.0", c, err)
		}
		u.goes("v1", true, decided)
		u.compare()
	})
	u.stage("a node misses the way up", func() {
		// It is one of the nodes that are waited for: the others must not switch without it.
		c.stop(20 * time.Second)
		u.since = time.Now()
		u.replace(a, false)
		u.stays("v1", 10*checkEvery)
		u.launch(c)
		u.switched()
		u.compare()
	})
	u.finish()
}

func (u *upgrade) awaitFalse() {
	u.t.Helper()
	for _, n := range u.young() {
		n.awaitLine(lineNotReady, u.since, 5*time.Second)
	}
}

// F28: double write is closed while a node of 1.X joins. Exactly one of them succeeds.
func TestUpgradeCloseAndJoin(t *testing.T) {
	needsUpgrade(t, false)
	const fault = "F28 close and 1.X join"
	random := rand.New(rand.NewPCG(*upgradeSeed, 28))
	outcomes := map[string]int{}
	for i := range 4 {
		t.Run(fmt.Sprint("race ", i), func(t *testing.T) {
			u := beginUpgrade(t, fault, loopback{}, 3, false, mixture)
			if i == 0 {
				u.closeRefused()
			}
			guest := u.joiner(u.nodes[0])
			guest.old.Store(true)
			u.since = time.Now()
			guest.launch()
			u.traffic(time.Duration(random.IntN(4000)) * time.Millisecond)
			err := u.nodes[i%3].api.closeDoubleWrite()
			if err != nil {
				outcomes["joined"]++
				t.Logf("close: %v", err)
				if !strings.Contains(err.Error(), guest.addr) && !strings.Contains(err.Error(), "1.X") {
					t.Errorf("close: %v; want a refusal that names %v", err, guest)
				}
				guest.ready(readyTime)
				u.downgraded()
				u.compare()
				u.load.add(guest)
				u.drop(guest)
				u.switched()
			} else {
				outcomes["closed"]++
				if code := guest.server.Wait(readyTime); code == 0 {
					t.Errorf("%v ends with code 0", guest)
				}
				u.decisions++
				u.closed = true
				u.goes("v2", false, decided)
				u.compare()
			}
			u.finish()
		})
	}
	results.add(row{fault, "outcomes", fmt.Sprint(outcomes), "", passed})
}

// closeRefused checks that double write is not closed while a node of 1.X is here.
func (u *upgrade) closeRefused() {
	u.t.Helper()
	n := u.nodes[2]
	u.down(n)
	for _, at := range u.young() {
		err := at.api.closeDoubleWrite()
		if err == nil || !strings.Contains(err.Error(), "status 400") || !strings.Contains(err.Error(), n.addr) {
			u.t.Errorf("%v: double write closed with %v of 1.X here: %v; want 400 and its address", at, n, err)
		}
	}
	u.goes("v1", true, decided)
	u.up(n)
	u.switched()
}
