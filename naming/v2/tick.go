package v2

import (
	"strings"
	"time"

	"nactor/naming"
)

// recheck is how long an owner waits before it looks again at instances whose heartbeats
// are not judged at the moment (health checks switched off).
const recheck = 5 * time.Second

// tick lets time pass: one pass over the instances turns the overdue unhealthy and removes
// the long overdue, and finds when to look again.
func (t *step) tick() {
	t.waiting = false
	t.expire()
	for addr, o := range t.overlays {
		if !o.gone {
			continue
		}
		if until := o.since.Add(t.rules.Remember); until > t.now {
			t.wake(until)
			continue
		}
		delete(t.overlays, addr)
		t.shown = nil
		t.changed(naming.InstanceMetadataChanged, nil)
		t.record(naming.Record{Kind: naming.RecordOverlay, Addr: addr, Delete: true})
	}
	if !t.born || t.Changed || len(t.pubs) > 0 || len(t.overlays) > 0 || t.meta != nil {
		return
	}
	if until := t.memory.Touched.Add(t.rules.EmptyService); until > t.now {
		t.wake(until)
		return
	}
	t.vanish()
}

func (t *step) expire() {
	kept := t.pubs[:0]
	var expired []*publication
	for _, p := range t.pubs {
		if t.overdue(p) {
			expired = append(expired, p)
		} else {
			kept = append(kept, p)
		}
	}
	clear(t.pubs[len(kept):])
	t.pubs = kept
	if len(expired) > 0 {
		t.rehash()
	}
	for _, p := range expired {
		t.gone(p.inst)
		t.changed(naming.InstanceExpired, p.inst)
	}
}

// overdue turns p unhealthy when its time has come and reports whether it is to be removed.
func (t *step) overdue(p *publication) bool {
	if !p.inst.Ephemeral {
		return false
	}
	if p.inst.Client != nil {
		gone, next := p.inst.Client.Judge(p.clock, t.env)
		t.wake(next)
		return gone && t.rules.Expire
	}
	if !t.rules.HealthCheck || t.beatless(p.inst) {
		t.wake(t.now.Add(recheck))
		return false
	}
	silent := t.now.Since(p.clock.Last)
	remove := naming.DeleteTimeout(p.inst.Metadata)
	if t.rules.Expire && silent >= remove {
		return true
	}
	if p.inst.Healthy && silent >= naming.BeatTimeout(p.inst.Metadata) {
		t.flip(p, false)
	}
	t.wakeFor(p.inst, p.clock.Last)
	return false
}

// beatless reports whether heartbeats of the instance are not judged: metadata
// enableClientBeat=true of the instance or the service skips the check in Nacos 2.0.3,
// whatever its name says.
func (t *step) beatless(in *naming.Instance) bool {
	v, ok := in.Metadata.Get(naming.MetaClientBeat)
	if !ok && t.meta != nil {
		v, ok = t.meta.Metadata.Get(naming.MetaClientBeat)
	}
	return ok && strings.EqualFold(v, "true")
}

// wakeFor makes sure that Tick sees the next time-out of in, last heard of at from.
func (t *step) wakeFor(in *naming.Instance, from naming.Instant) {
	if !in.Ephemeral {
		return
	}
	if in.Client != nil {
		t.wake(in.Client.Look(t.now, from))
		return
	}
	if in.Healthy {
		t.wake(from.Add(naming.BeatTimeout(in.Metadata)))
	}
	if t.rules.Expire {
		t.wake(from.Add(naming.DeleteTimeout(in.Metadata)))
	}
}
