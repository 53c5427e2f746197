package v2

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

// Inherit merges what another owner knew: of each ephemeral instance the later
// registration and the later beat. An instance that only one of them has stays, unless the
// other saw it deregistered after the one last heard of it. Persistent data is left alone;
// see [Service.Reconcile]. A view without a revision brings no service to life. The heritage
// must be one that this structure can hold, with one instance for each ip:port of a kind.
func (s *Service) Inherit(env naming.Env, h naming.Heritage) naming.Effects {
	t := begin(s, env)
	s.memory.Merge(&t, t.now, h)
	if !t.born && h.View.Revision != (naming.Revision{}) {
		t.born, t.ephemeral = true, h.View.Ephemeral
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

// Reconcile makes the durable part of the service what the store holds: metadata, overlays
// and persistent instances, one for each ip:port. Nothing is to be written for it.
func (s *Service) Reconcile(env naming.Env, saved naming.Saved) naming.Effects {
	t := begin(s, env)
	heritage.Reconcile(&t, t.now, saved)
	return t.end()
}

// Memory returns what this owner remembers of its life. It goes along when another
// structure of the service begins to serve.
func (s *Service) Memory() *heritage.Memory { return &s.memory }

var _ heritage.Durable = (*step)(nil)

// Held implements [heritage.Service].
func (t *step) Held(addr naming.Addr, ephemeral bool) (*naming.Instance, *naming.BeatClock) {
	p := t.find(clientID{addr.IP, addr.Port, ephemeral})
	if p == nil {
		return nil, nil
	}
	return p.inst, p.clock
}

// Cover implements [heritage.Service].
func (t *step) Cover(base *naming.Instance) *naming.Instance {
	return t.overlays[base.Addr()].Cover(base)
}

// Publish implements [heritage.Service].
func (t *step) Publish(in *naming.Instance, clock *naming.BeatClock) {
	t.born = true
	t.insert(&publication{inst: in, clock: clock})
	t.recall(in.Addr())
	t.changed(naming.InstanceRegistered, in)
}

// Replace implements [heritage.Service].
func (t *step) Replace(held, in *naming.Instance) {
	p := t.find(idOf(held))
	if held.Cluster == in.Cluster {
		p.inst = in
	} else {
		t.remove(p)
		t.gone(held)
		p.inst = in
		t.insert(p)
		t.recall(in.Addr())
	}
	t.changed(naming.InstanceRegistered, in)
}

// Withdraw implements [heritage.Service].
func (t *step) Withdraw(held *naming.Instance) {
	t.remove(t.find(idOf(held)))
	t.gone(held)
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
func (t *step) Overlay(addr naming.Addr) *naming.Overlay { return t.overlays[addr].Overlay }

// Laid implements [heritage.Durable].
func (t *step) Laid() []naming.Addr { return slices.Collect(maps.Keys(t.overlays)) }

// Lay implements [heritage.Durable].
func (t *step) Lay(addr naming.Addr, o *naming.Overlay) {
	at := t.at(addr)
	t.shown = nil
	switch {
	case o == nil:
		delete(t.overlays, addr)
	case t.overlays == nil:
		t.overlays = map[naming.Addr]overlay{}
		fallthrough
	default:
		t.overlays[addr] = overlay{Overlay: o, gone: len(at) == 0, since: t.now}
	}
	if len(at) == 0 {
		t.wake(t.now.Add(t.rules.Remember))
		t.changed(naming.InstanceMetadataChanged, nil)
	}
	for _, p := range at {
		shown := *o.Cover(p.inst.Base())
		shown.Healthy = p.inst.Healthy
		p.inst = &shown
		t.wakeFor(p.inst, p.clock.Last)
		t.changed(naming.InstanceMetadataChanged, p.inst)
	}
}

// Persistent implements [heritage.Durable].
func (t *step) Persistent() (all []*naming.Instance) {
	for _, p := range t.pubs {
		if !p.inst.Ephemeral {
			all = append(all, p.inst)
		}
	}
	return all
}
