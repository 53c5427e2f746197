package dual

import (
	"errors"
	"fmt"
	"time"

	"nactor/naming"
	"nactor/naming/upgrade"
)

// backlog is the double write that waits.
type backlog struct {
	task     upgrade.Task
	since    naming.Instant // first change that waits
	at       naming.Instant // when it is carried out
	attempts int            // that failed
	failure  error          // of the last one
	repairs  int            // of an operator, on the structure that does not serve; see repair.go
}

// A double write that failed is tried again after 1 s, 2 s, 4 s, … and at last every 30 s.
const (
	firstPause = time.Second
	lastPause  = 30 * time.Second
)

// add merges a task in. The time is that of the first change: a service that changes all
// the time is double written all the time, not never.
func (b *backlog) add(task upgrade.Task, now naming.Instant, delay time.Duration) {
	if !b.task.Pending() && task.Pending() {
		b.since, b.at = now, now.Add(delay)
	}
	b.task = b.task.Merge(task)
}

func (b *backlog) due(now naming.Instant) bool { return b.task.Pending() && b.at <= now }

// failed puts the task off.
func (b *backlog) failed(now naming.Instant, err error) {
	pause := lastPause
	if b.attempts < 5 {
		pause = min(firstPause<<b.attempts, lastPause)
	}
	b.at, b.failure = now.Add(pause), err
	b.attempts++
}

// catchUp brings the other structure to what the one that serves shows. After a failure the
// other begins from nothing, for nobody knows what it holds.
func (p *pair) catchUp(now naming.Instant) bool {
	err := p.copy(now)
	if err != nil {
		p.renew(p.layout.Serves.Other())
		p.backlog.failed(now, err)
		return false
	}
	p.backlog = backlog{}
	return true
}

// convert builds the other structure. If that fails it is tried again later.
func (p *pair) convert(now naming.Instant) bool {
	p.backlog = backlog{task: upgrade.Task{Content: upgrade.Both}, since: now, at: now}
	return p.catchUp(now)
}

var errUnlike = errors.New("the structures differ after the double write")

// copy carries out the double write and looks whether it worked.
func (p *pair) copy(now naming.Instant) (err error) {
	p.compared = false
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the double write of service %s failed: %v", p.key, r)
		}
	}()
	if p.fault != nil {
		p.fault()
	}
	if p.layout.Serves == V1 {
		upgrade.ToV2(now, p.one, p.two)
	} else {
		upgrade.ToV1(now, p.two, p.one)
	}
	if p.inSync() {
		return nil
	}
	for d := range upgrade.Diff(p.views()) {
		return fmt.Errorf("%w: %v", errUnlike, d)
	}
	return errUnlike
}
