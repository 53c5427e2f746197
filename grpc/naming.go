package grpc

import (
	"context"
	"strings"
	"time"

	"nactor/naming"
	"nactor/naming/wire"
)

// What InstanceRequest and BatchInstanceRequest ask for.
const (
	register      = "registerInstance"
	deregister    = "deregisterInstance"
	batchRegister = "batchRegisterInstance"
)

func (r *request) key() (naming.Key, error) {
	if strings.TrimSpace(r.ServiceName) == "" {
		return naming.Key{}, naming.Invalid("Param 'serviceName' is required.")
	}
	return naming.NewKey(r.Namespace, r.GroupName, r.ServiceName)
}

// naming returns the instance, or what is wrong with it.
func (in *instance) naming(ephemeral bool) (*naming.Instance, error) {
	if in == nil {
		return nil, naming.Invalid("Param 'instance' is required.")
	}
	or := func(b *bool) bool { return b == nil || *b }
	out := &naming.Instance{
		IP: strings.TrimSpace(in.IP), Port: in.Port, Cluster: strings.TrimSpace(in.ClusterName), Weight: 1,
		Enabled: or(in.Enabled), Healthy: or(in.Healthy), Ephemeral: ephemeral, Metadata: naming.MetadataOf(in.Metadata),
	}
	if out.Cluster == "" {
		out.Cluster = naming.DefaultCluster
	}
	if in.Weight != nil {
		out.Weight = *in.Weight
	}
	if out.IP == "" {
		return nil, naming.Invalid("Param 'ip' is required.")
	}
	if err := out.Addr().Check(); err != nil {
		return nil, err
	}
	if err := naming.CheckWeight(out.Weight); err != nil {
		return nil, err
	}
	return out, naming.CheckMetadata(out.Metadata)
}

// instance registers or deregisters the one instance that a client publishes in a service.
func (c *client) instance(ctx context.Context, r *request) (answer, error) {
	key, err := r.key()
	if err != nil {
		return answer{}, err
	}
	switch r.Type {
	case register:
		in, err := r.Instance.naming(true)
		if err != nil {
			return answer{}, err
		}
		return answer{Type: r.Type}, c.connection.Publish(ctx, key, []*naming.Instance{in})
	case deregister:
		return answer{Type: r.Type}, c.connection.Withdraw(ctx, key)
	}
	return answer{}, naming.Invalid("Unsupported request type %s", r.Type)
}

// batch replaces what a client publishes in a service by a list.
func (c *client) batch(ctx context.Context, r *request) (answer, error) {
	key, err := r.key()
	if err != nil {
		return answer{}, err
	}
	if r.Type != batchRegister {
		return answer{}, naming.Invalid("Unsupported request type %s", r.Type)
	}
	if len(r.Instances) > maxBatch {
		return answer{}, naming.Invalid("%d instances at once are too many, at most %d are taken", len(r.Instances), maxBatch)
	}
	list := make([]*naming.Instance, 0, len(r.Instances))
	for i := range r.Instances {
		in, err := r.Instances[i].naming(true)
		if err != nil {
			return answer{}, err
		}
		list = append(list, in)
	}
	return answer{Type: r.Type}, c.connection.Publish(ctx, key, list)
}

// maxBatch bounds one batch.
const maxBatch = 10_000

// persistent registers or deregisters a persistent instance, which lives without the client.
func (c *client) persistent(ctx context.Context, r *request) (answer, error) {
	key, err := r.key()
	if err != nil {
		return answer{}, err
	}
	in, err := r.Instance.naming(false)
	if err != nil {
		return answer{}, err
	}
	var cmd naming.Command
	switch r.Type {
	case register:
		cmd = naming.Register{Instance: in}
	case deregister:
		cmd = naming.Deregister{Addr: in.Addr()}
	default:
		return answer{}, naming.Invalid("Unsupported request type %s", r.Type)
	}
	_, err = c.server.cfg.Registry.Do(ctx, key, cmd)
	return answer{Type: r.Type}, err
}

// query shows a service once.
func (c *client) query(_ context.Context, r *request) (answer, error) {
	key, err := r.key()
	if err != nil {
		return answer{}, err
	}
	return answer{ServiceInfo: c.info(key, wire.Query{Clusters: r.Cluster, HealthyOnly: r.HealthyOnly})}, nil
}

// info returns the JSON of a service. Clients take only what is newer than what they have, by
// its lastRefTime.
func (c *client) info(key naming.Key, q wire.Query) []byte {
	q.CacheMillis = c.server.cfg.Switches().DefaultPushCacheMillis
	q.Now = c.next(key, time.Now())
	return wire.AppendServiceInfo(nil, key, c.server.cfg.Reader.View(key), q)
}

// list returns a page of the names of a group.
func (c *client) list(_ context.Context, r *request) (answer, error) {
	ns, group := strings.TrimSpace(r.Namespace), strings.TrimSpace(r.GroupName)
	if ns == "" {
		ns = naming.DefaultNamespace
	}
	if group == "" {
		group = naming.DefaultGroup
	}
	all := []string{}
	for _, k := range c.server.cfg.Reader.Services(ns) {
		if k.Group == group {
			all = append(all, k.Name)
		}
	}
	size := min(max(r.PageSize, 0), len(all))
	begin := 0
	if no := max(r.PageNo, 1) - 1; size == 0 || no > len(all)/size {
		begin = len(all)
	} else {
		begin = min(no*size, len(all))
	}
	return answer{names: &names{Count: len(all), ServiceNames: all[begin:min(begin+size, len(all))]}}, nil
}

// subscribe begins or ends a subscription, and shows the service.
func (c *client) subscribe(_ context.Context, r *request) (answer, error) {
	key, err := r.key()
	if err != nil {
		return answer{}, err
	}
	if r.Subscribe {
		c.begin(key, r.Clusters)
	} else {
		c.finish(key)
	}
	return answer{Message: "success", ServiceInfo: c.info(key, wire.Query{Clusters: r.Clusters})}, nil
}
