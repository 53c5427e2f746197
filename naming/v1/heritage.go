package v1

import (
	"maps"
	"slices"

	"nactor/naming"
	"nactor/naming/heritage"
)

// Heritage returns the state that a new owner needs to go on from view, the newest one
// that was shown.
func (s *Service) Heritage(view *naming.View, now naming.Instant) naming.Heritage {
	return s.memory.Leave(view, now, s.Clock)
}

// Inherit merges what another owner knew: of each ephemeral instance the later word, of its
// client or of an operator, and the later beat. An instance that only one of them has
// stays, unless the other saw it deregistered after the one last heard of it. Persistent
// data is left alone; see [Service.Reconcile]. A view without a revision brings no service to
// life.
func (s *Service) Inherit(env naming.Env, h naming.Heritage) naming.Effects {
	t := begin(s, env)
	s.memory.Merge(&t, t.now, h)
	if !t.born && h.View.Revision != (naming.Revision{}) {
		t.born = true
		t.changed(naming.ServiceMetadataChanged, nil)
	}
	return t.end()
}

// Credit takes over the later word on when the instances were last heard of by another
// owner, whose view holds nothing that this one does not.
func (s *Service) Credit(env naming.Env, h naming.Heritage) naming.Effects {
	t := begin(s, env)
	s.memory.Credit(&t, t.now, h)
	return t.end()
}

// Reconcile makes the durable part of the service what the store holds: metadata,
// persistent instances, and the overlays that nobody has written over. Nothing is to be
// written for it.
func (s *Service) Reconcile(env naming.Env, saved naming.Saved) naming.Effects {
	t := begin(s, env)
	if Implied(saved.Meta) { // taken from a view of this package
		saved.Meta = nil
	} else {
		saved.Meta = explicit(saved.Meta)
	}
	heritage.Reconcile(&t, t.now, saved)
	return t.end()
}

// Memory returns what this owner remembers of its life. It goes along when another
// structure of the service begins to serve.
func (s *Service) Memory() *heritage.Memory { return &s.memory }

var _ heritage.Durable = (*step)(nil)

// Held implements [heritage.Service].
func (t *step) Held(addr naming.Addr, ephemeral bool) (*naming.Instance, *naming.BeatClock) {
	r := t.find(addr, ephemeral)
	if r == nil {
		return nil, nil
	}
	return r.inst, r.clock
}

// Cover implements [heritage.Service].
func (t *step) Cover(base *naming.Instance) *naming.Instance {
	return t.carried[base.Addr()].Cover(base)
}

// Publish implements [heritage.Service].
func (t *step) Publish(in *naming.Instance, clock *naming.BeatClock) {
	t.born = true
	t.insert(record{in, clock})
	t.changed(naming.InstanceRegistered, in)
}

// Replace implements [heritage.Service].
func (t *step) Replace(held, in *naming.Instance) {
	t.find(held.Addr(), held.Ephemeral).inst = in
	t.changed(naming.InstanceRegistered, in)
}

// Withdraw implements [heritage.Service]. An overlay that is left over nothing goes with
// the next tick, durably.
func (t *step) Withdraw(held *naming.Instance) {
	t.remove(held)
	if t.carried[held.Addr()] != nil {
		t.wake(t.now)
	}
	t.changed(naming.InstanceDeregistered, held)
}

// Await implements [heritage.Service].
func (t *step) Await(in *naming.Instance, from naming.Instant) { t.wakeFor(in, from) }

// Meta implements [heritage.Durable].
func (t *step) Meta() *naming.ServiceMeta { return t.meta }

// SetMeta implements [heritage.Durable].
func (t *step) SetMeta(meta *naming.ServiceMeta) {
	t.meta = meta
	t.born = t.born || meta != nil
	t.changed(naming.ServiceMetadataChanged, nil)
}

// Overlay implements [heritage.Durable].
func (t *step) Overlay(addr naming.Addr) *naming.Overlay { return t.carried[addr] }

// Laid implements [heritage.Durable].
func (t *step) Laid() []naming.Addr { return slices.Collect(maps.Keys(t.carried)) }

// Lay implements [heritage.Durable].
func (t *step) Lay(addr naming.Addr, o *naming.Overlay) {
	t.carry(addr, o)
	n := t.at(addr, func(r *record) {
		shown := *o.Cover(r.inst.Base())
		shown.Healthy = r.inst.Healthy
		r.inst = &shown
		t.wakeFor(r.inst, r.clock.Last)
		t.changed(naming.InstanceMetadataChanged, r.inst)
	})
	if n == 0 {
		t.wake(t.now)
		t.changed(naming.InstanceMetadataChanged, nil)
	}
}

// Persistent implements [heritage.Durable].
func (t *step) Persistent() (all []*naming.Instance) {
	for i := range t.clusters {
		for _, r := range t.clusters[i].persistent {
			all = append(all, r.inst)
		}
	}
	return all
}
