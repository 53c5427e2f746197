package v2

import (
	"cmp"
	"slices"
	"strings"

	"nactor/naming"
	"nactor/naming/heritage"
)

// clientID is Nacos's client id of an HTTP client, "ip:port#ephemeral".
type clientID struct {
	ip        string
	port      int
	ephemeral bool
}

// publication is one client's instance. inst is replaced, never changed.
type publication struct {
	inst  *naming.Instance // as readers see it
	clock *naming.BeatClock
}

// overlay is an operator's metadata for one address. An overlay whose instance is gone is
// remembered for a while, so that a quick re-registration finds it.
type overlay struct {
	*naming.Overlay
	gone  bool
	since naming.Instant // when it was gone
}

// Service is one service in the structure of Nacos 2.0. Not safe for concurrent use.
type Service struct {
	key       naming.Key
	born      bool // exists for readers
	ephemeral bool // kind of the first instance
	meta      *naming.ServiceMeta
	pubs      []*publication                  // sorted by address
	hashes    []uint32                        // of their clients, in the same order
	overlays  map[naming.Addr]overlay         // nil until the first
	shown     map[naming.Addr]*naming.Overlay // overlays as views show them; nil: rebuild
	memory    heritage.Memory                 // of this life
	due       naming.Instant                  // when Tick may next change something
	waiting   bool                            // due is set
}

// New returns a service that does not exist yet; its first command may bring it to life.
func New(key naming.Key) *Service {
	return &Service{key: key}
}

// Restore starts a new life of a service from its last view. Every beat clock starts at
// now: a new owner grants one full time-out of grace.
func Restore(view *naming.View, now naming.Instant) *Service {
	s := New(view.Key)
	s.born, s.ephemeral, s.meta, s.memory.Touched, s.memory.Began = true, view.Ephemeral, view.Meta, now, now
	s.pubs = make([]*publication, 0, len(view.Instances))
	s.overlays = make(map[naming.Addr]overlay, len(view.Overlays))
	for addr, o := range view.Overlays {
		s.overlays[addr] = overlay{Overlay: o, gone: true, since: now}
	}
	for _, in := range view.Instances {
		s.pubs = append(s.pubs, &publication{inst: in, clock: &naming.BeatClock{Last: now, Granted: true}})
		s.recall(in.Addr())
	}
	slices.SortFunc(s.pubs, func(a, b *publication) int { return compareInstances(a.inst, b.inst) })
	s.rehash()
	s.wake(now)
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

// View returns the picture that readers are shown, instances sorted by address.
func (s *Service) View(rev naming.Revision) *naming.View {
	v := &naming.View{Key: s.key, Revision: rev, Meta: s.meta, Ephemeral: s.ephemeral}
	v.Instances = make([]*naming.Instance, len(s.pubs))
	for i, p := range s.pubs {
		v.Instances[i] = p.inst
	}
	if s.shown == nil && len(s.overlays) > 0 {
		s.shown = make(map[naming.Addr]*naming.Overlay, len(s.overlays))
		for addr, o := range s.overlays {
			s.shown[addr] = o.Overlay
		}
	}
	v.Overlays = s.shown
	return v
}

// Key returns the name of the service.
func (s *Service) Key() naming.Key { return s.key }

// Exists reports whether readers know the service.
func (s *Service) Exists() bool { return s.born }

// Len returns the number of instances.
func (s *Service) Len() int { return len(s.pubs) }

// Deadline returns when a Tick may next change something; false: not before another
// command.
func (s *Service) Deadline() (naming.Instant, bool) { return s.due, s.waiting }

// Clock returns the beat clock of an instance, to be shared with the other structure, or
// nil when there is no such instance.
func (s *Service) Clock(addr naming.Addr, ephemeral bool) *naming.BeatClock {
	if p := s.find(clientID{addr.IP, addr.Port, ephemeral}); p != nil && p.inst.Cluster == addr.Cluster {
		return p.clock
	}
	return nil
}

// Clocks returns [Service.Clock] for who asks in the order of a view; it is good until the
// next change.
func (s *Service) Clocks() func(naming.Addr, bool) *naming.BeatClock {
	next := 0
	return func(addr naming.Addr, ephemeral bool) *naming.BeatClock {
		if next < len(s.pubs) {
			if p := s.pubs[next]; p.inst.Ephemeral == ephemeral && p.inst.Addr() == addr {
				next++
				return p.clock
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

func idOf(in *naming.Instance) clientID { return clientID{in.IP, in.Port, in.Ephemeral} }

func compareInstances(a, b *naming.Instance) int {
	if c := strings.Compare(a.IP, b.IP); c != 0 {
		return c
	}
	if c := cmp.Compare(a.Port, b.Port); c != 0 {
		return c
	}
	if c := strings.Compare(a.Cluster, b.Cluster); c != 0 {
		return c
	}
	switch {
	case a.Ephemeral == b.Ephemeral:
		return 0
	case a.Ephemeral:
		return -1
	default:
		return 1
	}
}

// hash spreads clients; FNV-1a. Two may share one.
func (id clientID) hash() uint32 {
	h := uint32(2166136261)
	for i := range len(id.ip) {
		h = (h ^ uint32(id.ip[i])) * 16777619
	}
	h = (h ^ uint32(id.port)) * 16777619
	if id.ephemeral {
		h ^= 1
	}
	return h
}

// rehash makes hashes follow pubs.
func (s *Service) rehash() {
	s.hashes = s.hashes[:0]
	for _, p := range s.pubs {
		s.hashes = append(s.hashes, idOf(p.inst).hash())
	}
}

// scanned is up to how many publications find looks through the hashes: they lie side by
// side, while each step of a search touches an instance and its text somewhere in memory.
const scanned = 128

// find returns a client's publication, or nil. A map would cost more memory than the
// instances.
func (s *Service) find(id clientID) *publication {
	if len(s.hashes) <= scanned {
		h := id.hash()
		for i, x := range s.hashes {
			if x == h && idOf(s.pubs[i].inst) == id {
				return s.pubs[i]
			}
		}
		return nil
	}
	i, _ := slices.BinarySearchFunc(s.pubs, id, func(p *publication, id clientID) int {
		if c := strings.Compare(p.inst.IP, id.ip); c != 0 {
			return c
		}
		return cmp.Compare(p.inst.Port, id.port)
	})
	// A client has one publication, so these are two at most.
	for ; i < len(s.pubs) && s.pubs[i].inst.IP == id.ip && s.pubs[i].inst.Port == id.port; i++ {
		if s.pubs[i].inst.Ephemeral == id.ephemeral {
			return s.pubs[i]
		}
	}
	return nil
}

// insert adds a publication of a client that has none.
func (s *Service) insert(p *publication) {
	i, _ := s.place(p)
	s.pubs = slices.Insert(s.pubs, i, p)
	s.hashes = slices.Insert(s.hashes, i, idOf(p.inst).hash())
}

// remove takes a publication out.
func (s *Service) remove(p *publication) {
	if i, found := s.place(p); found {
		s.pubs = slices.Delete(s.pubs, i, i+1)
		s.hashes = slices.Delete(s.hashes, i, i+1)
	}
}

func (s *Service) place(p *publication) (int, bool) {
	return slices.BinarySearchFunc(s.pubs, p.inst, func(p *publication, in *naming.Instance) int {
		return compareInstances(p.inst, in)
	})
}
