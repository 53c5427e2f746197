package v1

import (
	"maps"

	"nactor/naming"
)

// 1.x knows no overlays, but a service may come to it with some: from the 2.0 structure on
// a downgrade, or from the store. What readers see of such an instance is its effective
// value (Instance.Registered keeps what lies below). As long as nobody writes to the
// instance its overlay is carried along, so that the way back to 2.0 loses nothing. The
// first write makes the effective value the record and forgets the overlay for good.

// overwritten drops the overlay of an address that has been written to, and makes the
// effective value of what else lies under it its record.
func (t *step) overwritten(addr naming.Addr) {
	if !t.drop(addr) {
		return
	}
	t.at(addr, func(r *record) {
		if r.inst.Registered == nil {
			return
		}
		in := *r.inst
		in.Registered, in.Stamp = nil, t.stamp
		r.inst = &in
		t.save(r.inst)
	})
}

// gone drops the overlay of an address that holds nothing any more.
func (t *step) gone(addr naming.Addr) {
	if t.at(addr, func(*record) {}) == 0 {
		t.drop(addr)
	}
}

// drop forgets an overlay, if there is one. The caller tells what changed.
func (t *step) drop(addr naming.Addr) bool {
	if _, ok := t.carried[addr]; !ok {
		return false
	}
	t.carry(addr, nil)
	t.record(naming.Record{Kind: naming.RecordOverlay, Addr: addr, Delete: true})
	return true
}

// carry replaces an overlay; nil: by none.
func (t *step) carry(addr naming.Addr, o *naming.Overlay) {
	next := maps.Clone(t.carried) // views hold the old map
	switch {
	case o == nil:
		delete(next, addr)
	case next == nil:
		next = map[naming.Addr]*naming.Overlay{addr: o}
	default:
		next[addr] = o
	}
	if len(next) == 0 {
		next = nil
	}
	t.carried = next
}

// forget drops the overlays of addresses that hold nothing, but not while this life is
// young: what they cover may still be on its way from the owner before.
func (t *step) forget() {
	if until := t.memory.Began.Add(t.rules.Remember); t.now < until && t.memory.Began != 0 {
		if len(t.carried) > 0 {
			t.wake(until)
		}
		return
	}
	var rest map[naming.Addr]*naming.Overlay
	for addr, o := range t.carried {
		if t.at(addr, func(*record) {}) == 0 {
			t.record(naming.Record{Kind: naming.RecordOverlay, Addr: addr, Delete: true})
			continue
		}
		if rest == nil {
			rest = make(map[naming.Addr]*naming.Overlay, len(t.carried))
		}
		rest[addr] = o
	}
	if len(rest) != len(t.carried) {
		t.carried = rest
		t.changed(naming.InstanceMetadataChanged, nil)
	}
}
