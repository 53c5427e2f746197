package simtest

import (
	"fmt"
	"time"
)

// trap is a fault that waits for a point on the way of the upgrade.
type trap struct {
	point  string
	what   string // crash, cut, pause
	victim string // "": whoever gets there
	sprung chan string
}

// The points of the way, as package actors/upgrade names them.
var points = []string{
	"upgrade.vote", "upgrade.before-commit", "upgrade.after-commit", "upgrade.mid-broadcast", "upgrade.mid-flip", "upgrade.before-done",
}

// setTrap has a random fault wait at a random point.
func (w *world) setTrap() *trap {
	t := &trap{point: points[w.rand.IntN(len(points))], what: []string{"crash", "crash", "cut", "pause"}[w.rand.IntN(4)], sprung: make(chan string, 1)}
	if w.rand.IntN(3) == 0 {
		t.victim = w.anyNode()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trap = t
	return t
}

// disarm takes a trap away. False: it has sprung.
func (w *world) disarm(t *trap) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.trap != t {
		return false
	}
	w.trap = nil
	return true
}

// reached springs the trap that waits at a point.
func (n *node) reached(point string) {
	w := n.w
	w.mu.Lock()
	t := w.trap
	if t == nil || t.point != point || !n.serving.Load() || n.life.Err() != nil {
		w.mu.Unlock()
		return
	}
	w.trap = nil
	victim := n
	if t.victim != "" {
		victim = w.nodes[t.victim]
	}
	w.mu.Unlock()
	w.trace("at %s, %s: %s %s", n.name, point, t.what, victim.name)
	switch t.what {
	case "crash":
		w.happened()
		victim.host.Crash()
	case "cut":
		w.setWeather(false, true)
		w.net.Partition([]string{victim.name}, w.others(victim.name))
	case "pause":
		w.setPaused()
		w.net.Pause(victim.name)
	}
	t.sprung <- victim.name
}

// release ends the fault of a trap that has sprung.
func (w *world) release(t *trap, victim string) string {
	d := w.span(10*time.Millisecond, 12*time.Second)
	if t.what == "crash" {
		w.kill(victim)
	}
	time.Sleep(d)
	switch t.what {
	case "crash":
		w.restart(victim)
	case "cut":
		w.trace("heal")
		w.net.Heal()
		w.setWeather(false, false)
	case "pause":
		w.trace("resume %s", victim)
		w.net.Resume(victim)
		w.setWeather(false, false)
	}
	return fmt.Sprintf("%s of %s at %s for %v", t.what, victim, t.point, d)
}
