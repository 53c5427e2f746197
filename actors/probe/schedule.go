package probe

import (
	"container/heap"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"nactor/naming"
)

const (
	// firstCheck is the least delay of the first check (Nacos, HealthCheckTaskV2).
	firstCheck = 2 * time.Second

	// grain lets checks that fall due close together share one wake-up.
	grain = 10 * time.Millisecond

	// minInterval holds whatever the switches say.
	minInterval = 100 * time.Millisecond

	idle = time.Hour // nothing to check; wake ends it
)

// schedule starts the checks that fall due, as many at once as there are slots, until Stop.
func (p *Prober) schedule() {
	timer := time.NewTimer(idle)
	defer timer.Stop()
	for {
		t, bySQL, wait := p.next()
		if t == nil {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-p.wake:
			case <-p.ctx.Done():
				return
			}
			continue
		}
		select {
		case p.slots <- struct{}{}:
		case <-p.ctx.Done():
			return
		}
		p.checks.Go(func() {
			defer func() { <-p.slots }()
			p.check(t)
			if bySQL {
				p.doneBySQL()
			}
		})
	}
}

// next takes the next target whose check is due; if none is, it says how long that stays so.
// bySQL: doneBySQL is to be called after the check.
func (p *Prober) next() (_ *target, bySQL bool, wait time.Duration) {
	switches := p.cfg.Switches()
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Since(p.began)
	for {
		t := p.due.first()
		if t == nil {
			return nil, false, idle
		}
		if t.due > now {
			return nil, false, max(t.due-now, grain)
		}
		p.due.remove(t)
		bySQL := t.plan.kind == kindMySQL
		switch {
		case !enabled(switches, t.key):
		case bySQL && p.bySQL >= p.cfg.MySQL:
			p.waiting = append(p.waiting, t)
			continue
		case bySQL:
			p.bySQL++
			return t, true, 0
		default:
			return t, false, 0
		}
		// As in Nacos the turn is skipped, so that checks go on by themselves once they are
		// enabled again.
		p.enqueue(t, now+p.pause(t, t.plan.params(switches)))
	}
}

// doneBySQL lets the next target have a check by MYSQL. With none under way nobody waits:
// the next one may be checked otherwise by now, and not call this.
func (p *Prober) doneBySQL() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bySQL--
	for len(p.waiting) > 0 {
		t := p.waiting[0]
		p.waiting[0] = nil
		p.waiting = p.waiting[1:]
		if t.gone {
			continue
		}
		p.enqueue(t, time.Since(p.began))
		if p.bySQL > 0 {
			return
		}
	}
}

// bounds are the switches that Retune looks at.
type bounds [3]naming.HealthParams

func boundsOf(s *naming.Switches) bounds {
	return bounds{s.TCPHealthParams, s.HTTPHealthParams, s.MySQLHealthParams}
}

// Retune is to be called when the switches have changed: targets that wait longer than they
// may now are checked earlier. Without it they keep the turn that they have.
func (p *Prober) Retune() {
	switches := p.cfg.Switches()
	p.mu.Lock()
	defer p.mu.Unlock()
	if b := boundsOf(switches); b == p.bounds {
		return
	} else {
		p.bounds = b
	}
	now := time.Since(p.began)
	for _, t := range p.due.heap {
		limit := max(millis(t.plan.params(switches).Max), minInterval)
		t.interval = min(t.interval, limit)
		if t.due-now > limit {
			t.due = now + rand.N(limit) // not all at once
		}
	}
	heap.Init(&p.due.heap)
	p.nudge()
}

// enabled reports whether the switches let the instances of a service be checked (Nacos,
// SwitchDomain).
func enabled(s *naming.Switches, key naming.Key) bool {
	return s.HealthCheckEnabled || slices.Contains(s.HealthCheckWhiteList, key.Grouped())
}

// enqueue schedules a check. p.mu is held.
func (p *Prober) enqueue(t *target, due time.Duration) {
	p.due.push(t, due)
	if t.index == 0 {
		p.nudge()
	}
}

// nudge makes the scheduler look at the queue again.
func (p *Prober) nudge() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// pause returns the time from one check to the next: the adapted interval, longer if
// else there were more checks a second than the prober may make, but never longer than the
// switches allow. p.mu is held.
func (p *Prober) pause(t *target, params naming.HealthParams) time.Duration {
	pace := time.Duration(p.targets) * time.Second / time.Duration(p.cfg.Rate)
	d := max(t.interval, pace)
	if limit := millis(params.Max); d > limit {
		d = limit
	}
	return max(d, t.interval, minInterval)
}

// adapt moves the interval towards took, which is how long the answer took or what it is
// counted as (Nacos, reEvaluateCheckRt).
func (t *target) adapt(took time.Duration, params naming.HealthParams) {
	d := time.Duration(params.Factor*float64(t.interval) + (1-params.Factor)*float64(took))
	t.interval = max(min(d, millis(params.Max)), millis(params.Min), minInterval)
}

// millis returns n ms, from 0 to a day: operators set it.
func millis(n int) time.Duration {
	return time.Duration(min(max(n, 0), 24*60*60*1000)) * time.Millisecond
}

// check makes one check, reports what follows from it, and schedules the next.
func (p *Prober) check(t *target) {
	p.mu.Lock()
	plan, gone := t.plan, t.gone
	p.mu.Unlock()
	if gone {
		return
	}
	begin := time.Now()
	out := p.probe(plan, t.addr)
	took := time.Since(begin)
	if p.ctx.Err() != nil {
		return
	}
	if out.finding == nothing {
		p.unlearnt.log(p.cfg.Logger.Warn, "a check could not be made; the health stays as it is", "service", t.key.String(), "instance", place(t.addr), "check", out.String())
	}
	switches := p.cfg.Switches()
	if healthy, changed := p.judge(t, plan, out, switches); changed {
		p.report(t, healthy, out)
	}

	p.mu.Lock()
	defer p.mu.Unlock()
	if t.gone {
		return
	}
	params := plan.params(switches)
	switch {
	case out.finding == passed:
	case out.busy:
		took = 2 * t.interval
	default:
		took = millis(params.Max)
	}
	t.adapt(took, params)
	p.enqueue(t, time.Since(p.began)+p.pause(t, params))
}

// judge counts what a check found and tells whether the health has to change, and to what
// (Nacos, HealthCheckCommonV2).
func (p *Prober) judge(t *target, by *plan, out outcome, switches *naming.Switches) (healthy, changed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.gone || t.plan != by || !enabled(switches, t.key) {
		return false, false // what was found is about something else by now, or not asked for
	}
	switch out.finding {
	case passed:
		t.failed = 0
		if t.healthy {
			return false, false
		}
		t.ok++
		return true, t.ok >= switches.CheckTimes
	case failed:
		t.ok = 0
		if !t.healthy {
			return false, false
		}
		t.failed++
		return false, t.failed >= switches.CheckTimes
	case failedNow:
		t.ok = 0
		return false, t.healthy
	}
	return false, false
}

// report has the change carried out. The counters stay until a view shows it, so that the
// next check reports it again should this fail.
func (p *Prober) report(t *target, healthy bool, out outcome) {
	ctx, cancel := context.WithTimeout(p.ctx, reportTimeout)
	defer cancel()
	if err := p.cfg.Report(ctx, t.key, naming.SetHealth{Addr: t.addr, Healthy: healthy, Probe: true}); err != nil {
		if p.ctx.Err() == nil {
			p.unreported.log(p.cfg.Logger.Warn, "a change of health could not be carried out; it is tried again", "service", t.key.String(), "instance", place(t.addr), "err", err)
		}
		return
	}
	p.cfg.Logger.Info("health changed by a check", "service", t.key.String(), "instance", place(t.addr), "healthy", healthy, "check", out.String())
}

// place renders an address as Nacos logs it.
func place(a naming.Addr) string { return fmt.Sprintf("%s:%d@%s", a.IP, a.Port, a.Cluster) }

// complaint logs something that may happen to thousands of instances a second, at most once
// a minute.
type complaint struct {
	mu      sync.Mutex
	last    time.Time
	skipped int
}

func (c *complaint) log(write func(string, ...any), msg string, args ...any) {
	c.mu.Lock()
	if !c.last.IsZero() && time.Since(c.last) < time.Minute {
		c.skipped++
		c.mu.Unlock()
		return
	}
	skipped := c.skipped
	c.last, c.skipped = time.Now(), 0
	c.mu.Unlock()
	write(msg, append(args, "unlogged", skipped)...)
}
