package actors

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"nactor/naming"
	"nactor/naming/dual"
)

// service is the grain of one service. It owns the service's state, carries out one
// command after the other, and shows the outcome in the replica before it answers.
//
// Commands that come in while others wait in the mailbox are shown together: one view, and
// one commit, for many.
type service struct {
	*Services
	ctx     actor.Context
	handle  *handle
	state   *dual.Service
	rev     naming.Revision
	lineage naming.Lineage // what this life went on from, and has merged
	stored  uint64         // place in the store's log up to which the durable part is known
	shown   *naming.View   // last shown; nil: nothing
	base    *naming.View   // what this life went on from, for as long as another node may know more
	began   naming.Instant
	hearsay uint64   // life of another owner whose view alone was merged last; 0: none
	moved   bool     // another node serves this service: nothing is carried out any more
	leave   *dismiss // a dismissal that waits for the commit under way
	legacy  []stray  // what waits for it too
	stale   bool     // the store holds something that another node wrote

	held    []*call // applied, not yet shown or answered
	records []naming.Record
	dirty   bool // the state differs from the view shown
	since   int  // messages since the oldest held call
	waiting []*call

	timer *time.Timer
	alarm naming.Instant // when timer fires; valid while armed
	armed bool
	rang  naming.Instant // when it last did

	handled  uint64
	lastBeat naming.Instant
	current  *call
	noted    waiting // double write, as the node knows of it
}

// batch is a commit under way: what it will show, and whom it answers.
type batch struct {
	view  *naming.View // nil: the service is gone
	asked bool         // nothing is written: the answer of the store is waited for
	rev   naming.Revision
	calls []*call
}

type (
	ring      struct{}                              // the alarm of a service went off
	dismiss   struct{ done func(*naming.Heritage) } // the service goes to another node
	inherit   struct{ naming.Heritage }             // what another node knew
	reconcile struct{}                              // the store holds something that another node wrote
	rouse     struct{}                              // the service must be looked after
	beats     struct{ late []heard }                // heartbeats that were answered elsewhere
	committed struct {
		batch *batch
		err   error
	}
)

var ringing = &ring{}

// ringPause lets time-outs that fall close together be one pass over the instances.
const ringPause = 200 * time.Millisecond

// baseKept is for how long a grain can tell what another node knew more than the view that
// it went on from.
const baseKept = time.Minute

// maxBatch bounds how many commands are shown at once, and so how long the first of them
// waits for the last.
const maxBatch = 256

// Receive implements actor.Actor.
func (s *service) Receive(ctx actor.Context) {
	s.ctx = ctx
	defer s.contain()
	switch m := ctx.Message().(type) {
	case *call:
		s.handled++
		s.take(m)
	case *ring:
		s.armed, s.rang = false, s.Clock.Now()
		if s.handle.batch == nil && !s.moved && !s.stood() {
			s.step(nil, naming.Tick{})
		}
	case *committed:
		s.committed(m)
	case *beats:
		s.handle.pending.Add(-1)
		s.beats(m)
	case *rouse:
		s.handle.pending.Add(-1)
	case *inherit:
		s.handle.pending.Add(-1)
		s.inherit(m.Heritage)
	case *reconcile:
		s.handle.pending.Add(-1)
		s.reconcile()
	case *dismiss:
		s.handle.pending.Add(-1)
		s.dismiss(m)
	case *relayout:
		s.handle.pending.Add(-1)
		s.relayout(m)
	case *countUp:
		s.handle.pending.Add(-1)
		s.countUp(m)
	case *inspect:
		s.handle.pending.Add(-1)
		m.reply <- s.describe()
	case *actor.Started:
		s.wakeUp()
		s.watch()
		s.arm()
		return
	case *actor.Restarting, *actor.Stopping:
		s.disarm()
		return
	case *actor.Stopped:
		s.stopped()
		return
	default:
		return
	}
	s.noteBacklog()
	s.settle()
	s.rest()
}

// wakeUp starts a life of the service from what this node last showed of it.
func (s *service) wakeUp() {
	key, ok := naming.ParseIdentity(s.Identity(s.ctx.Self()))
	if !ok {
		panic(fmt.Sprintf("process %s is not a service", s.ctx.Self().Id))
	}
	for s.handle = s.handles.of(key); s.handle.pending.Load() < 0; s.handle = s.handles.of(key) {
		runtime.Gosched() // the life before this one is leaving
	}
	s.restore()
}

// stopped cleans up after a grain that its supervisor gave up on; the next call wakes
// another. One that retired has left nothing to clean.
func (s *service) stopped() {
	if s.handle == nil || s.handle.pending.Load() < 0 {
		return
	}
	s.handle.pending.Store(retired)
	s.shown = nil
	s.watch()
	s.forgetBacklog()
	s.place.Retire(ServiceKind, s.handle.key.String(), s.ctx.Self())
	s.handles.drop(s.handle)
}

// restore takes up the state from what this node shows; what was done since is undone.
func (s *service) restore() {
	now := s.Clock.Now()
	s.began, s.lineage, s.shown, s.base, s.stored, s.hearsay = now, nil, nil, nil, 0, 0
	s.dirty, s.records = false, nil
	s.forgetBacklog()
	after := uint64(0)
	if view := s.Views.View(s.handle.key); view != nil {
		s.state = dual.Restore(view, now, s.Layout())
		after = view.Revision.Activation
		s.lineage, s.shown, s.base, s.stored = view.Lineage.With(view.Revision, nil), view, view, view.Stored
		// What was only loaded is shown again, for the nodes that loaded something else.
		s.dirty = view.Revision.Activation == naming.Loaded
	} else {
		s.state = dual.New(s.handle.key, s.Layout())
	}
	s.rev = naming.Revision{Activation: s.activation(after)}
	s.reconcile()
}

// undo goes back to what this node shows. When instances were last heard of and which were
// deregistered is still known: to another owner who comes later, a life that knows nothing
// about it could not say that it had.
func (s *service) undo() {
	if s.shown == nil {
		s.restore()
		return
	}
	left := s.state.Heritage(s.shown, s.Clock.Now())
	s.restore()
	if s.shown != nil {
		s.remember(left)
	}
}

// remember takes over what a life of this service on this node has heard, but for the
// deregistrations that nobody was shown.
func (s *service) remember(h naming.Heritage) {
	h.Removed = slices.DeleteFunc(h.Removed, func(r naming.Removed) bool {
		in := s.shown.Find(r.Addr)
		return in != nil && in.Ephemeral
	})
	env := s.env(s.Clock.Now())
	s.dirty = s.state.Credit(env, h).Changed || s.dirty
	s.bury(env, h)
}

// take carries out a call, or keeps it until the commit under way has ended. Heartbeats
// never wait for a disk.
func (s *service) take(c *call) {
	if s.moved {
		c.err = errMoved
		s.reply(c)
		return
	}
	if _, beat := c.cmd.(naming.Beat); s.handle.batch != nil && !beat {
		s.waiting = append(s.waiting, c)
		return
	}
	s.step(c, c.cmd)
}

// step lets the state make one step. c is nil for the alarm.
func (s *service) step(c *call, cmd naming.Command) {
	s.current = c
	now := s.Clock.Now()
	e := s.state.Step(s.env(now), cmd)
	if in, ok := cmd.(naming.In); ok && in.Structure == s.state.Layout().Serves {
		cmd = in.Command
	}
	s.current = nil
	s.dirty = s.dirty || e.Changed
	s.records = append(s.records, e.Records...)
	if s.base != nil && now.Since(s.began) > baseKept {
		s.base = nil
	}
	if _, ok := cmd.(naming.Beat); ok && e.Result.Known {
		s.lastBeat = now
	}
	if c == nil {
		return
	}
	c.result, c.err, c.durable = e.Result, e.Err, len(e.Records) > 0
	if s.uncertain(c, cmd, e) {
		s.ask(c)
		return
	}
	if e.Changed {
		s.held = append(s.held, c)
		return
	}
	c.result.Revision = s.rev
	s.reply(c)
}

// settle shows what has changed, unless more is on its way that can be shown with it.
func (s *service) settle() {
	if s.handle.batch != nil || !s.dirty && len(s.records) == 0 {
		return
	}
	s.since++
	if int(s.handle.pending.Load()) > len(s.held)+len(s.waiting) && len(s.held) < maxBatch && s.since < maxBatch {
		return
	}
	s.rev.Counter++
	b := &batch{rev: s.rev, calls: s.held}
	if s.state.Exists() {
		b.view = s.state.View(s.rev)
		b.view.Lineage, b.view.Stored = s.lineage, s.stored
	}
	records := s.records
	s.held, s.records, s.dirty, s.since = nil, nil, false, 0
	if len(records) == 0 {
		s.show(b)
		return
	}
	s.handle.batch = b
	root, self := s.place.System().Root, s.ctx.Self()
	// On a goroutine of its own: the store must not do the grain's work.
	s.Store.Commit(records, func(err error) { go root.Send(self, &committed{b, err}) })
}

// show publishes a batch and answers its callers.
func (s *service) show(b *batch) {
	change := &change{key: s.handle.key, base: s.shown, next: b.view, gone: b.rev}
	s.shown = b.view
	s.watch()
	if b.view != nil {
		s.Views.Put(b.view)
	} else {
		s.graves.add(s.handle.key, b.rev, s.lineage)
		s.Views.Drop(s.handle.key, b.rev)
	}
	for _, c := range b.calls {
		c.result.Revision = b.rev
	}
	if s.mesh == nil {
		for _, c := range b.calls {
			s.reply(c)
		}
		return
	}
	// The calls do not wait for this grain any more, but for another node to have the change.
	s.handle.pending.Add(-int64(len(b.calls)))
	var done func()
	if calls := b.calls; len(calls) > 0 {
		done = func() {
			for _, c := range calls {
				c.answer()
			}
		}
	}
	s.mesh.feed.append(change, done)
}

// committed ends a commit. One that failed is undone by going back to what is shown, and
// so is what this life did on top of a commit that an earlier life began; commands that
// are not to blame are then carried out again.
func (s *service) committed(m *committed) {
	b := m.batch
	if s.handle.batch != b {
		return
	}
	s.handle.batch = nil
	var again []*call
	if b.asked {
		again = append(again, s.heardFromStore(b, m.err)...)
	} else if m.err == nil {
		if s.readBack() && b.view != nil {
			b.view.Stored = s.stored
		}
		s.show(b)
	} else {
		for _, c := range b.calls {
			if c.durable {
				c.err = m.err
				s.reply(c)
			} else {
				again = append(again, c)
			}
		}
	}
	if m.err != nil && !b.asked || b.rev.Activation != s.rev.Activation {
		s.undo()
		again = append(again, s.held...)
		s.held, s.records, s.since = nil, nil, 0
	}
	again = append(again, s.waiting...)
	s.waiting = nil
	if s.leave != nil && s.handle.batch == nil {
		// What was carried out meanwhile is undone by moving it, undone, to where it belongs.
		s.depart()
	}
	if s.handle.batch == nil {
		legacy := s.legacy
		s.legacy = nil
		for _, h := range legacy {
			s.inherit(h.at(time.Now()))
		}
		if s.stale {
			s.reconcile()
		}
	}
	for _, c := range again {
		s.take(c)
	}
}

func (s *service) reply(c *call) {
	c.answer()
	s.handle.pending.Add(-1)
}

// rest sets the alarm for the next deadline, and retires a service that needs nobody to
// look after it: one that is gone, or that has no instance and nothing to wait for, and of
// which nothing is known that another owner would have to be told.
func (s *service) rest() {
	_, waits := s.state.Deadline()
	if s.moved && s.handle.retire() {
		s.end()
		return
	}
	if s.moved {
		return
	}
	if s.state.Len() == 0 && s.state.Repairs() == 0 && !s.dirty && s.handle.batch == nil && (!waits || !s.state.Exists()) {
		if _, remembers := s.remembers(); !remembers && s.handle.retire() {
			s.end()
			return
		}
	}
	s.arm()
}

// remembers returns until when a node that was cut off may come back with an instance that was
// deregistered here.
func (s *service) remembers() (until naming.Instant, ok bool) {
	if s.mesh == nil {
		return 0, false
	}
	until, ok = s.state.Remembers()
	return until, ok && until > s.Clock.Now()
}

// watch has the instances checked that this grain shows; what it no longer shows is
// forgotten.
func (s *service) watch() {
	switch {
	case s.Health == nil:
	case s.shown == nil || s.moved:
		s.Health.Forget(s.handle.key)
	default:
		s.Health.Watch(s.shown)
	}
}

// end stops a grain whose handle has retired.
func (s *service) end() {
	s.disarm()
	s.forgetBacklog()
	s.place.Retire(ServiceKind, s.handle.key.String(), s.ctx.Self())
	s.handles.drop(s.handle)
	s.ctx.Stop(s.ctx.Self())
}

func (s *service) env(now naming.Instant) naming.Env {
	return naming.Env{Now: now, Rules: s.rules.Load(), Stamp: s.stamp(), Present: s.present}
}

// arm sets the alarm for the next deadline.
func (s *service) arm() {
	deadline, waits := s.state.Deadline()
	if s.state.Len() == 0 { // not with each heartbeat
		if until, remembers := s.remembers(); remembers && (!waits || until < deadline) {
			deadline, waits = until, true // it can retire then
		}
	}
	if !waits || s.handle.batch != nil || s.armed && s.alarm <= deadline {
		return
	}
	if s.rang != 0 {
		deadline = max(deadline, s.rang.Add(ringPause))
	}
	after := max(0, deadline.Since(s.Clock.Now()))
	s.alarm, s.armed = deadline, true
	if s.timer == nil {
		root, self := s.place.System().Root, s.ctx.Self()
		s.timer = time.AfterFunc(after, func() { root.Send(self, ringing) })
		return
	}
	s.timer.Reset(after)
}

func (s *service) disarm() {
	if s.timer != nil {
		s.timer.Stop()
	}
	s.armed = false
}

// contain keeps a panic to this grain: whoever waits for it is told, and the supervisor
// starts a new life from what is shown. The command that did it is not tried again.
func (s *service) contain() {
	r := recover()
	if r == nil {
		return
	}
	s.restarts.Add(1)
	key := "?"
	if s.handle != nil {
		key = s.handle.key.String()
	}
	s.Logger.Error("service failed and is restarted", "service", key, "panic", r, "stack", string(debug.Stack()))
	if c := s.current; c != nil {
		s.current = nil
		c.err = fmt.Errorf("service %s failed at this request and was restarted: %v", key, r)
		s.reply(c)
	}
	for _, c := range append(s.held, s.waiting...) {
		c.err = naming.Unavailable("service %s was restarted before it could answer; try again", key)
		s.reply(c)
	}
	s.held, s.waiting = nil, nil
	if s.leave != nil {
		s.leave.done(nil)
	}
	panic(r)
}
