package v1

import (
	"nactor/naming"
	"nactor/naming/heritage"
)

// Service is one service in the structure of Nacos 1.x. Not safe for concurrent use.
type Service struct {
	key      naming.Key
	born     bool                            // exists for readers
	meta     *naming.ServiceMeta             // what an operator said; nil: nothing
	clusters []cluster                       // sorted by name; none is empty
	carried  map[naming.Addr]*naming.Overlay // overlays of the 2.0 structure that still hold; see carry.go
	memory   heritage.Memory                 // of this life
	due      naming.Instant                  // when Tick may next change something
	waiting  bool                            // due is set
}

// New returns a service that does not exist yet; its first command may bring it to life.
func New(key naming.Key) *Service { return &Service{key: key} }

// Restore starts a new life of a service from its last view, which may be a view of either
// structure. Every beat clock starts at now: a new owner grants one full time-out of grace.
func Restore(view *naming.View, now naming.Instant) *Service {
	s := New(view.Key)
	s.Follow(now, view, func(naming.Addr, bool) *naming.BeatClock { return nil })
	s.memory.Began = now
	return s
}

// FromSaved starts a service from what the store holds of it.
func FromSaved(saved naming.Saved, now naming.Instant) *Service {
	v := &naming.View{Key: saved.Key, Meta: saved.Meta, Overlays: saved.Overlays}
	for _, in := range saved.Instances {
		v.Instances = append(v.Instances, saved.Overlays[in.Addr()].Cover(in))
	}
	return Restore(v, now)
}

// implied is the metadata of a service that no operator said anything about. In 1.x the
// service object always exists, so its protect threshold always counts.
var implied = &naming.ServiceMeta{}

// Implied reports whether meta, taken from a view of this package, is not an operator's.
// Metadata that an operator set always names a selector type, if only "none".
func Implied(meta *naming.ServiceMeta) bool {
	return meta == nil || meta.Selector == naming.Selector{} && meta.ProtectThreshold == 0 && len(meta.Metadata) == 0 && len(meta.Clusters) == 0
}

// View returns the picture that readers are shown, instances sorted by address. Its Meta is
// never nil, so that the protect threshold always counts; see [Implied]. Its Overlays are
// those that the 2.0 structure laid and nobody has written over since.
func (s *Service) View(rev naming.Revision) *naming.View {
	v := &naming.View{Key: s.key, Revision: rev, Meta: s.meta, Ephemeral: true, Overlays: s.carried}
	if v.Meta == nil {
		v.Meta = implied
	}
	for i := range s.clusters {
		v.Ephemeral = v.Ephemeral && len(s.clusters[i].persistent) == 0
	}
	v.Instances = s.all()
	return v
}

// Exists reports whether readers know the service.
func (s *Service) Exists() bool { return s.born }

// Len returns the number of instances.
func (s *Service) Len() int {
	n := 0
	for i := range s.clusters {
		n += len(s.clusters[i].ephemeral) + len(s.clusters[i].persistent)
	}
	return n
}

// Deadline returns when a Tick may next change something; false: not before another
// command.
func (s *Service) Deadline() (naming.Instant, bool) { return s.due, s.waiting }

// Clock returns the beat clock of an instance, to be shared with the other structure, or
// nil when there is no such instance.
func (s *Service) Clock(addr naming.Addr, ephemeral bool) *naming.BeatClock {
	if r := s.find(addr, ephemeral); r != nil {
		return r.clock
	}
	return nil
}

// Clocks returns [Service.Clock] for who asks in the order of a view; it is good until the
// next change.
func (s *Service) Clocks() func(naming.Addr, bool) *naming.BeatClock {
	type place struct{ ephemeral, persistent int }
	next := make([]place, len(s.clusters))
	return func(addr naming.Addr, ephemeral bool) *naming.BeatClock {
		i, found := s.cluster(addr.Cluster)
		if !found {
			return nil
		}
		at := &next[i].persistent
		if ephemeral {
			at = &next[i].ephemeral
		}
		if in := *s.clusters[i].set(ephemeral); *at < len(in) {
			if r := in[*at]; r.inst.Port == addr.Port && r.inst.IP == addr.IP {
				*at++
				return r.clock
			}
		}
		return s.Clock(addr, ephemeral)
	}
}

// wake makes sure that Tick runs at t at the latest.
func (s *Service) wake(t naming.Instant) {
	if !s.waiting || t < s.due {
		s.due, s.waiting = t, true
	}
}
