package namingtest

import (
	"slices"

	"nactor/naming"
)

// Ledger is a store without a disk: it applies records as a store does and gives back what
// would be read at the next start.
type Ledger map[naming.Key]*ledgerService

type ledgerService struct {
	meta      *naming.ServiceMeta
	instances map[naming.Addr]*naming.Instance
	overlays  map[naming.Addr]*naming.Overlay
}

// Write applies records in order.
func (l Ledger) Write(records []naming.Record) {
	for _, r := range records {
		s := l[r.Key]
		if s == nil {
			s = &ledgerService{instances: map[naming.Addr]*naming.Instance{}, overlays: map[naming.Addr]*naming.Overlay{}}
			l[r.Key] = s
		}
		switch {
		case r.Kind == naming.RecordService && r.Delete:
			s.meta = nil
		case r.Kind == naming.RecordService:
			s.meta = r.Service
		case r.Kind == naming.RecordInstance && r.Delete:
			delete(s.instances, r.Addr)
		case r.Kind == naming.RecordInstance:
			s.instances[r.Addr] = r.Instance
		case r.Kind == naming.RecordOverlay && r.Delete:
			delete(s.overlays, r.Addr)
		case r.Kind == naming.RecordOverlay:
			s.overlays[r.Addr] = r.Overlay
		}
	}
}

// Saved returns what is held of a service.
func (l Ledger) Saved(key naming.Key) naming.Saved {
	saved := naming.Saved{Key: key, Overlays: map[naming.Addr]*naming.Overlay{}}
	s := l[key]
	if s == nil {
		return saved
	}
	saved.Meta = s.meta
	for _, in := range s.instances {
		saved.Instances = append(saved.Instances, in)
	}
	slices.SortFunc(saved.Instances, func(a, b *naming.Instance) int { return compareAddrs(a.Addr(), b.Addr()) })
	for addr, o := range s.overlays {
		saved.Overlays[addr] = o
	}
	return saved
}
