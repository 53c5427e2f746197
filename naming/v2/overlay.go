package v2

import (
	"slices"

	"nactor/naming"
)

// update lays the request's weight, enabled and metadata over an address, whether or not
// an instance is there (Nacos 2.0.3 does not look).
func (t *step) update(c naming.Update) {
	if !t.born {
		t.Err = naming.Rejected("service not found, namespace: %s, service: Service{namespace='%s', group='%s', name='%s', ephemeral=%t, revision=0}",
			t.key.Namespace, t.key.Namespace, t.key.Group, t.key.Name, c.Ephemeral)
		return
	}
	t.lay(c.Addr, c.Overlay)
}

// patch changes single fields. What is not given stays as readers see it now (Nacos 2.0.3
// resets weight and enabled to 1 and true there, which nobody wants).
func (t *step) patch(c naming.Patch) {
	if len(t.pubs) == 0 {
		t.Err = naming.NotFound("no ips found for cluster %s in service %s", c.Cluster, t.key.Grouped())
		return
	}
	at := t.at(c.Addr)
	if len(at) == 0 {
		t.Err = naming.NotFound("no matched ip found!")
		return
	}
	if c.Weight == nil && c.Enabled == nil && c.Metadata == nil {
		return
	}
	o := t.overlayOf(at[0].inst)
	if c.Weight != nil {
		o.Weight = *c.Weight
	}
	if c.Enabled != nil {
		o.Enabled = *c.Enabled
	}
	if c.Metadata != nil {
		o.Metadata = *c.Metadata
	}
	t.lay(c.Addr, o)
}

// editMetadata puts or removes overlay keys of the targets, or of every instance. Keys
// that came with the registration stay, as in Nacos 2.0.
func (t *step) editMetadata(c naming.EditMetadata) {
	var chosen []*publication
	if len(c.Targets) == 0 {
		chosen = slices.Clone(t.pubs)
	}
	for _, addr := range c.Targets {
		chosen = append(chosen, t.at(addr)...)
	}
	for _, p := range chosen {
		o := t.overlayOf(p.inst)
		if c.Remove {
			o.Metadata = o.Metadata.Without(c.Metadata)
		} else {
			o.Metadata = o.Metadata.Merge(c.Metadata)
		}
		addr := p.inst.Addr()
		if _, had := t.overlays[addr]; had || !c.Remove {
			t.lay(addr, o)
		}
		t.Result.Updated = append(t.Result.Updated, p.inst)
	}
}

// at returns the publications at an address: an ephemeral and a persistent one at most.
func (t *step) at(addr naming.Addr) []*publication {
	var out []*publication
	for _, ephemeral := range []bool{true, false} {
		if p := t.find(clientID{addr.IP, addr.Port, ephemeral}); p != nil && p.inst.Cluster == addr.Cluster {
			out = append(out, p)
		}
	}
	return out
}

// overlayOf returns the overlay of an instance, or one that changes nothing.
func (t *step) overlayOf(in *naming.Instance) naming.Overlay {
	if o, ok := t.overlays[in.Addr()]; ok {
		return *o.Overlay
	}
	return naming.Overlay{Weight: in.Weight, Enabled: in.Enabled}
}

// lay puts o over addr and shows it on what is published there.
func (t *step) lay(addr naming.Addr, o naming.Overlay) {
	if old, ok := t.overlays[addr]; ok && old.Weight == o.Weight && old.Enabled == o.Enabled && old.Metadata.Equal(o.Metadata) {
		return
	}
	at := t.at(addr)
	if t.overlays == nil {
		t.overlays = map[naming.Addr]overlay{}
	}
	t.overlays[addr] = overlay{Overlay: &o, gone: len(at) == 0, since: t.now}
	t.shown = nil
	t.record(naming.Record{Kind: naming.RecordOverlay, Addr: addr, Overlay: &o})
	if len(at) == 0 {
		t.wake(t.now.Add(t.rules.Remember))
		t.changed(naming.InstanceMetadataChanged, nil)
		return
	}
	for _, p := range at {
		shown := *o.Cover(p.inst.Base())
		shown.Healthy = p.inst.Healthy
		p.inst = &shown
		t.wakeFor(p.inst, p.clock.Last)
		t.changed(naming.InstanceMetadataChanged, p.inst)
	}
}

// gone starts the time for which the overlay of a withdrawn instance is remembered,
// unless a twin of the other kind still needs it.
func (t *step) gone(in *naming.Instance) {
	addr := in.Addr()
	if o, ok := t.overlays[addr]; ok && len(t.at(addr)) == 0 {
		o.gone, o.since = true, t.now
		t.overlays[addr] = o
		t.wake(t.now.Add(t.rules.Remember))
	}
}

// recall keeps the overlay of an address that is published again.
func (s *Service) recall(addr naming.Addr) {
	if o, ok := s.overlays[addr]; ok && o.gone {
		o.gone = false
		s.overlays[addr] = o
	}
}
