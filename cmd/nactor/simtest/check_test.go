package simtest

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"nactor/naming"
)

// weather is what the faults have done to the network, for the checker: what may be
// expected of a node depends on it.
type weather struct {
	rough  bool      // losses, one-way cuts, pauses: only what comes after is judged
	split  bool      // clean cuts: each side is judged by itself
	turned time.Time // when it last became rough or split
	healed time.Time // when it last was neither
	event  time.Time // when a node last came or went, or the network last changed
	paused time.Time // when a node was last paused
}

func (w *world) setWeather(rough, split bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if was := w.sky.rough || w.sky.split; was && !rough && !split {
		w.sky.healed = now
	} else if rough || split {
		w.sky.turned = now
	}
	w.sky.rough, w.sky.split, w.sky.event = rough, split, now
}

// happened notes that a node came or went.
func (w *world) happened() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sky.event = time.Now()
}

// slept reports whether a node may have been paused at that time.
func (sky weather) slept(at time.Time) bool {
	return !sky.paused.IsZero() && !at.Before(sky.paused) && !at.After(sky.healed)
}

func (w *world) weather() weather {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sky
}

// What is promised, with a little room for the checker's own pace.
const (
	pollEvery   = 500 * time.Millisecond
	listedAfter = time.Second      // from an acknowledgement to every list
	mergedAfter = 10 * time.Second // from a heal to what is promised without one
	movedAfter  = 8 * time.Second  // from the loss of an owner to a new one
	beatMargin  = time.Second      // before a time-out
	lostBeats   = 7 * time.Second  // a beat that died with the node that took it, and another to come
	expirySlack = 5 * time.Second
)

// checker compares what nodes show with what clients know.
type checker struct {
	w        *world
	clients  []*client
	seen     map[string]bool // node/process/client: was shown healthy at the last look
	told     map[string]bool // of what was wrong with a client
	failures atomic.Int64
	looks    atomic.Int64
}

func newChecker(w *world, clients []*client) *checker {
	return &checker{w: w, clients: clients, seen: map[string]bool{}, told: map[string]bool{}}
}

// maxFailures is how many are told of before the rest is silence.
const maxFailures = 8

// fail reports what is wrong with a client, once.
func (k *checker) fail(c *client, format string, args ...any) {
	if k.told[c.name] {
		return
	}
	k.told[c.name] = true
	k.failures.Add(1)
	text := fmt.Sprintf(format, args...)
	k.w.trace("VIOLATION %s", text)
	for _, b := range c.state().beats {
		k.w.trace("  beat %.3f at %s", b.at.Sub(k.w.began).Seconds(), b.node)
	}
	for _, n := range k.w.serving() {
		k.w.trace("  %s", n.describe(c.key))
	}
	if k.failures.Load() <= maxFailures {
		k.w.t.Errorf("%.3f s: %s", time.Since(k.w.began).Seconds(), text)
	}
}

// run looks now and then until stop is closed.
func (k *checker) run(stop <-chan struct{}) {
	t := time.NewTicker(pollEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			k.look()
		case <-stop:
			return
		}
	}
}

// look examines every node's list of every client.
func (k *checker) look() {
	sky := k.w.weather()
	seen := map[string]bool{}
	for _, n := range k.w.serving() {
		for _, c := range k.clients {
			k.looks.Add(1)
			f := c.state()
			v := n.views.View(c.key)
			var in *naming.Instance
			if v != nil {
				in = v.FindClient(c.ip, c.port, true)
			}
			id := n.host.IP() + n.members().Find(n.name).Process + c.name
			if in != nil && in.Healthy && f.phase == up {
				seen[id] = true
			}
			k.judge(n, c, f, in, sky, k.seen[id])
		}
	}
	k.seen = seen
}

// judge holds one node's list against one client's fate.
func (k *checker) judge(n *node, c *client, f fate, in *naming.Instance, sky weather, was bool) {
	now := time.Now()
	switch f.phase {
	case up:
		k.present(n, c, f, in, sky, was, now)
	case left:
		after := latest(f.end.at.Add(listedAfter), sky.healed.Add(mergedAfter))
		if sky.event.Add(movedAfter).After(f.end.at) {
			after = latest(after, sky.event.Add(movedAfter))
		}
		if sky.rough || in == nil || now.Before(after) || sky.split && !k.near(n, f.end, sky) {
			return
		}
		if f.unsure.After(f.end.at) || f.unsure.After(f.stopped) || f.missed || sky.slept(f.end.at) {
			// An earlier request may have been carried out after the deregistration; or there
			// was nothing to deregister on that side of a cut; or another side slept, and took
			// the last beat that it knows of for a later one. Then the instance is one that
			// crashed.
			k.expired(n, c, f, in, sky, now)
			return
		}
		k.fail(c, "I6: %s shows %s, %v after its deregistration at %s", n.name, c.name, now.Sub(f.end.at), f.end.node)
	case crashed:
		k.expired(n, c, f, in, sky, now)
	}
}

// expired checks that an instance without beats goes.
func (k *checker) expired(n *node, c *client, f fate, in *naming.Instance, sky weather, now time.Time) {
	// Whoever takes over grants a full time-out.
	after := latest(f.stopped.Add(lingering), f.unsure, sky.event.Add(movedAfter), sky.healed.Add(mergedAfter)).
		Add(naming.DefaultDeleteTimeout + expirySlack)
	if in != nil && now.After(after) && !sky.rough {
		k.fail(c, "I6: %s shows %s, which has not beaten for %v", n.name, c.name, now.Sub(f.stopped))
	}
}

// present checks that an instance that beats is shown, and healthy.
func (k *checker) present(n *node, c *client, f fate, in *naming.Instance, sky weather, was bool, now time.Time) {
	if sky.rough || in != nil && in.Healthy {
		return
	}
	beat, ok := k.lastHeard(n, f, sky)
	if !ok {
		return
	}
	margin := beatMargin
	if now.Sub(sky.event) < 2*naming.DefaultBeatTimeout {
		margin = lostBeats
	}
	if now.Sub(beat.at) > naming.DefaultBeatTimeout-margin {
		return
	}
	settled := now.Sub(sky.healed) >= mergedAfter && now.Sub(sky.event) >= movedAfter
	// What was shown stays, whatever happens; what is new may have to wait for an owner.
	if !was && (!settled || now.Sub(f.reg.at) < listedAfter || sky.split && !k.near(n, f.reg, sky)) {
		return
	}
	if was && !settled && now.Sub(sky.healed) < mergedAfter && !sky.healed.IsZero() {
		return // a heal may bring what the other side believed
	}
	what := "does not show"
	if in != nil {
		what = "shows unhealthy"
	}
	k.fail(c, "I1/I5: %s %s %s: registered %v ago at %s, last beat %v ago at %s (shown before: %v, owner %s)", n.name, what, c.name,
		now.Sub(f.reg.at), f.reg.node, now.Sub(beat.at), beat.node, was, n.services.Owner(c.key))
}

// lastHeard returns the last acknowledgement that reached the node's side of the network,
// and had time to be known to all there.
func (k *checker) lastHeard(n *node, f fate, sky weather) (ack, bool) {
	for _, b := range slices.Backward(f.beats) {
		if time.Since(b.at) >= listedAfter && (!sky.split || k.near(n, b, sky)) {
			return b, true
		}
	}
	return ack{}, false
}

// near reports whether an answer came from the node's side, or before there were sides.
func (k *checker) near(n *node, a ack, sky weather) bool {
	return a.at.Before(sky.turned) || a.node == n.name || k.w.net.Connected(a.node, n.name)
}

func latest(times ...time.Time) time.Time {
	var out time.Time
	for _, t := range times {
		if t.After(out) {
			out = t
		}
	}
	return out
}
