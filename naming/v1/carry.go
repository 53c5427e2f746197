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
		in.Registered = nil
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
	rest := maps.Clone(t.carried) // views hold the old map
	delete(rest, addr)
	if len(rest) == 0 {
		rest = nil
	}
	t.carried = rest
	t.record(naming.Record{Kind: naming.RecordOverlay, Addr: addr, Delete: true})
	return true
}

// forget drops the overlays of addresses that hold nothing.
func (t *step) forget() {
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
