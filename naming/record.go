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
