package v1

import (
	"slices"
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
	t.forget()
	if !t.born || t.Changed || len(t.clusters) > 0 || len(t.carried) > 0 || t.meta != nil {
		return
	}
	if until := t.memory.Touched.Add(t.rules.EmptyService); until > t.now {
		t.wake(until)
		return
	}
	t.vanish()
}

func (t *step) expire() {
	var expired []*naming.Instance
	for i := range t.clusters {
		in := t.clusters[i].ephemeral
		kept := in[:0]
		for j := range in {
			if t.overdue(&in[j]) {
				expired = append(expired, in[j].inst)
			} else {
				kept = append(kept, in[j])
			}
		}
		clear(in[len(kept):])
		t.clusters[i].ephemeral = kept
	}
	if len(expired) == 0 {
		return
	}
	t.clusters = slices.DeleteFunc(t.clusters, func(c cluster) bool { return c.empty() })
	for _, in := range expired {
		t.changed(naming.InstanceExpired, in)
	}
}

// overdue turns r unhealthy when its time has come and reports whether it is to be removed.
func (t *step) overdue(r *record) bool {
	if r.inst.Client != nil {
		gone, next := r.inst.Client.Judge(r.clock, t.env)
		t.wake(next)
		return gone && t.rules.Expire
	}
	if !t.rules.HealthCheck || t.beatless(r.inst) {
		t.wake(t.now.Add(recheck))
		return false
	}
	silent := t.now.Since(r.clock.Last)
	if t.rules.Expire && silent >= naming.DeleteTimeout(r.inst.Metadata) {
		return true
	}
	if r.inst.Healthy && silent >= naming.BeatTimeout(r.inst.Metadata) {
		t.flip(r, false)
	}
	t.wakeFor(r.inst, r.clock.Last)
	return false
}

// beatless reports whether heartbeats of the instance are not judged: metadata
// enableClientBeat=true of the instance or the service skips the check, whatever its name
// says, as it does after the switch to 2.0.
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
