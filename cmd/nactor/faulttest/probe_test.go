package faulttest

import (
	"sync"
	"sync/atomic"
	"time"
)

// probes write to some services through some nodes, without ever asking another one.
type probes struct {
	r     *run
	since instant      // of the fault
	after atomic.Int64 // instant at which it has happened; 0: not yet
	wg    sync.WaitGroup
	begun sync.WaitGroup

	mu    sync.Mutex
	times []time.Duration
}

// probe starts to write to each of the services through each of the nodes and returns when
// each has worked once.
func (r *run) probe(services []int, persistent bool, through []*node) *probes {
	p := &probes{r: r}
	for _, s := range services {
		for _, n := range through {
			in := r.history.newInstance(s, persistent)
			p.begun.Add(1)
			p.wg.Go(func() { p.write(in, n) })
		}
	}
	p.begun.Wait()
	return p
}

// patience is how long a probe waits until a write works again.
const patience = 20 * time.Second

// write writes until a write works that began after the fault.
func (p *probes) write(in *instance, n *node) {
	begun := sync.OnceFunc(p.begun.Done)
	defer begun()
	began := p.r.history.now()
	for {
		call := p.r.history.now()
		out := p.r.load.attempt(in, register, n)
		after, now := instant(p.after.Load()), p.r.history.now()
		switch {
		case out == acked && after > 0 && call >= after:
			p.took(now - p.since)
			return
		case after > 0 && now-after > patience, after == 0 && now-began > time.Minute:
			p.took(patience)
			return
		case out == acked:
			begun()
		}
		if !pause(20*time.Millisecond, p.r.load.stop) {
			return
		}
	}
}

func (p *probes) took(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.times = append(p.times, d)
}

// fault causes a fault and returns how long after it each probe's writes worked again.
func (p *probes) fault(cause func()) []time.Duration {
	p.since = p.r.history.now()
	cause()
	p.after.Store(int64(p.r.history.now()))
	p.wg.Wait()
	return p.times
}
