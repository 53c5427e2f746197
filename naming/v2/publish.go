package v2

import (
	"nactor/naming"
	"nactor/naming/heritage"
)

// register publishes in, replacing what its client published before, in whichever cluster
// that was. The clock starts anew.
func (t *step) register(in *naming.Instance) {
	id := idOf(in)
	old := t.find(id)
	if old == nil {
		if t.Err = t.rules.Admit(t.key, len(t.pubs)); t.Err != nil {
			return
		}
	}
	in.Stamp = t.stamp
	shown := t.overlays[in.Addr()].Cover(in)
	if !t.born {
		t.born, t.ephemeral = true, in.Ephemeral
	}
	clock := &naming.BeatClock{}
	if old != nil {
		clock = old.clock
	}
	clock.Hear(t.now)
	t.wakeFor(shown, t.now)
	if old != nil && heritage.Same(old.inst, shown) {
		return
	}
	if old != nil && old.inst.Cluster == in.Cluster {
		old.inst = shown
	} else {
		if old != nil {
			t.withdraw(old)
		}
		t.insert(&publication{inst: shown, clock: clock})
	}
	t.recall(in.Addr())
	if !in.Ephemeral {
		t.record(naming.Record{Kind: naming.RecordInstance, Addr: in.Addr(), Instance: in})
	}
	t.changed(naming.InstanceRegistered, shown)
}

// deregister withdraws what the client published; nothing there is fine.
func (t *step) deregister(c naming.Deregister) {
	p := t.find(clientID{c.IP, c.Port, c.Ephemeral})
	if p == nil {
		if c.Ephemeral && c.Client == "" {
			t.memory.Bury(c.Addr, t.now, t.stamp) // another owner may have it
		}
		return
	}
	if !p.inst.Client.Is(c.Client) {
		return
	}
	t.withdraw(p)
	if p.inst.Ephemeral { // of the others the store has the last word
		t.memory.Bury(p.inst.Addr(), t.now, t.stamp)
	}
	t.changed(naming.InstanceDeregistered, p.inst)
}

// withdraw removes a publication and forgets it durably; its overlay is remembered.
func (t *step) withdraw(p *publication) {
	t.remove(p)
	t.gone(p.inst)
	if !p.inst.Ephemeral {
		t.record(naming.Record{Kind: naming.RecordInstance, Addr: p.inst.Addr(), Delete: true})
	}
}

// beat credits a heartbeat. The cluster is not compared, as in Nacos 2.0. An unknown
// instance is registered when the client sent it along; else the answer is "not known",
// upon which clients register again.
func (t *step) beat(c naming.Beat) {
	p := t.find(clientID{c.IP, c.Port, true})
	if p == nil {
		if c.Instance == nil {
			return
		}
		if p = t.find(idOf(c.Instance)); p == nil { // else: a beat for a persistent instance means nothing
			if t.register(c.Instance); t.Err != nil {
				return
			}
			p = t.find(idOf(c.Instance))
		}
	}
	p.clock.HearLate(t.now.Add(-c.Ago))
	t.Result.Known = true
	t.Result.Interval = naming.BeatInterval(p.inst.Metadata, t.rules.BeatInterval)
	if p.inst.Ephemeral && !p.inst.Healthy && c.Ago < naming.BeatTimeout(p.inst.Metadata) {
		t.flip(p, true)
		t.wakeFor(p.inst, p.clock.Last)
	}
}

// flip changes an instance's health.
func (t *step) flip(p *publication, healthy bool) {
	in := *p.inst
	in.Healthy = healthy
	p.inst = &in
	t.changed(naming.HealthChanged, p.inst)
}

// setHealth changes a persistent instance's health; an unknown one is passed over.
func (t *step) setHealth(c naming.SetHealth) {
	if !c.Probe && !t.meta.Unchecked(c.Cluster) {
		t.Err = naming.Rejected("health check is still working, service: %s, cluster: %s", t.key.Grouped(), c.Cluster)
		return
	}
	p := t.find(clientID{c.IP, c.Port, false})
	if p == nil || p.inst.Cluster != c.Cluster || p.inst.Healthy == c.Healthy {
		return
	}
	t.flip(p, c.Healthy)
	if c.Probe && !t.meta.Unchecked(c.Cluster) {
		return // found out anew by whoever checks next
	}
	base := *p.inst.Base()
	base.Healthy = c.Healthy
	t.record(naming.Record{Kind: naming.RecordInstance, Addr: base.Addr(), Instance: &base})
}
