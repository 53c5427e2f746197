package actors

import (
	"time"

	"nactor/naming"
	"nactor/naming/dual"
	"nactor/naming/v1"
)

// inherit brings what another node knew of a service into the grain, which is brought to
// life if it is not.
func (s *Services) inherit(h naming.Heritage) {
	key := h.View.Key
	if !s.handles.active(key) && h.View.Revision != (naming.Revision{}) {
		// The grain goes on from the newest view.
		if mine := s.Views.View(key); mine == nil || h.View.Follows(mine.Revision) {
			s.Views.Put(h.View)
		}
	}
	s.post(key, &inherit{h})
}

// rouse wakes the grain of a service that needs to be looked after: one with instances, one
// that waits for its removal, one that was only loaded.
func (s *Services) rouse(v *naming.View) {
	if len(v.Instances) > 0 || v.Meta == nil || v1.Implied(v.Meta) || v.Revision.Activation == naming.Loaded {
		s.post(v.Key, &rouse{})
	}
}

// Reconcile tells that the store holds something about these services that another node
// wrote. It returns at once.
func (s *Services) Reconcile(keys []naming.Key) {
	if s.keeper == nil {
		return
	}
	s.keeper.later(func() {
		for _, key := range keys {
			if g := s.keeper.table.Load().gates[key.Partition()]; g != nil && g.open.Load() {
				s.post(key, &reconcile{})
			} else {
				s.reload(key)
			}
		}
	})
}

// reload shows again what was loaded from the store, while no owner has shown the service.
// Once this node serves, owners do so.
func (s *Services) reload(key naming.Key) {
	rev := naming.Revision{Activation: naming.Loaded}
	v := s.Views.View(key)
	switch {
	case v != nil && v.Revision.Activation != naming.Loaded, v == nil && s.serving.Load():
		return
	case v != nil:
		rev.Counter = v.Revision.Counter + 1
	}
	saved, ok := s.Saved(key)
	if !ok {
		s.Views.Drop(key, rev)
		return
	}
	s.Views.Put(dual.FromSaved(saved, s.Clock.Now(), s.Layout()).View(rev))
}

// dismiss has a grain hand its service over. done gets what it leaves, nil for nothing.
func (s *Services) dismiss(h *handle, done func(*naming.Heritage)) {
	if ok, _ := h.acquire(); !ok {
		done(nil) // retiring by itself
		return
	}
	pid := s.locate(h)
	if pid == nil {
		done(nil)
		return
	}
	s.place.System().Root.Send(pid, &dismiss{done})
}

// inherit merges what another node knew.
func (s *service) inherit(h naming.Heritage) {
	switch {
	case s.moved:
		if len(h.Silent)+len(h.Removed) > 0 {
			s.keeper.astray([]stray{{h, time.Now()}})
		}
		return // what is but a view the new owner learns by comparing notes
	case s.writing():
		s.legacy = append(s.legacy, stray{h, time.Now()})
		return
	}
	env := s.env(s.Clock.Now())
	theirs := h.View.Revision
	if s.rev.Follows(s.lineage, theirs) {
		e := s.state.Credit(env, h)
		s.dirty = s.dirty || e.Changed
		switch {
		case s.state.Exists() && len(h.Silent) > 0 && s.hearsay == theirs.Activation:
			// Its view was merged before, without when its instances were last heard of.
			s.hearsay = 0
			e := s.state.Inherit(env, h)
			s.dirty = s.dirty || e.Changed
		case len(h.Removed) > 0:
			// The view may have come before, by another way, without what was removed.
			s.bury(env, h)
		}
		return
	}
	if len(h.Silent) == 0 {
		s.hearsay = theirs.Activation
	}
	if s.base != nil && theirs.Activation == s.base.Revision.Activation {
		h.Removed = append(h.Removed, s.removedSince(h.View, env)...)
	}
	s.state.Inherit(env, s.outlived(h))
	if h.View.Stored > s.stored {
		// They have read more of the store than this node may have: theirs is what it holds.
		s.stored = h.View.Stored
		s.takeStored(env, h.View.Saved())
	}
	// Shown anew even when nothing has changed: whoever shows theirs could not tell that
	// ours has it all.
	s.dirty = true
	s.lineage = s.lineage.With(theirs, h.View.Lineage)
	if theirs.Compare(s.rev) > 0 {
		// Others may show theirs; what comes now must be newer.
		s.lineage = s.lineage.With(s.rev, nil)
		s.rev = naming.Revision{Activation: s.activation(theirs.Activation)}
	}
	s.reconcile()
}

// bury merges only what was removed.
func (s *service) bury(env naming.Env, h naming.Heritage) {
	e := s.state.Inherit(env, naming.Heritage{View: &naming.View{Key: h.View.Key}, Removed: h.Removed})
	s.dirty = s.dirty || e.Changed
}

// outlived leaves out the instances that another life has never heard of itself, and this one
// has seen the end of: it holds all that the other went on from, but not them.
func (s *service) outlived(h naming.Heritage) naming.Heritage {
	if len(h.Granted) == 0 || len(h.View.Lineage) == 0 {
		return h
	}
	for _, rev := range h.View.Lineage {
		if !s.rev.Follows(s.lineage, rev) {
			return h
		}
	}
	v := h.View
	rest := &naming.View{Key: v.Key, Revision: v.Revision, Lineage: v.Lineage, Stored: v.Stored, Meta: v.Meta, Ephemeral: v.Ephemeral, Overlays: v.Overlays}
	out := naming.Heritage{View: rest, Removed: h.Removed}
	for i, in := range v.Instances {
		if in.Ephemeral && h.Granted[i] && (s.shown == nil || s.published(s.shown, in.Addr()) == nil) {
			continue
		}
		rest.Instances = append(rest.Instances, in)
		out.Silent, out.Granted = append(out.Silent, h.Silent[i]), append(out.Granted, h.Granted[i])
	}
	return out
}

// removedSince returns what the life that ours went on from had removed after the view that
// we know of. Whoever registered or beat in our life stays.
func (s *service) removedSince(later *naming.View, env naming.Env) []naming.Removed {
	var out []naming.Removed
	for _, in := range s.base.Instances {
		if in.Ephemeral && s.published(later, in.Addr()) == nil {
			out = append(out, naming.Removed{Addr: in.Addr(), Ago: env.Now.Since(s.began), Stamp: in.Stamp})
		}
	}
	return out
}

// writing reports whether the state holds something that the store does not, yet.
func (s *service) writing() bool { return s.handle.batch != nil || len(s.records) > 0 }

// reconcile takes over what the store holds.
func (s *service) reconcile() {
	if s.stale = s.writing(); s.Saved == nil || s.moved || s.stale {
		return
	}
	if s.StoreIndex != nil {
		read := s.StoreIndex()
		if read < s.stored {
			s.behind.await(s.handle.key, s.stored)
			return
		}
		s.stored = read
	}
	saved, ok := s.Saved(s.handle.key)
	if !ok {
		saved = naming.Saved{Key: s.handle.key}
	}
	s.takeStored(s.env(s.Clock.Now()), saved)
}

// readBack reads what the store holds after a commit, which this node has read, or it would
// not have ended. It reports whether the service was as the store has it: another owner may
// have written too.
func (s *service) readBack() bool {
	if s.Saved == nil || s.StoreIndex == nil {
		return false
	}
	before := s.dirty
	s.dirty = false
	s.stored = max(s.stored, s.StoreIndex())
	saved, ok := s.Saved(s.handle.key)
	if !ok {
		saved = naming.Saved{Key: s.handle.key}
	}
	s.takeStored(s.env(s.Clock.Now()), saved)
	same := !s.dirty
	s.dirty = s.dirty || before
	return same
}

// takeStored makes the durable part what the store holds. What the structure that serves
// cannot hold of it is to be deleted there.
func (s *service) takeStored(env naming.Env, saved naming.Saved) {
	e := s.state.Reconcile(env, saved)
	s.dirty = s.dirty || e.Changed || len(e.Records) > 0
	s.records = append(s.records, e.Records...)
}

// beats credits heartbeats that were answered elsewhere.
func (s *service) beats(m *beats) {
	if s.moved {
		s.gateway.redirect(s.Owner(s.handle.key), s.handle.key, m.late)
		return
	}
	now := s.Clock.Now()
	for _, b := range m.late {
		s.handled++
		s.step(nil, naming.Beat{Addr: b.Addr, Ago: max(0, now.Since(b.at))})
	}
}

// dismiss hands the service over, now or when the commit under way has ended.
func (s *service) dismiss(m *dismiss) {
	if s.moved || s.leave != nil {
		m.done(nil)
		return
	}
	s.leave = m
	if s.handle.batch == nil {
		s.depart()
	}
}

// depart shows what is not shown yet, and ends this grain's part in the service.
func (s *service) depart() {
	m := s.leave
	s.leave, s.moved = nil, true
	s.watch()
	calls := append(s.held, s.waiting...)
	s.held, s.waiting, s.records, s.dirty = nil, nil, nil, false
	for _, c := range calls {
		c.result, c.err = naming.Result{}, errMoved
		s.reply(c)
	}
	s.disarm()
	view := s.shown
	if view == nil {
		view = &naming.View{Key: s.handle.key} // only what was removed
	}
	h := s.state.Heritage(view, s.Clock.Now())
	if s.shown == nil && len(h.Removed) == 0 {
		m.done(nil)
		return
	}
	s.aged(&h)
	m.done(&h)
}
