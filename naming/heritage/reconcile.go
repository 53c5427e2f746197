package heritage

import "nactor/naming"

// Durable is the part of a service that a store holds, during one step.
type Durable interface {
	Service
	// Meta returns what an operator said about the service; nil for nothing.
	Meta() *naming.ServiceMeta
	// SetMeta replaces it. A service with metadata exists.
	SetMeta(meta *naming.ServiceMeta)
	// Overlays returns the overlays that are held, under whatever type, by address.
	Overlay(addr naming.Addr) *naming.Overlay
	// Laid returns the addresses that have an overlay.
	Laid() []naming.Addr
	// Lay shows what is at addr under o; nil: under no overlay.
	Lay(addr naming.Addr, o *naming.Overlay)
	// Persistent returns the persistent instances that are held.
	Persistent() []*naming.Instance
}

// Reconcile makes the durable part of s what the store holds: metadata, overlays and
// persistent instances. Nothing is to be written for it.
func Reconcile(s Durable, now naming.Instant, saved naming.Saved) {
	if !SameMeta(s.Meta(), saved.Meta) {
		s.SetMeta(saved.Meta)
	}
	for _, addr := range s.Laid() {
		if saved.Overlays[addr] == nil {
			s.Lay(addr, nil)
		}
	}
	for addr, o := range saved.Overlays {
		if !sameOverlay(s.Overlay(addr), o) {
			s.Lay(addr, o)
		}
	}
	known := make(map[naming.Addr]bool, len(saved.Instances))
	for _, in := range saved.Instances {
		known[in.Addr()] = true
		shown := *s.Cover(in)
		shown.Healthy = in.Healthy
		held, _ := s.Held(in.Addr(), false)
		if held != nil {
			shown.Healthy = held.Healthy // what a check has found is not in the store
		}
		switch {
		case held == nil:
			s.Publish(&shown, &naming.BeatClock{Last: now})
		case !Same(held, &shown):
			s.Replace(held, &shown)
		}
	}
	for _, in := range s.Persistent() {
		if !known[in.Addr()] {
			s.Withdraw(in)
		}
	}
}
