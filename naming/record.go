package naming

// Record is one durable fact about a service: exactly one of Service, Instance, Overlay
// is meant, told by Kind. Delete removes the fact; then only the identifying fields count.
type Record struct {
	Kind   RecordKind
	Key    Key
	Addr   Addr // of an instance or overlay
	Delete bool

	Service  *ServiceMeta // RecordService
	Instance *Instance    // RecordInstance: persistent instances, as registered, with health
	Overlay  *Overlay     // RecordOverlay
}

// RecordKind says what a [Record] is about.
type RecordKind uint8

const (
	RecordService RecordKind = iota + 1
	RecordInstance
	RecordOverlay
)

// Saved is everything durable about one service, as read back at start.
type Saved struct {
	Key       Key
	Meta      *ServiceMeta
	Instances []*Instance // as registered
	Overlays  map[Addr]*Overlay
}

// Saved returns the durable part of a view, as a store that holds it would.
func (v *View) Saved() Saved {
	s := Saved{Key: v.Key, Meta: v.Meta, Overlays: v.Overlays}
	for _, in := range v.Instances {
		if in.Ephemeral {
			continue
		}
		base := in.Base()
		if base.Healthy != in.Healthy {
			own := *base
			own.Healthy = in.Healthy
			base = &own
		}
		s.Instances = append(s.Instances, base)
	}
	return s
}
