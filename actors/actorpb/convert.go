package actorpb

import (
	"net/netip"
	"time"

	"google.golang.org/protobuf/proto"

	"nactor/naming"
	"nactor/replica"
)

// FromSubscriptions returns the answer to question id.
func FromSubscriptions(id uint64, list []naming.Subscription) *SubscribersAnswer {
	out := &SubscribersAnswer{Id: id, Subscriptions: make([]*Subscription, 0, len(list))}
	for _, s := range list {
		out.Subscriptions = append(out.Subscriptions, &Subscription{
			Key: FromKey(s.Key), Addr: s.Addr.String(), Agent: s.Agent, App: s.App, Clusters: s.Clusters, Connection: s.Connection,
		})
	}
	return out
}

// Naming returns the subscriptions; an address that is none becomes the zero one.
func (a *SubscribersAnswer) Naming() []naming.Subscription {
	out := make([]naming.Subscription, 0, len(a.GetSubscriptions()))
	for _, s := range a.GetSubscriptions() {
		addr, _ := netip.ParseAddrPort(s.GetAddr())
		out = append(out, naming.Subscription{Key: s.GetKey().Naming(), Subscriber: naming.Subscriber{
			Addr: addr, Agent: s.GetAgent(), App: s.GetApp(), Clusters: s.GetClusters(), Connection: s.GetConnection(),
		}})
	}
	return out
}

// FromKey returns the message of a key.
func FromKey(k naming.Key) *Key { return &Key{Namespace: k.Namespace, Group: k.Group, Name: k.Name} }

// Naming returns the key.
func (k *Key) Naming() naming.Key {
	return naming.Key{Namespace: k.GetNamespace(), Group: k.GetGroup(), Name: k.GetName()}
}

// FromAddr returns the message of an address.
func FromAddr(a naming.Addr) *Addr {
	return &Addr{Ip: a.IP, Port: uint32(a.Port), Cluster: a.Cluster}
}

// Naming returns the address.
func (a *Addr) Naming() naming.Addr {
	return naming.Addr{IP: a.GetIp(), Port: int(a.GetPort()), Cluster: a.GetCluster()}
}

// FromRevision returns the message of a revision; nil for the zero one.
func FromRevision(r naming.Revision) *Revision {
	if r == (naming.Revision{}) {
		return nil
	}
	return &Revision{Activation: r.Activation, Counter: r.Counter}
}

// Naming returns the revision.
func (r *Revision) Naming() naming.Revision {
	return naming.Revision{Activation: r.GetActivation(), Counter: r.GetCounter()}
}

func fromMetadata(m naming.Metadata) []string {
	if len(m) == 0 {
		return nil
	}
	out := make([]string, 0, 2*len(m))
	for _, p := range m {
		out = append(out, p.Key, p.Value)
	}
	return out
}

func toMetadata(list []string) naming.Metadata {
	if len(list) < 2 {
		return nil
	}
	sorted := true
	m := make(naming.Metadata, 0, len(list)/2)
	for i := 0; i+1 < len(list); i += 2 {
		sorted = sorted && (i == 0 || list[i-2] < list[i])
		m = append(m, naming.Pair{Key: list[i], Value: list[i+1]})
	}
	if !sorted {
		return naming.MetadataOf(m.Map()) // not from a node of ours: metadata must be sorted
	}
	return m
}

// FromInstance returns the message of an instance.
func FromInstance(in *naming.Instance) *Instance {
	if in == nil {
		return nil
	}
	out := &Instance{
		Ip: in.IP, Port: uint32(in.Port), Cluster: in.Cluster, Weight: in.Weight, Enabled: in.Enabled, Healthy: in.Healthy,
		Ephemeral: in.Ephemeral, Metadata: fromMetadata(in.Metadata), Registered: FromInstance(in.Registered), Stamp: in.Stamp,
	}
	if c := in.Client; c != nil {
		out.Client, out.ClientNode = c.ID, c.Node
	}
	return out
}

// Naming returns the instance; nil for nil.
func (in *Instance) Naming() *naming.Instance {
	if in == nil {
		return nil
	}
	out := &naming.Instance{
		IP: in.Ip, Port: int(in.Port), Cluster: in.Cluster, Weight: in.Weight, Enabled: in.Enabled, Healthy: in.Healthy,
		Ephemeral: in.Ephemeral, Metadata: toMetadata(in.Metadata), Registered: in.Registered.Naming(), Stamp: in.Stamp,
	}
	if in.Client != "" {
		out.Client = &naming.Client{ID: in.Client, Node: in.ClientNode}
	}
	return out
}

func fromInstances(list []*naming.Instance) []*Instance {
	out := make([]*Instance, 0, len(list))
	for _, in := range list {
		out = append(out, FromInstance(in))
	}
	return out
}

func toInstances(list []*Instance) []*naming.Instance {
	out := make([]*naming.Instance, 0, len(list))
	for _, in := range list {
		out = append(out, in.Naming())
	}
	return out
}

func fromOverlay(a naming.Addr, o *naming.Overlay) *Overlay {
	return &Overlay{Addr: FromAddr(a), Weight: o.Weight, Enabled: o.Enabled, Metadata: fromMetadata(o.Metadata)}
}

func (o *Overlay) naming() *naming.Overlay {
	return &naming.Overlay{Weight: o.GetWeight(), Enabled: o.GetEnabled(), Metadata: toMetadata(o.GetMetadata())}
}

func fromOverlays(m map[naming.Addr]*naming.Overlay) []*Overlay {
	var out []*Overlay
	for a, o := range m {
		out = append(out, fromOverlay(a, o))
	}
	return out
}

func toOverlays(list []*Overlay) map[naming.Addr]*naming.Overlay {
	if len(list) == 0 {
		return nil
	}
	out := make(map[naming.Addr]*naming.Overlay, len(list))
	for _, o := range list {
		out[o.Addr.Naming()] = o.naming()
	}
	return out
}

// FromMeta returns the message of a service's metadata; nil for nil.
func FromMeta(m *naming.ServiceMeta) *Meta {
	if m == nil {
		return nil
	}
	out := &Meta{
		ProtectThreshold: m.ProtectThreshold, Metadata: fromMetadata(m.Metadata),
		SelectorType: m.Selector.Type, SelectorExpression: m.Selector.Expression,
	}
	for _, c := range m.Clusters {
		out.Clusters = append(out.Clusters, FromCluster(c))
	}
	return out
}

// Naming returns the metadata; nil for nil.
func (m *Meta) Naming() *naming.ServiceMeta {
	if m == nil {
		return nil
	}
	out := &naming.ServiceMeta{
		ProtectThreshold: m.ProtectThreshold, Metadata: toMetadata(m.Metadata),
		Selector: naming.Selector{Type: m.SelectorType, Expression: m.SelectorExpression},
	}
	for _, c := range m.Clusters {
		out.Clusters = append(out.Clusters, c.Naming())
	}
	return out
}

// FromCluster returns the message of a service cluster's metadata.
func FromCluster(c naming.ClusterMeta) *ClusterMeta {
	h := c.Checker
	return &ClusterMeta{
		Name: c.Name, CheckPort: int32(c.CheckPort), UseInstancePort: c.UseInstancePort, Metadata: fromMetadata(c.Metadata),
		Checker: &Checker{
			Type: h.Type, Path: h.Path, Headers: h.Headers, ExpectedCode: int32(h.ExpectedResponseCode),
			User: h.User, Password: h.Password, Command: h.Command,
		},
	}
}

// Naming returns the metadata of a service cluster.
func (c *ClusterMeta) Naming() naming.ClusterMeta {
	h := c.GetChecker()
	return naming.ClusterMeta{
		Name: c.GetName(), CheckPort: int(c.GetCheckPort()), UseInstancePort: c.GetUseInstancePort(), Metadata: toMetadata(c.GetMetadata()),
		Checker: naming.HealthChecker{
			Type: h.GetType(), Path: h.GetPath(), Headers: h.GetHeaders(), ExpectedResponseCode: int(h.GetExpectedCode()),
			User: h.GetUser(), Password: h.GetPassword(), Command: h.GetCommand(),
		},
	}
}

// FromLineage returns the messages of a lineage.
func FromLineage(l naming.Lineage) []*Revision {
	var out []*Revision
	for _, r := range l {
		out = append(out, FromRevision(r))
	}
	return out
}

// ToLineage is the inverse of FromLineage.
func ToLineage(l []*Revision) naming.Lineage {
	var out naming.Lineage
	for _, r := range l {
		out = append(out, r.Naming())
	}
	return out
}

// FromView returns the message of a view.
func FromView(v *naming.View) *View {
	return &View{
		Key: FromKey(v.Key), Revision: FromRevision(v.Revision), Lineage: FromLineage(v.Lineage), Stored: v.Stored, Meta: FromMeta(v.Meta),
		Ephemeral: v.Ephemeral, Instances: fromInstances(v.Instances), Overlays: fromOverlays(v.Overlays),
	}
}

// Naming returns the view.
func (v *View) Naming() *naming.View {
	return &naming.View{
		Key: v.GetKey().Naming(), Revision: v.GetRevision().Naming(), Lineage: ToLineage(v.GetLineage()), Stored: v.GetStored(), Meta: v.GetMeta().Naming(),
		Ephemeral: v.GetEphemeral(), Instances: toInstances(v.GetInstances()), Overlays: toOverlays(v.GetOverlays()),
	}
}

// FromDelta returns the message of a delta.
func FromDelta(d *replica.Delta) *Delta {
	out := &Delta{
		Key: FromKey(d.Key), Base: FromRevision(d.Base), Next: FromRevision(d.Next), LineageChanged: d.LineageChanged, Lineage: FromLineage(d.Lineage), Stored: d.Stored, Gone: d.Gone,
		Ephemeral: d.Ephemeral, Meta: FromMeta(d.Meta), Put: fromInstances(d.Put),
		OverlaysChanged: d.OverlaysChanged, Overlays: fromOverlays(d.Overlays),
	}
	for _, in := range d.Remove {
		out.Remove = append(out.Remove, &Instance{Ip: in.IP, Port: uint32(in.Port), Cluster: in.Cluster, Ephemeral: in.Ephemeral})
	}
	return out
}

// Replica returns the delta.
func (d *Delta) Replica() *replica.Delta {
	return &replica.Delta{
		Key: d.GetKey().Naming(), Base: d.GetBase().Naming(), Next: d.GetNext().Naming(), LineageChanged: d.GetLineageChanged(), Lineage: ToLineage(d.GetLineage()), Stored: d.GetStored(), Gone: d.GetGone(),
		Ephemeral: d.GetEphemeral(), Meta: d.GetMeta().Naming(), Put: toInstances(d.GetPut()), Remove: toInstances(d.GetRemove()),
		OverlaysChanged: d.GetOverlaysChanged(), Overlays: toOverlays(d.GetOverlays()),
	}
}

// FromHeritage returns the message of a heritage.
func FromHeritage(h naming.Heritage) *Heritage {
	out := &Heritage{View: FromView(h.View), Granted: h.Granted}
	for _, s := range h.Silent {
		out.Silent = append(out.Silent, uint32(s.Milliseconds()))
	}
	for _, r := range h.Removed {
		out.Tombstones = append(out.Tombstones, &Tombstone{Addr: FromAddr(r.Addr), Ago: uint32(r.Ago.Milliseconds()), Stamp: r.Stamp})
	}
	return out
}

// Naming returns the heritage.
func (h *Heritage) Naming() naming.Heritage {
	out := naming.Heritage{View: h.GetView().Naming(), Granted: h.GetGranted()}
	for _, ms := range h.GetSilent() {
		out.Silent = append(out.Silent, time.Duration(ms)*time.Millisecond)
	}
	for _, t := range h.GetTombstones() {
		out.Removed = append(out.Removed, naming.Removed{Addr: t.Addr.Naming(), Ago: time.Duration(t.Ago) * time.Millisecond, Stamp: t.Stamp})
	}
	return out
}

// FromCommand returns the message of a command; false for one that never travels.
func FromCommand(id uint64, key naming.Key, cmd naming.Command) (*Command, bool) {
	out := &Command{Id: id, Key: FromKey(key)}
	switch c := cmd.(type) {
	case naming.Register:
		out.Command = &Command_Register{&Register{Instance: FromInstance(c.Instance)}}
	case naming.Deregister:
		out.Command = &Command_Deregister{&Deregister{Addr: FromAddr(c.Addr), Ephemeral: c.Ephemeral, Client: c.Client}}
	case naming.Beat:
		out.Command = &Command_Beat{&Beat{Addr: FromAddr(c.Addr), Instance: FromInstance(c.Instance)}}
	case naming.Update:
		out.Command = &Command_Update{&Update{Addr: FromAddr(c.Addr), Ephemeral: c.Ephemeral, Overlay: fromOverlay(c.Addr, &c.Overlay)}}
	case naming.Patch:
		p := &Patch{Addr: FromAddr(c.Addr), Weight: c.Weight, Enabled: c.Enabled, Healthy: c.Healthy, HasMetadata: c.Metadata != nil}
		if c.Metadata != nil {
			p.Metadata = fromMetadata(*c.Metadata)
		}
		out.Command = &Command_Patch{p}
	case naming.EditMetadata:
		e := &EditMetadata{Remove: c.Remove, Metadata: fromMetadata(c.Metadata)}
		for _, a := range c.Targets {
			e.Targets = append(e.Targets, FromAddr(a))
		}
		out.Command = &Command_EditMetadata{e}
	case naming.CreateService:
		out.Command = &Command_CreateService{FromMeta(&c.Meta)}
	case naming.UpdateService:
		out.Command = &Command_UpdateService{FromMeta(&c.Meta)}
	case naming.RemoveService:
		out.Command = &Command_RemoveService{&Empty{}}
	case naming.UpdateCluster:
		out.Command = &Command_UpdateCluster{FromCluster(c.Cluster)}
	case naming.SetHealth:
		out.Command = &Command_SetHealth{&SetHealth{Addr: FromAddr(c.Addr), Healthy: c.Healthy, Probe: c.Probe}}
	case naming.In:
		inner, ok := FromCommand(0, naming.Key{}, c.Command)
		if !ok {
			return nil, false
		}
		inner.Key = nil
		out.Command = &Command_In{&In{Structure: uint32(c.Structure), Command: inner}}
	case naming.Show:
		out.Command = &Command_Show{&Show{Structure: uint32(c.Structure)}}
	default:
		return nil, false
	}
	return out, true
}

// Naming returns the command; nil for one that this build does not know.
func (c *Command) Naming() naming.Command {
	switch m := c.GetCommand().(type) {
	case *Command_In:
		if cmd := m.In.GetCommand().plain(); cmd != nil {
			return naming.In{Structure: naming.Structure(m.In.GetStructure()), Command: cmd}
		}
		return nil
	case *Command_Show:
		return naming.Show{Structure: naming.Structure(m.Show.GetStructure())}
	}
	return c.plain()
}

// plain returns a command that names no structure.
func (c *Command) plain() naming.Command {
	switch m := c.GetCommand().(type) {
	case *Command_Register:
		if in := m.Register.GetInstance().Naming(); in != nil {
			return naming.Register{Instance: in}
		}
	case *Command_Deregister:
		return naming.Deregister{Addr: m.Deregister.GetAddr().Naming(), Ephemeral: m.Deregister.GetEphemeral(), Client: m.Deregister.GetClient()}
	case *Command_Beat:
		return naming.Beat{Addr: m.Beat.GetAddr().Naming(), Instance: m.Beat.GetInstance().Naming()}
	case *Command_Update:
		return naming.Update{Addr: m.Update.GetAddr().Naming(), Ephemeral: m.Update.GetEphemeral(), Overlay: *m.Update.GetOverlay().naming()}
	case *Command_Patch:
		p := naming.Patch{Addr: m.Patch.GetAddr().Naming(), Weight: m.Patch.Weight, Enabled: m.Patch.Enabled, Healthy: m.Patch.Healthy}
		if m.Patch.GetHasMetadata() {
			md := toMetadata(m.Patch.GetMetadata())
			p.Metadata = &md
		}
		return p
	case *Command_EditMetadata:
		e := naming.EditMetadata{Remove: m.EditMetadata.GetRemove(), Metadata: toMetadata(m.EditMetadata.GetMetadata())}
		for _, a := range m.EditMetadata.GetTargets() {
			e.Targets = append(e.Targets, a.Naming())
		}
		return e
	case *Command_CreateService:
		return naming.CreateService{Meta: *m.CreateService.orEmpty()}
	case *Command_UpdateService:
		return naming.UpdateService{Meta: *m.UpdateService.orEmpty()}
	case *Command_RemoveService:
		return naming.RemoveService{}
	case *Command_UpdateCluster:
		return naming.UpdateCluster{Cluster: m.UpdateCluster.Naming()}
	case *Command_SetHealth:
		return naming.SetHealth{Addr: m.SetHealth.GetAddr().Naming(), Healthy: m.SetHealth.GetHealthy(), Probe: m.SetHealth.GetProbe()}
	}
	return nil
}

func (m *Meta) orEmpty() *naming.ServiceMeta {
	if m == nil {
		return &naming.ServiceMeta{}
	}
	return m.Naming()
}

// FromResult returns the reply to a command.
func FromResult(id uint64, r naming.Result, err error) *Reply {
	out := &Reply{Id: id, Revision: FromRevision(r.Revision), Known: r.Known, Interval: int64(r.Interval), Updated: fromInstances(r.Updated)}
	if r.Shown != nil {
		out.Shown = FromView(r.Shown)
	}
	if err != nil {
		out.Failed, out.Kind, out.Error = true, uint32(naming.KindOf(err)), err.Error()
	}
	return out
}

// Naming returns the answer to a command.
func (r *Reply) Naming() (naming.Result, error) {
	result := naming.Result{Revision: r.GetRevision().Naming(), Known: r.GetKnown(), Interval: time.Duration(r.GetInterval())}
	if list := r.GetUpdated(); len(list) > 0 {
		result.Updated = toInstances(list)
	}
	if v := r.GetShown(); v != nil {
		result.Shown = v.Naming()
	}
	if r.GetFailed() {
		return result, &naming.Error{Kind: naming.Kind(r.GetKind()), Message: r.GetError()}
	}
	return result, nil
}

// EncodeDelta returns a delta as [Deltas] carries it.
func EncodeDelta(d *replica.Delta) ([]byte, error) { return proto.Marshal(FromDelta(d)) }

// DecodeDelta is the inverse of [EncodeDelta].
func DecodeDelta(b []byte) (*replica.Delta, error) {
	d := &Delta{}
	if err := proto.Unmarshal(b, d); err != nil {
		return nil, err
	}
	return d.Replica(), nil
}
