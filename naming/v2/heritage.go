package v2

import (
	"slices"
	"time"

	"nactor/naming"
)

// removed remembers the deregistration of an ephemeral instance.
type removed struct {
	naming.Addr
	at    naming.Instant
	stamp uint64
}

// A deregistration is remembered for longer than a diverged owner would keep an instance
// that it no longer hears of; of a service that is busier than that, the latest.
const (
	rememberRemoved = 2 * naming.DefaultDeleteTimeout
	maxRemoved      = 1024

	// lateBeat is how much later than a deregistration a beat may be and still have been on
	// its way: clients stop beating first. One that means it comes again in 5 s.
	lateBeat = 2 * time.Second
)

// bury remembers that an ephemeral instance was deregistered.
func (t *step) bury(addr naming.Addr) { t.remember(removed{addr, t.now, t.stamp}) }

// remember keeps a deregistration, and lets go of old ones.
func (t *step) remember(r removed) {
	kept := slices.DeleteFunc(t.removed, func(o removed) bool {
		return o.Addr == r.Addr && o.at <= r.at || t.now.Since(o.at) > rememberRemoved
	})
	if len(kept) >= maxRemoved {
		kept = slices.Delete(kept, 0, len(kept)-maxRemoved+1)
	}
	t.removed = append(kept, r)
}

// Heritage returns the state that a new owner needs to go on from view, the newest one
// that was shown.
func (s *Service) Heritage(view *naming.View, now naming.Instant) naming.Heritage {
	h := naming.Heritage{View: view, Silent: make([]time.Duration, len(view.Instances))}
	for i, in := range view.Instances {
		if p := s.find(idOf(in)); p != nil {
			h.Silent[i] = max(0, now.Since(p.clock.Last))
		}
	}
	for _, r := range s.removed {
		if ago := now.Since(r.at); ago <= rememberRemoved {
			h.Removed = append(h.Removed, naming.Removed{Addr: r.Addr, Ago: ago, Stamp: r.stamp})
		}
	}
	return h
}

// Inherit merges what another owner knew: of each ephemeral instance the later
// registration and the later beat. An instance that only one of them has stays, unless the
// other saw it deregistered after the one last heard of it. Persistent data is left alone;
// see [Service.Reconcile].
func (s *Service) Inherit(env naming.Env, h naming.Heritage) naming.Effects {
	t := begin(s, env)
	for i, in := range h.View.Instances {
		if !in.Ephemeral {
			continue
		}
		silent := time.Duration(-1)
		if i < len(h.Silent) {
			silent = h.Silent[i]
		}
		t.inherit(in, silent)
	}
	for _, r := range h.Removed {
		p, at := t.find(clientID{r.IP, r.Port, true}), t.now.Add(-r.Ago)
		if p != nil && p.inst.Cluster == r.Cluster && (p.inst.Stamp > r.Stamp || !t.granted(p) && p.clock.Last > at.Add(lateBeat)) {
			continue // it came back since
		}
		t.remember(removed{r.Addr, at, r.Stamp})
		if p == nil || p.inst.Cluster != r.Cluster {
			continue
		}
		t.withdraw(p)
		t.changed(naming.InstanceDeregistered, p.inst)
	}
	if !t.born {
		t.born, t.ephemeral = true, h.View.Ephemeral
		t.changed(naming.ServiceMetadataChanged, nil)
	}
	return t.end()
}

// Credit takes over when the instances that have not been heard of in this life were last
// heard of by the owner before, whose view holds nothing that this one does not.
func (s *Service) Credit(env naming.Env, h naming.Heritage) {
	t := begin(s, env)
	for i, in := range h.View.Instances {
		if i >= len(h.Silent) || !in.Ephemeral {
			continue
		}
		if p := t.find(idOf(in)); p != nil && t.granted(p) {
			p.clock.Last = t.now.Add(-h.Silent[i])
			t.wakeFor(p.inst, p.clock.Last)
		}
	}
}

// granted reports whether the instance has not been heard of in this life.
func (s *Service) granted(p *publication) bool { return p.clock.Last == s.restored }

// inherit merges one instance, last heard of silent ago; negative: not known, and counted
// as now.
func (t *step) inherit(in *naming.Instance, silent time.Duration) {
	heard := t.now.Add(-max(0, silent))
	base := in.Base()
	shown := *t.overlays[in.Addr()].Cover(base)
	shown.Healthy = in.Healthy
	p := t.find(idOf(in))
	switch {
	case p == nil && t.buried(in, silent):
		return
	case p == nil:
		t.born = true
		t.insert(&publication{inst: &shown, clock: &naming.BeatClock{Last: heard}})
		t.recall(in.Addr())
		t.changed(naming.InstanceRegistered, &shown)
		t.wakeFor(&shown, heard)
		return
	case t.granted(p):
		p.clock.Last = heard
	default:
		shown.Healthy = p.inst.Healthy || in.Healthy && heard > p.clock.Last
		p.clock.Last = max(p.clock.Last, heard)
	}
	t.wakeFor(&shown, p.clock.Last)
	if in.Stamp < p.inst.Stamp {
		kept := *p.inst
		kept.Healthy = shown.Healthy
		shown = kept
	}
	// A registration that says the same again is still the later one.
	if same(p.inst, &shown) && p.inst.Stamp == shown.Stamp {
		return
	}
	if p.inst.Cluster == shown.Cluster {
		p.inst = &shown
	} else {
		t.withdraw(p)
		p.inst = &shown
		t.insert(p)
	}
	t.changed(naming.InstanceRegistered, p.inst)
}

// buried reports whether the instance was deregistered here after it was last heard of
// elsewhere.
func (t *step) buried(in *naming.Instance, silent time.Duration) bool {
	for _, r := range t.removed {
		if r.IP != in.IP || r.Port != in.Port || r.Cluster != in.Cluster || in.Stamp > r.stamp {
			continue
		}
		if silent < 0 || r.at.Add(lateBeat) >= t.now.Add(-silent) {
			return true
		}
	}
	return false
}

// Reconcile makes the durable part of the service what the store holds: metadata, overlays
// and persistent instances. Nothing is to be written for it.
func (s *Service) Reconcile(env naming.Env, saved naming.Saved) naming.Effects {
	t := begin(s, env)
	if !sameMeta(t.meta, saved.Meta) {
		t.meta = saved.Meta
		t.born = t.born || saved.Meta != nil
		t.changed(naming.ServiceMetadataChanged, nil)
	}
	t.reconcileOverlays(saved.Overlays)
	t.reconcileInstances(saved)
	e := t.end()
	e.Records = nil
	return e
}

func (t *step) reconcileOverlays(saved map[naming.Addr]*naming.Overlay) {
	for addr := range t.overlays {
		if saved[addr] == nil {
			delete(t.overlays, addr)
			t.shown = nil
			t.recover(addr, nil)
		}
	}
	for addr, o := range saved {
		if old, ok := t.overlays[addr]; ok && old.Weight == o.Weight && old.Enabled == o.Enabled && old.Metadata.Equal(o.Metadata) {
			continue
		}
		if t.overlays == nil {
			t.overlays = map[naming.Addr]overlay{}
		}
		t.overlays[addr] = overlay{Overlay: o, gone: len(t.at(addr)) == 0, since: t.now}
		t.shown = nil
		t.recover(addr, o)
	}
}

// recover shows what is published at addr under another overlay.
func (t *step) recover(addr naming.Addr, o *naming.Overlay) {
	at := t.at(addr)
	if len(at) == 0 {
		t.wake(t.now.Add(t.rules.Remember))
		t.changed(naming.InstanceMetadataChanged, nil)
	}
	for _, p := range at {
		shown := *o.Cover(p.inst.Base())
		shown.Healthy = p.inst.Healthy
		p.inst = &shown
		t.changed(naming.InstanceMetadataChanged, p.inst)
	}
}

func (t *step) reconcileInstances(saved naming.Saved) {
	known := map[clientID]bool{}
	for _, in := range saved.Instances {
		id := idOf(in)
		known[id] = true
		shown := *t.overlays[in.Addr()].Cover(in)
		shown.Healthy = in.Healthy
		p := t.find(id)
		switch {
		case p == nil:
			t.born = true
			t.insert(&publication{inst: &shown, clock: &naming.BeatClock{Last: t.now}})
			t.recall(in.Addr())
		case same(p.inst, &shown):
			continue
		case p.inst.Cluster == shown.Cluster:
			p.inst = &shown
		default:
			t.remove(p)
			t.gone(p.inst)
			p.inst = &shown
			t.insert(p)
		}
		t.changed(naming.InstanceRegistered, &shown)
	}
	for _, p := range slices.Clone(t.pubs) {
		if !p.inst.Ephemeral && !known[idOf(p.inst)] {
			t.remove(p)
			t.gone(p.inst)
			t.changed(naming.InstanceDeregistered, p.inst)
		}
	}
}

func sameMeta(a, b *naming.ServiceMeta) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.ProtectThreshold == b.ProtectThreshold && a.Selector == b.Selector && a.Metadata.Equal(b.Metadata) &&
		slices.EqualFunc(a.Clusters, b.Clusters, func(x, y naming.ClusterMeta) bool {
			return x.Name == y.Name && x.CheckPort == y.CheckPort && x.UseInstancePort == y.UseInstancePort &&
				x.Checker == y.Checker && x.Metadata.Equal(y.Metadata)
		})
}
