package naming

import "time"

// Command is one change asked of one service, whichever front or timer it came from. The
// concrete types are the ones in this file.
type Command interface{ isCommand() }

// Register publishes an instance (POST /instance). The structure owns the values from
// here on. Instance.Registered must be nil.
type Register struct{ Instance *Instance }

// Deregister withdraws the instance of ip:port; idempotent. Cluster matters in v1 only. With
// a Client it is withdrawn only while that connection publishes it: the end of a connection
// does not touch what its client has published over the next one.
type Deregister struct {
	Addr
	Ephemeral bool
	Client    string
}

// Beat is a heartbeat. Full tells whether the client sent the instance with it, in which
// case an unknown instance is registered from Instance; Instance is nil for a light beat.
// Ago is how long ago it came, when another node answered it.
type Beat struct {
	Addr
	Instance *Instance
	Ago      time.Duration
}

// Update lays {Weight, Enabled, Metadata} over an instance, replacing an earlier overlay
// (PUT /instance). The instance need not exist in v2.
type Update struct {
	Addr
	Ephemeral bool
	Overlay   Overlay
}

// Patch changes the given fields of an instance's overlay (PATCH /instance); nil leaves a
// field as it is. Metadata, when given, replaces the overlay's. Healthy counts in v1 only.
type Patch struct {
	Addr
	Weight   *float64
	Enabled  *bool
	Healthy  *bool
	Metadata *Metadata
}

// EditMetadata puts or removes overlay keys of the named instances, or of all when
// Targets is empty (PUT and DELETE /instance/metadata/batch).
type EditMetadata struct {
	Remove   bool
	Metadata Metadata // for Remove only the keys count
	Targets  []Addr
}

// CreateService records metadata for a new service (POST /service).
type CreateService struct{ Meta ServiceMeta }

// UpdateService replaces threshold, selector and metadata of a service and keeps its
// clusters (PUT /service).
type UpdateService struct{ Meta ServiceMeta }

// RemoveService deletes an empty service and its metadata (DELETE /service).
type RemoveService struct{}

// UpdateCluster creates or replaces the metadata of one cluster (PUT /cluster).
type UpdateCluster struct{ Cluster ClusterMeta }

// SetHealth sets the health of a persistent instance. Operators (PUT /health) may do so
// only in a cluster whose checker is NONE; Probe marks the result of a server-side check,
// which is not durable: written late, it would bring back what was deregistered meanwhile.
type SetHealth struct {
	Addr
	Healthy bool
	Probe   bool
}

// Tick lets time pass: beats that are overdue, overlays that need no longer be
// remembered, empty services. Send it when [Deadline] says so.
type Tick struct{}

func (Register) isCommand()      {}
func (Deregister) isCommand()    {}
func (Beat) isCommand()          {}
func (Update) isCommand()        {}
func (Patch) isCommand()         {}
func (EditMetadata) isCommand()  {}
func (CreateService) isCommand() {}
func (UpdateService) isCommand() {}
func (RemoveService) isCommand() {}
func (UpdateCluster) isCommand() {}
func (SetHealth) isCommand()     {}
func (Tick) isCommand()          {}

// Env is what a structure needs to know of the world when it takes a step.
type Env struct {
	Now   Instant
	Rules *Rules
	Stamp uint64 // of what is registered or removed in this step: wall-clock time in ns, and greater than every stamp that the owner has seen
	// Present reports whether a process that holds connections is here. nil: all are.
	Present func(process string) bool
}

// Result is the answer to a command.
type Result struct {
	Revision Revision      // the view that shows the change; set by the service's owner
	Known    bool          // Beat: the instance is registered (also when this beat registered it)
	Interval time.Duration // Beat: when the client shall beat next
	Updated  []*Instance   // EditMetadata: the instances touched
	Shown    *View         // Show
}

// Effects is everything that a step did: what to answer, what to write down before
// anybody may see it, and what happened, in order. A step with Err set changed nothing.
type Effects struct {
	Err     error
	Result  Result
	Changed bool     // the view differs from the one before
	Records []Record // to be durable before the change is shown or answered
	Events  []Event
	Empty   bool // the service holds nothing any more: drop its view and its grain
}

// EventKind names what happened to a service.
type EventKind uint8

const (
	InstanceRegistered   EventKind = iota + 1 // new or re-registered
	InstanceDeregistered                      // by its client or an operator
	InstanceExpired                           // its beats stayed away for the delete time-out
	HealthChanged
	InstanceMetadataChanged // overlay
	ServiceMetadataChanged
	ServiceRemoved
)

var eventNames = [...]string{"", "registered", "deregistered", "expired", "health changed", "instance metadata changed", "service metadata changed", "service removed"}

func (k EventKind) String() string { return eventNames[k] }

// Event is one thing that happened. Instance is nil for events of the service as a whole
// and for overlays of instances that are not there; otherwise it is the instance as it is
// now, or was last for the ones that are gone. From events the double write knows what the
// other structure has to catch up with: service metadata, instances, or both.
type Event struct {
	Kind     EventKind
	Instance *Instance
}
