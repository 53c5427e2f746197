package naming

import "strings"

// MaxWeight is the largest weight that Nacos accepts.
const MaxWeight = 10000.0

// Addr identifies an instance inside a service as operators name it: Nacos keys instance
// metadata by "ip:port:cluster".
type Addr struct {
	IP      string
	Port    int
	Cluster string
}

// Instance is one instance as readers see it: what its client registered, with the
// operator's metadata (the [Overlay]) put over it. Immutable.
type Instance struct {
	IP        string
	Port      int
	Cluster   string
	Weight    float64
	Enabled   bool
	Healthy   bool
	Ephemeral bool
	Metadata  Metadata

	// Registered is the instance as its client registered it when an overlay covers it,
	// else nil: the instance is then as registered. Its Healthy field means nothing.
	Registered *Instance

	// Client is the connection that published an ephemeral instance; nil: its client sends
	// heartbeats, or it is persistent.
	Client *Client

	// Stamp orders the registrations of one instance that diverged owners took; see
	// [Env]. Readers are not shown it, and equal instances may differ in it.
	Stamp uint64
}

// Addr returns the instance's address.
func (i *Instance) Addr() Addr { return Addr{i.IP, i.Port, i.Cluster} }

// Base returns the instance as its client registered it.
func (i *Instance) Base() *Instance {
	if i.Registered != nil {
		return i.Registered
	}
	return i
}

// Overlay is the metadata that an operator laid over one instance (PUT and PATCH
// /instance, metadata/batch). It never changes the registered record and outlives a
// re-registration, as Nacos 2.0's InstanceMetadata. Immutable.
type Overlay struct {
	Weight   float64
	Enabled  bool
	Metadata Metadata
}

// Cover returns base with o laid over it; base itself when o is nil.
func (o *Overlay) Cover(base *Instance) *Instance {
	if o == nil {
		return base
	}
	out := *base
	out.Weight, out.Enabled = o.Weight, o.Enabled
	out.Metadata = base.Metadata.Merge(o.Metadata)
	out.Registered = base
	return &out
}

// ServiceMeta is what an operator said about a service (POST and PUT /service, PUT
// /cluster). A service that came into being by a registration has none. Immutable.
type ServiceMeta struct {
	ProtectThreshold float64
	Metadata         Metadata
	Selector         Selector
	Clusters         []ClusterMeta // sorted by name
}

// Unchecked reports whether a cluster was explicitly given the checker NONE: its health is
// what operators say. nil has no cluster.
func (m *ServiceMeta) Unchecked(cluster string) bool {
	if m == nil {
		return false
	}
	for i := range m.Clusters {
		if m.Clusters[i].Name == cluster {
			return strings.EqualFold(m.Clusters[i].Checker.Type, "NONE")
		}
	}
	return false
}

// Selector narrows the instances that a consumer is shown. Type is "none" or "label";
// the zero value means none.
type Selector struct {
	Type       string
	Expression string
}

// ClusterMeta is what an operator said about one cluster of a service.
type ClusterMeta struct {
	Name            string
	CheckPort       int
	UseInstancePort bool
	Checker         HealthChecker
	Metadata        Metadata
}

// HealthChecker configures the server-side check of persistent instances. Type is TCP,
// HTTP, MYSQL or NONE; the other fields belong to one type each.
type HealthChecker struct {
	Type string

	Path                 string // HTTP
	Headers              string // HTTP, "k:v|k2:v2"
	ExpectedResponseCode int    // HTTP

	User, Password, Command string // MYSQL
}
