package v1

import (
	"nactor/naming"
)

// register stores in, in place of what was at its address. The health flag of a persistent
// instance that is registered again stays as it is, for the prober knows better; the clock
// starts anew. (In Nacos 1.x an ephemeral one's stays too: a client that has just
// registered is shown unhealthy until its first beat.)
func (t *step) register(in *naming.Instance) {
	if t.Err = t.admit(in.Cluster); t.Err != nil {
		return
	}
	in.Stamp = t.stamp
	if w := storedWeight(in.Weight); w != in.Weight {
		c := *in
		c.Weight = w
		in = &c
	}
	old := t.find(in.Addr(), in.Ephemeral)
	if old == nil {
		if t.Err = t.rules.Admit(t.key, t.Len()); t.Err != nil {
			return
		}
	}
	if old != nil && !in.Ephemeral && in.Healthy != old.inst.Healthy {
		c := *in
		c.Healthy = old.inst.Healthy
		in = &c
	}
	t.wakeFor(in, t.now)
	if old == nil {
		t.insert(record{in, &naming.BeatClock{Last: t.now}})
	} else {
		old.clock.Hear(t.now)
		if same(old.inst, in) {
			return
		}
		old.inst = in
	}
	t.born = true
	t.save(in)
	t.changed(naming.InstanceRegistered, in)
	t.overwritten(in.Addr())
}

// deregister removes an instance; nothing there is fine.
func (t *step) deregister(c naming.Deregister) {
	r := t.find(c.Addr, c.Ephemeral)
	if r == nil {
		if c.Ephemeral && c.Client == "" {
			t.memory.Bury(c.Addr, t.now, t.stamp) // another owner may have it
		}
		return
	}
	if !r.inst.Client.Is(c.Client) {
		return
	}
	t.removed(r.inst)
}

// removed takes an instance out that somebody asked to remove.
func (t *step) removed(in *naming.Instance) {
	t.remove(in)
	if in.Ephemeral { // of the others the store has the last word
		t.memory.Bury(in.Addr(), t.now, t.stamp)
	} else {
		t.record(naming.Record{Kind: naming.RecordInstance, Addr: in.Addr(), Delete: true})
	}
	t.changed(naming.InstanceDeregistered, in)
	t.gone(in.Addr())
}

// beat credits a heartbeat to ip:port:cluster. An unknown instance is registered when the
// client sent it along; else the answer is "not known", upon which clients register again.
// A persistent instance is known, but lives without heartbeats.
func (t *step) beat(c naming.Beat) {
	r := t.find(c.Addr, true)
	if r == nil {
		r = t.find(c.Addr, false)
	}
	if r == nil {
		if c.Instance == nil {
			return
		}
		t.register(c.Instance)
		if r = t.find(c.Instance.Addr(), c.Instance.Ephemeral); t.Err != nil || r == nil {
			return
		}
	}
	t.Result.Known = true
	t.Result.Interval = naming.BeatInterval(r.inst.Metadata, t.rules.BeatInterval)
	if !r.inst.Ephemeral {
		return
	}
	r.clock.HearLate(t.now.Add(-c.Ago))
	if !r.inst.Healthy && c.Ago < naming.BeatTimeout(r.inst.Metadata) {
		t.flip(r, true)
		t.wakeFor(r.inst, r.clock.Last)
	}
}

// flip changes an instance's health.
func (t *step) flip(r *record, healthy bool) {
	in := *r.inst
	in.Healthy = healthy
	r.inst = &in
	t.changed(naming.HealthChanged, r.inst)
}

// setHealth changes a persistent instance's health; an unknown one is passed over.
func (t *step) setHealth(c naming.SetHealth) {
	if !c.Probe && !t.meta.Unchecked(c.Cluster) {
		t.Err = naming.Invalid("health check is still working, service: %s", t.key.Grouped())
		return
	}
	r := t.find(c.Addr, false)
	if r == nil || r.inst.Healthy == c.Healthy {
		return
	}
	t.flip(r, c.Healthy)
	if !c.Probe || t.meta.Unchecked(c.Cluster) { // else it is found out anew by whoever checks next
		t.save(r.inst)
	}
}

// storedWeight is what 1.x makes of a weight: one too small to be drawn is raised.
func storedWeight(w float64) float64 {
	const least = 0.01
	if w > 0 && w < least {
		return least
	}
	return w
}

// same reports whether readers and the store could not tell a from b.
func same(a, b *naming.Instance) bool {
	return a.Registered == nil && b.Registered == nil && a.Weight == b.Weight && a.Enabled == b.Enabled && a.Healthy == b.Healthy && a.Metadata.Equal(b.Metadata) && a.Client.Same(b.Client)
}
