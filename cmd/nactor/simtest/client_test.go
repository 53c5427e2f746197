package simtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"nactor/naming"
)

// client is one instance and the SDK that looks after it: it registers, beats, and goes
// again, through whichever node it picks.
type client struct {
	w    *world
	name string
	key  naming.Key
	ip   string
	port int
	rand *rand.Rand

	mu sync.Mutex
	fate
}

// fate is what a client knows of its instance.
type fate struct {
	phase   phase
	reg     ack       // of the last registration that was acknowledged
	beats   []ack     // the latest, also registrations
	unsure  time.Time // when something that failed may have been carried out at the latest
	end     ack       // of the deregistration
	missed  bool      // the node that took it did not show the instance
	stopped time.Time // when the last request that keeps the instance alive was made
}

// ack is an answer: when it came and who gave it.
type ack struct {
	at   time.Time
	node string
}

type phase int

const (
	idle phase = iota
	starting
	up
	stopping // its deregistration is under way
	left     // its deregistration was acknowledged
	crashed  // it beats no more, without a word
)

const (
	requestTime = 6 * time.Second // how long a client waits for one answer
	lingering   = naming.MaxRequestTime + time.Second
	beatEvery   = naming.DefaultBeatInterval
	attempts    = 3 // nodes that are tried for one request
	keptBeats   = 16
)

func (w *world) newClient(i int, key naming.Key) *client {
	return &client{
		w: w, name: fmt.Sprintf("client%d", i), key: key, ip: fmt.Sprintf("10.1.%d.%d", i/250, i%250+1), port: 8080,
		rand: rand.New(rand.NewPCG(w.seed, uint64(1000+i))),
	}
}

func (c *client) addr() naming.Addr {
	return naming.Addr{IP: c.ip, Port: c.port, Cluster: naming.DefaultCluster}
}

func (c *client) instance(ephemeral bool) *naming.Instance {
	return &naming.Instance{
		IP: c.ip, Port: c.port, Cluster: naming.DefaultCluster, Weight: 1, Enabled: true, Healthy: true, Ephemeral: ephemeral,
	}
}

// state returns a copy of what the client knows.
func (c *client) state() fate {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.fate
	f.beats = append([]ack(nil), f.beats...)
	return f
}

func (c *client) set(edit func(*fate)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	edit(&c.fate)
}

// ask sends a request to one node after the other until one answers.
func (c *client) ask(cmd func() naming.Command) (naming.Result, ack, error) {
	err := errGone
	nodes := c.w.serving()
	for i, at := range c.rand.Perm(len(nodes)) {
		if i == attempts {
			break
		}
		n := nodes[at]
		var r naming.Result
		r, err = c.w.request(n, c.key, cmd())
		if err == nil {
			return r, ack{time.Now(), n.name}, nil
		}
		if !errors.Is(err, errGone) {
			c.set(func(f *fate) { f.unsure = time.Now().Add(lingering) })
			c.w.trace("%s %T at %s: %v", c.name, cmd(), n.name, err)
		}
	}
	return naming.Result{}, ack{}, err
}

// request is one request to one node.
func (w *world) request(n *node, key naming.Key, cmd naming.Command) (naming.Result, error) {
	ctx, cancel := context.WithTimeout(context.Background(), requestTime)
	defer cancel()
	if !w.awake(ctx, n) {
		return naming.Result{}, errUnknown
	}
	r, err := n.do(ctx, key, cmd)
	if !w.awake(ctx, n) {
		return naming.Result{}, errUnknown // the answer came too late
	}
	return r, err
}

// awake waits until a node is not paused.
func (w *world) awake(ctx context.Context, n *node) bool {
	for w.net.Paused(n.name) {
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return false
		case <-n.life.Done():
			return false
		}
	}
	return true
}

// heard notes an acknowledgement that keeps the instance alive.
func (f *fate) heard(a ack) {
	f.beats = append(f.beats, a)
	if len(f.beats) > keptBeats {
		f.beats = f.beats[1:]
	}
}

// register registers the instance, until it is acknowledged or stop is closed.
func (c *client) register(stop <-chan struct{}) bool {
	for {
		c.set(func(f *fate) { f.stopped = time.Now() })
		_, a, err := c.ask(func() naming.Command { return naming.Register{Instance: c.instance(true)} })
		if err == nil {
			c.set(func(f *fate) {
				f.phase, f.reg = up, a
				f.heard(a)
			})
			return true
		}
		if !c.sleep(time.Second, stop) {
			return false
		}
	}
}

// beat beats once; a server that does not know the instance is told of it again.
func (c *client) beat(stop <-chan struct{}) {
	c.set(func(f *fate) { f.stopped = time.Now() })
	r, a, err := c.ask(func() naming.Command { return naming.Beat{Addr: c.addr()} })
	switch {
	case err != nil:
	case r.Known:
		c.set(func(f *fate) { f.heard(a) })
	default:
		c.w.trace("%s is not known at %s and registers again", c.name, a.node)
		c.register(stop)
	}
}

// deregister withdraws the instance until that is acknowledged.
func (c *client) deregister(stop <-chan struct{}) {
	c.set(func(f *fate) { f.phase = stopping })
	// Two nodes that do not hear each other cannot tell which came first, a last beat at one
	// of them or the end of the instance at the other, when both come at once.
	time.Sleep(500 * time.Millisecond)
	for {
		shown := map[string]bool{}
		for _, n := range c.w.serving() {
			v := n.views.View(c.key)
			shown[n.name] = v != nil && v.FindClient(c.ip, c.port, true) != nil
		}
		_, a, err := c.ask(func() naming.Command { return naming.Deregister{Addr: c.addr(), Ephemeral: true} })
		if err == nil {
			c.set(func(f *fate) { f.phase, f.end, f.missed = left, a, !shown[a.node] })
			return
		}
		if !c.sleep(time.Second, stop) {
			return
		}
	}
}

// live beats for a while.
func (c *client) live(d time.Duration, stop <-chan struct{}) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		if !c.sleep(beatEvery, stop) {
			return
		}
		c.beat(stop)
	}
}

// run lives one life after the other until stop is closed; once quiet is, it stays as it is,
// and beats if it lives.
func (c *client) run(quiet, stop <-chan struct{}) {
	for {
		if !c.sleep(c.span(time.Second, 20*time.Second), quiet) {
			return
		}
		c.set(func(f *fate) { *f = fate{phase: starting, unsure: f.unsure} })
		if !c.register(stop) {
			return
		}
		c.live(c.span(20*time.Second, 4*time.Minute), quiet)
		if closed(quiet) {
			c.live(time.Hour, stop)
			return
		}
		if c.rand.IntN(3) == 0 {
			c.set(func(f *fate) { f.phase = crashed })
			if !c.sleep(naming.DefaultDeleteTimeout+20*time.Second, stop) {
				return
			}
			continue
		}
		c.deregister(stop)
	}
}

func (c *client) span(low, high time.Duration) time.Duration {
	return low + time.Duration(c.rand.Int64N(int64(high-low)))
}

// sleep reports false when stop was closed first.
func (c *client) sleep(d time.Duration, stop <-chan struct{}) bool {
	select {
	case <-time.After(d):
		return true
	case <-stop:
		return false
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
