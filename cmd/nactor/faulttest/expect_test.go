package faulttest

import (
	"slices"
	"time"

	"nactor/naming"
)

// What is promised.
const (
	// listedAfter is how long after an acknowledgement every node has to list what it was about.
	listedAfter = time.Second
	// takenOver is how long after an owner was cut off those that it had not told yet hear from
	// the next one: what one other node has is enough to acknowledge a write.
	takenOver = 4 * time.Second
	// margin is what is left to the nodes before a time-out runs out.
	margin      = time.Second
	expirySlack = 5 * time.Second
	// lingering is how long a node that runs may take for a request that its client gave up.
	lingering = naming.MaxRequestTime + time.Second
	// lostBeat is what is left when the beat before may have been lost on its way to the owner.
	lostBeat = 7 * time.Second
	// grace is what a new owner adds to the time-outs of the instances that it takes over from a
	// dead one: the time to notice the death, and a beat.
	grace = 10 * time.Second
)

// demand is what one node must show of one instance in a read that begins and ends in it.
type demand struct {
	from, to instant
	what     need
	since    instant // of the write that it follows from
	own      instant // until then it is demanded only because the node took the write itself
	edit     int     // edited: what is shown is at least as new
}

type need int

const (
	present need = iota // listed
	healthy             // listed as healthy, if at all
	absent              // not listed: it was deregistered
	expired             // not listed: it has not beaten
	hidden              // not listed: it is disabled
	edited              // listed with this edit, if at all
)

// heard returns when a node has to know of a write that was acknowledged.
func (h *history) heard(w write, node int) instant {
	at := w.ret + listedAfter
	if w.node == node && w.op == register {
		at = w.ret // who took it shows it at once
	}
	if w.node == node {
		return at
	}
	begin := w.call
	for i := range h.troubles {
		// In the order in which they began; a later one may come before the last has settled.
		tr := &h.troubles[i]
		if tr.parts(w.node, node) && tr.from <= at && tr.to >= begin {
			at = max(at, tr.to+tr.settle)
		}
		if tr.set >= begin && tr.from <= w.ret+listedAfter {
			at = max(at, tr.set+takenOver) // the owner may be on the other side
		}
	}
	return at
}

// demands returns what a node must show of an instance, and when.
func (h *history) demands(in *instance, node int) []demand {
	if in.disabled {
		return []demand{{to: forever, what: hidden}}
	}
	out := h.edits(in, node)
	for i, w := range in.writes {
		if w.op == edit || w.outcome != acked || w.op != deregister && h.overtaken(in, i) {
			continue
		}
		next := forever // when its client asked for something that may end this state
		for _, later := range in.writes[i+1:] {
			if later.op != edit && (w.op == deregister) != (later.op == deregister) {
				next = later.call
				break
			}
		}
		from, own := h.heard(w, node), instant(0)
		if w.node == node {
			own = w.ret + listedAfter
		}
		if w.op == deregister {
			if from, ok := h.gone(in, i, from); ok && from < next {
				out = append(out, demand{from: from, to: next, what: absent, since: w.call})
			}
			continue
		}
		if in.persistent {
			out = append(out, demand{from: from, to: next, what: present, since: w.call, own: own})
			continue
		}
		for _, wipe := range h.wipes {
			if wipe >= w.call {
				next = min(next, wipe)
			}
		}
		out = append(out,
			demand{from: from, to: min(next, w.call+naming.DefaultDeleteTimeout-margin), what: present, since: w.call, own: own},
			demand{from: from, to: min(next, w.call+naming.DefaultBeatTimeout-h.margin(w)), what: healthy, since: w.call})
	}
	if d, ok := h.silent(in); ok {
		out = append(out, d)
	}
	return out
}

// edits returns from when on an instance must be shown with which edits. One whose client
// got no answer may be carried out late, and end a newer one; a deregistration that got none
// may have taken what is stored, and not the instance.
func (h *history) edits(in *instance, node int) []demand {
	var out []demand
	late := instant(0)
	for i, w := range in.writes {
		switch {
		case w.outcome == maybe && w.op != deregister:
			late = max(late, h.end(w))
		case w.op == edit && w.call > late:
			to := forever
			for _, later := range in.writes[i+1:] {
				if later.op == deregister && later.outcome == maybe {
					to = later.call
					break
				}
			}
			out = append(out, demand{from: h.heard(w, node), to: to, what: edited, since: w.call, edit: w.edit})
		}
	}
	return out
}

// margin returns how long before its time-out an instance may turn unhealthy. A beat that
// was taken while the nodes lost or found each other may not have reached the owner; the
// next ones do.
func (h *history) margin(w write) time.Duration {
	for i := range h.troubles {
		if tr := &h.troubles[i]; w.ret >= tr.from-margin && w.call <= tr.to+tr.settle {
			return lostBeat
		}
	}
	return margin
}

// settling reports whether nodes that did not hear each other still have to agree.
func (h *history) settling(r read) bool {
	return slices.ContainsFunc(h.troubles, func(tr trouble) bool { return r.call <= tr.to+tr.settle && r.ret >= tr.to })
}

// end returns until when a write that its client gave up may be carried out. A node that
// is paused finds it waiting when it runs on.
func (h *history) end(w write) instant {
	end := w.ret
	for i := range h.troubles {
		if tr := &h.troubles[i]; tr.asleep && tr.side[w.node] != 0 && tr.from <= w.ret && tr.to >= w.call {
			end = max(end, tr.to)
		}
	}
	return end + lingering
}

// overtaken reports whether a deregistration from before the i-th write may have been
// carried out after it.
func (h *history) overtaken(in *instance, i int) bool {
	for _, w := range in.writes[:i] {
		if w.op == deregister && w.outcome == maybe && h.end(w) >= in.writes[i].call {
			return true
		}
	}
	return false
}

// doubtful reports whether a request that its client gave up may have undone a later one for
// good. An ephemeral instance's next beat, or the lack of it, ends the doubt.
func (h *history) doubtful(in *instance) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.persistent {
		return false
	}
	doubt := false
	for i, w := range in.writes {
		switch {
		case w.op == edit:
		case w.outcome == acked:
			// One that was asked for after all that may linger settles it.
			doubt = slices.ContainsFunc(in.writes[:i], func(before write) bool {
				return before.op != edit && before.outcome == maybe && h.end(before) >= w.call
			})
		default:
			doubt = true
		}
	}
	return doubt
}

// gone returns when what was deregistered by the i-th write must have gone, known to the
// node at from. A request from before that its client gave up may have been carried out
// after it; then the instance is one that expires.
func (h *history) gone(in *instance, i int, from instant) (instant, bool) {
	for _, w := range in.writes[:i] {
		if w.outcome != maybe || w.op == deregister || w.op == edit || h.end(w) < in.writes[i].call {
			continue
		}
		if in.persistent {
			return 0, false
		}
		from = max(from, h.expiry(h.end(w)))
	}
	return from, true
}

// silent returns when an ephemeral instance must have gone because its client says no more,
// or has never got an answer to its deregistration.
func (h *history) silent(in *instance) (demand, bool) {
	if in.persistent || len(in.writes) == 0 {
		return demand{}, false
	}
	last := in.writes[len(in.writes)-1]
	if last.op == deregister && last.outcome == acked {
		return demand{}, false
	}
	var at, call instant
	for _, w := range in.writes {
		end := w.ret
		if w.outcome == maybe {
			end = h.end(w)
		}
		if w.op != deregister && w.op != edit {
			at, call = max(at, end), w.call
		}
	}
	return demand{from: h.expiry(at), to: forever, what: expired, since: call}, true
}

// expiry returns when an instance that was last heard of at an instant must have gone.
func (h *history) expiry(at instant) instant {
	end := at + naming.DefaultDeleteTimeout + expirySlack
	for _, a := range h.absences {
		if a.sudden && a.from >= at && a.from <= end {
			end += grace
		}
	}
	for i := range h.troubles {
		tr := &h.troubles[i]
		if tr.from > end || tr.to < at {
			continue
		}
		end += grace // the side without the owner takes over
		if tr.asleep {
			end += tr.to - tr.from // who sleeps does not count the time
		}
		end = max(end, tr.to+tr.settle)
	}
	return end
}
