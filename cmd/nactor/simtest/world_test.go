package simtest

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nactor/cluster/simnet"
	"nactor/naming"
)

// world is a cluster in virtual time.
type world struct {
	t       *testing.T
	seed    uint64
	rand    *rand.Rand // of the script; others draw from their own
	net     *simnet.Network
	ledger  *ledger
	names   []string
	minAcks int
	began   time.Time

	upgrades bool              // the nodes go by what the cluster decides; else by 2.0
	versions map[string]string // of nodes; newVersion for one that is not there
	judge    *referee          // of the upgrade; nil: none

	mu    sync.Mutex
	nodes map[string]*node
	lines []string
	sky   weather
	trap  *trap
	wg    sync.WaitGroup
}

// inWorld runs a script with hosts of these names, none of them booted.
func inWorld(t *testing.T, seed uint64, names []string, script func(*world)) {
	// What is pooled by an earlier world must not be used in this one: its timers are of
	// another time. Two collections empty a sync.Pool.
	runtime.GC()
	runtime.GC()
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			t: t, seed: seed, rand: rand.New(rand.NewPCG(seed, 1)), net: simnet.New(seed), names: names, minAcks: 1,
			began: time.Now(), nodes: map[string]*node{}, versions: map[string]string{},
		}
		w.ledger = newLedger(w)
		for _, name := range names {
			w.net.IP(name)
		}
		defer func() {
			if t.Failed() {
				w.report()
			}
		}()
		defer w.tearDown()
		script(w)
	})
}

// tearDown ends all processes and waits for what sleeps.
func (w *world) tearDown() {
	w.net.Heal()
	for _, n := range w.all() {
		w.net.Resume(n.name)
		n.kill()
	}
	w.wg.Wait()
	time.Sleep(time.Minute)
}

func (w *world) add(n *node) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.nodes[n.name] = n
}

// node returns the last life of a node.
func (w *world) node(name string) *node {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.nodes[name]
}

// all returns the last lives of all nodes, in a fixed order.
func (w *world) all() []*node {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []*node
	for _, name := range w.names {
		if n := w.nodes[name]; n != nil {
			out = append(out, n)
		}
	}
	return out
}

// serving returns the nodes that answer clients.
func (w *world) serving() []*node {
	return slices.DeleteFunc(w.all(), func(n *node) bool { return !n.serving.Load() })
}

// version returns what a node presents itself as when it is started.
func (w *world) version(name string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return cmp.Or(w.versions[name], newVersion)
}

// start boots a node and takes it into service, in the background.
func (w *world) start(name string) *node {
	w.trace("start %s", name)
	n := w.boot(name)
	w.wg.Go(func() {
		if err := n.becomeReady(); err == nil {
			w.trace("%s serves", name)
		} else if n.life.Err() == nil {
			w.trace("%s does not start: %v", name, err)
			n.refusal.Store(&err)
		}
	})
	return n
}

// startAll starts all nodes and waits until they serve.
func (w *world) startAll() {
	for _, name := range w.names {
		w.start(name)
	}
	w.within(15*time.Second, "all nodes serve", func() bool { return len(w.serving()) == len(w.names) })
}

// kill ends a node without a word.
func (w *world) kill(name string) {
	w.trace("kill %s", name)
	w.node(name).kill()
}

// majority reports whether a node lives and reaches most of all nodes.
func (w *world) majority(name string) bool {
	here := 0
	for _, other := range w.names {
		if other == name || w.net.Connected(name, other) {
			here++
		}
	}
	return 2*here > len(w.names)
}

// owner returns the node that serves a service in its own view; nil for none.
func (w *world) owner(key naming.Key) *node {
	for _, n := range w.serving() {
		if n.services.Owner(key) == n.name {
			return n
		}
	}
	return nil
}

// within waits until cond holds and returns how long that took.
func (w *world) within(limit time.Duration, what string, cond func() bool) time.Duration {
	w.t.Helper()
	begun := time.Now()
	for !cond() {
		if time.Since(begun) > limit {
			w.t.Fatalf("%s: not within %v", what, limit)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(begun)
}

// trace notes an event for the report of a failure.
func (w *world) trace(format string, args ...any) {
	line := fmt.Sprintf("%10.3f ", time.Since(w.began).Seconds()) + fmt.Sprintf(format, args...)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, line)
}

// linesWith returns the last lines of the trace that contain text.
func (w *world) linesWith(text string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, line := range w.lines {
		if strings.Contains(line, text) {
			out = append(out, line)
		}
	}
	return strings.Join(out[max(0, len(out)-20):], "\n")
}

// How much of the trace is shown before and after the first violation.
const (
	eventsBefore = 80
	eventsAfter  = 20
)

// report shows what led to a failure.
func (w *world) report() {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines := w.lines
	first := slices.IndexFunc(lines, func(line string) bool { return strings.Contains(line, "VIOLATION") })
	if first < 0 {
		first = len(lines)
	}
	from, to := max(0, first-eventsBefore), min(len(lines), first+eventsAfter)
	w.t.Logf("%d events, of which %d to %d:\n%s", len(lines), from, to, strings.Join(lines[from:to], "\n"))
}

func (w *world) quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// log returns a logger whose lines are part of the trace.
func (w *world) log(name string) *slog.Logger { return slog.New(tracer{w, name}) }
