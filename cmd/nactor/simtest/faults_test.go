package simtest

import (
	"fmt"
	"time"
)

// fault is one thing that goes wrong, and ends. It returns when it is over.
type fault struct {
	name string
	run  func(*world) string // what it did
}

var faults = []fault{
	{"kill and restart", (*world).killRestart},
	{"partition", (*world).splitOff},
	{"flapping link", (*world).flap},
	{"leave and join", (*world).leaveJoin},
	{"pause", (*world).pause},
	{"loss", (*world).loss},
	{"one way", (*world).oneWay},
	{"reset connections", (*world).reset},
	{"slow network", (*world).slow},
}

// anyNode picks a name.
func (w *world) anyNode() string { return w.names[w.rand.IntN(len(w.names))] }

func (w *world) span(low, high time.Duration) time.Duration {
	return low + time.Duration(w.rand.Int64N(int64(high-low)))
}

// others returns all names but one.
func (w *world) others(name string) []string {
	var out []string
	for _, n := range w.names {
		if n != name {
			out = append(out, n)
		}
	}
	return out
}

// restart boots a node again and waits until it serves.
func (w *world) restart(name string) {
	w.happened()
	w.start(name)
	w.within(30*time.Second, name+" serves again", func() bool { return w.node(name).serving.Load() })
	w.happened()
}

func (w *world) killRestart() string {
	name, down := w.anyNode(), w.span(10*time.Millisecond, 30*time.Second)
	if w.rand.IntN(3) == 0 {
		down = w.span(time.Millisecond, time.Second)
	}
	w.happened()
	if w.rand.IntN(2) == 0 {
		w.trace("crash %s", name)
		w.node(name).host.Crash()
	}
	w.kill(name)
	time.Sleep(down)
	w.restart(name)
	return fmt.Sprintf("%s down for %v", name, down)
}

func (w *world) splitOff() string {
	name, d := w.anyNode(), w.span(5*time.Second, time.Minute)
	holds := w.hold()
	w.trace("cut off %s for %v, messages held up: %v", name, d, holds)
	w.net.Partition([]string{name}, w.others(name))
	w.setWeather(false, true)
	time.Sleep(d)
	w.trace("heal")
	w.net.Heal()
	w.setWeather(false, false)
	return fmt.Sprintf("%s cut off for %v", name, d)
}

// hold draws what becomes of the messages that the next cut stops.
func (w *world) hold() bool {
	holds := w.rand.IntN(2) == 0
	w.net.Hold(holds)
	return holds
}

func (w *world) flap() string {
	a := w.anyNode()
	b := w.others(a)[w.rand.IntN(len(w.names)-1)]
	times := 3 + w.rand.IntN(10)
	w.trace("link %s-%s flaps, messages held up: %v", a, b, w.hold())
	w.setWeather(true, false)
	for range times {
		w.net.Cut(a, b)
		time.Sleep(w.span(200*time.Millisecond, 6*time.Second))
		w.net.Mend(a, b)
		time.Sleep(w.span(200*time.Millisecond, 3*time.Second))
	}
	w.trace("link %s-%s is steady", a, b)
	w.setWeather(false, false)
	return fmt.Sprintf("%s-%s, %d times", a, b, times)
}

func (w *world) leaveJoin() string {
	name, away := w.anyNode(), w.span(time.Second, 30*time.Second)
	w.trace("%s leaves", name)
	w.happened()
	w.node(name).leave()
	w.happened()
	time.Sleep(away)
	w.restart(name)
	return fmt.Sprintf("%s away for %v", name, away)
}

func (w *world) pause() string {
	name, d := w.anyNode(), w.span(500*time.Millisecond, 40*time.Second)
	w.trace("pause %s for %v", name, d)
	w.net.Pause(name)
	w.setPaused()
	time.Sleep(d)
	w.trace("resume %s", name)
	w.net.Resume(name)
	w.setWeather(false, false)
	return fmt.Sprintf("%s for %v", name, d)
}

// setPaused notes that a node is being paused.
func (w *world) setPaused() {
	w.setWeather(true, false)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sky.paused = time.Now()
}

func (w *world) loss() string {
	share, d := 0.05+0.25*w.rand.Float64(), w.span(5*time.Second, time.Minute)
	w.trace("lose %.0f %% for %v", 100*share, d)
	w.net.Drop(share)
	w.setWeather(true, false)
	time.Sleep(d)
	w.trace("lose nothing")
	w.net.Heal()
	w.setWeather(false, false)
	return fmt.Sprintf("%.0f %% for %v", 100*share, d)
}

func (w *world) oneWay() string {
	from := w.anyNode()
	to := w.others(from)[w.rand.IntN(len(w.names)-1)]
	d := w.span(5*time.Second, 40*time.Second)
	w.trace("nothing gets from %s to %s for %v, messages held up: %v", from, to, d, w.hold())
	w.net.CutOneWay(from, to)
	w.setWeather(true, false)
	time.Sleep(d)
	w.trace("heal")
	w.net.Heal()
	w.setWeather(false, false)
	return fmt.Sprintf("%s to %s for %v", from, to, d)
}

func (w *world) reset() string {
	a := w.anyNode()
	b := w.others(a)[w.rand.IntN(len(w.names)-1)]
	times := 1 + w.rand.IntN(5)
	w.trace("connections between %s and %s break", a, b)
	for range times {
		w.net.Break(a, b)
		w.happened()
		time.Sleep(w.span(10*time.Millisecond, 2*time.Second))
	}
	return fmt.Sprintf("%s-%s, %d times", a, b, times)
}

func (w *world) slow() string {
	base, d := w.span(5*time.Millisecond, 100*time.Millisecond), w.span(10*time.Second, time.Minute)
	w.trace("everything takes %v more", base)
	w.net.Delay(base, base)
	w.happened()
	time.Sleep(d)
	w.net.Delay(200*time.Microsecond, 0)
	w.trace("everything is quick again")
	return fmt.Sprintf("%v for %v", base, d)
}

// span0 is a span from nothing, for scripts that draw from several goroutines.
func (w *world) span0(limit time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Duration(w.rand.Int64N(int64(limit)))
}
