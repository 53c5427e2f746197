package upgrade

import (
	"nactor/naming"
	"nactor/naming/v1"
	"nactor/naming/v2"
)

// ToV1 makes to hold what from shows: instances with the operators' overlays laid over
// them, service metadata, and from's own beat clocks. It does not matter what to held
// before, so it is both the conversion of a service and the double write of any change.
func ToV1(now naming.Instant, from *v2.Service, to *v1.Service) {
	if !from.Exists() {
		to.Follow(now, nil, nil)
		return
	}
	to.Follow(now, from.View(naming.Revision{}), from.Clocks())
}

// ToV2 is the way back: what from has in its ephemeral set is ephemeral, what it has in
// its persistent set is persistent. Of instances with the same ip:port in several clusters
// 2.0 can hold one of each kind; see [V2View].
func ToV2(now naming.Instant, from *v1.Service, to *v2.Service) {
	if !from.Exists() {
		to.Follow(now, nil, nil)
		return
	}
	to.Follow(now, V2View(from.View(naming.Revision{}), from.Clock), from.Clocks())
}

// V2View returns what the 2.0 structure can hold of a view, which may be one of either
// structure. Where several clusters have the same ip:port of one kind, 2.0 keeps the one
// last heard of. If the clocks do not tell, because a life has just begun, a healthy one
// was heard of later than an unhealthy one; then the later stamp counts, then the name.
func V2View(view *naming.View, clock func(naming.Addr, bool) *naming.BeatClock) *naming.View {
	out := &naming.View{
		Key: view.Key, Revision: view.Revision, Lineage: view.Lineage, Stored: view.Stored,
		Meta: view.Meta, Ephemeral: view.Ephemeral, Overlays: view.Overlays,
	}
	if v1.Implied(view.Meta) {
		out.Meta = nil
	}
	out.Instances = oneEach(view.Instances, clock)
	return out
}

// oneEach returns all with one instance of each kind for an ip:port, all itself where that
// is so already.
func oneEach(all []*naming.Instance, clock func(naming.Addr, bool) *naming.BeatClock) []*naming.Instance {
	var out []*naming.Instance
	for begin, end := range hosts(all) {
		host := all[begin:end]
		crowded := contested(host)
		if crowded && out == nil {
			out = append(make([]*naming.Instance, 0, len(all)-1), all[:begin]...)
		}
		if out == nil {
			continue
		}
		for _, in := range host {
			if !crowded || in == latest(host, in.Ephemeral, clock) {
				out = append(out, in)
			}
		}
	}
	if out == nil {
		return all
	}
	return out
}
