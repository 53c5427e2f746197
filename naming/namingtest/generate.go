package namingtest

import (
	"time"

	"pgregory.net/rapid"

	"nactor/naming"
)

// The universe: few of everything, so that commands meet.
var (
	ips      = []string{"1.1.1.1", "1.1.1.2", "10.0.0.1"}
	ports    = []int{80, 8080}
	clusters = []string{"DEFAULT", "a", "b"}

	// Metadata of registrations comes from the first list, of operators from both.
	clientPairs = []naming.Pair{
		{Key: "k", Value: "1"}, {Key: "k", Value: "2"}, {Key: "zone", Value: "a"}, {Key: "zone", Value: ""},
		{Key: naming.MetaBeatTimeout, Value: "3000"}, {Key: naming.MetaBeatTimeout, Value: "20000"}, {Key: naming.MetaBeatTimeout, Value: "abc"},
		{Key: naming.MetaDeleteTimeout, Value: "6000"}, {Key: naming.MetaDeleteTimeout, Value: "1000"},
		{Key: naming.MetaBeatInterval, Value: "2000"}, {Key: naming.MetaClientBeat, Value: "true"},
	}
	operatorPairs = []naming.Pair{{Key: "canary", Value: "1"}, {Key: "note", Value: "x"}, {Key: "note", Value: "y"}}
)

// Keys generates names of services.
func Keys() *rapid.Generator[naming.Key] {
	return rapid.Custom(func(t *rapid.T) naming.Key {
		return naming.Key{
			Namespace: rapid.SampledFrom([]string{"public", "dev"}).Draw(t, "namespace"),
			Group:     rapid.SampledFrom([]string{"DEFAULT_GROUP", "g"}).Draw(t, "group"),
			Name:      rapid.SampledFrom([]string{"s", "t"}).Draw(t, "name"),
		}
	})
}

// Addrs generates addresses of instances.
func Addrs() *rapid.Generator[naming.Addr] {
	return rapid.Custom(func(t *rapid.T) naming.Addr {
		return naming.Addr{
			IP:      rapid.SampledFrom(ips).Draw(t, "ip"),
			Port:    rapid.SampledFrom(ports).Draw(t, "port"),
			Cluster: rapid.SampledFrom(clusters).Draw(t, "cluster"),
		}
	})
}

// SettledAddrs generates addresses where the cluster follows from ip and port, so that
// both structures can hold all of them.
func SettledAddrs() *rapid.Generator[naming.Addr] {
	return rapid.Map(Addrs(), settled)
}

func settled(a naming.Addr) naming.Addr {
	a.Cluster = clusters[(len(a.IP)+a.Port/80)%len(clusters)]
	return a
}

// ClientMetadata generates what clients register, preserved.* settings among it.
func ClientMetadata() *rapid.Generator[naming.Metadata] { return metadata(clientPairs) }

// OperatorMetadata generates what operators set.
func OperatorMetadata() *rapid.Generator[naming.Metadata] {
	return metadata(append(operatorPairs, clientPairs...))
}

// OperatorKeys generates metadata with keys that no client registers.
func OperatorKeys() *rapid.Generator[naming.Metadata] { return metadata(operatorPairs) }

func metadata(from []naming.Pair) *rapid.Generator[naming.Metadata] {
	return rapid.Map(rapid.SliceOfN(rapid.SampledFrom(from), 0, 3), func(pairs []naming.Pair) naming.Metadata {
		m := map[string]string{}
		for _, p := range pairs {
			m[p.Key] = p.Value
		}
		return naming.MetadataOf(m)
	})
}

// Weights generates weights that both structures store alike.
func Weights() *rapid.Generator[float64] {
	return rapid.SampledFrom([]float64{1, 0, 0.01, 2.5, naming.MaxWeight})
}

// Instances generates instances at the given addresses.
func Instances(addrs *rapid.Generator[naming.Addr]) *rapid.Generator[*naming.Instance] {
	return rapid.Custom(func(t *rapid.T) *naming.Instance {
		addr := addrs.Draw(t, "addr")
		in := &naming.Instance{
			IP: addr.IP, Port: addr.Port, Cluster: addr.Cluster,
			Weight:    Weights().Draw(t, "weight"),
			Enabled:   rapid.IntRange(0, 4).Draw(t, "enabled") > 0,
			Healthy:   rapid.IntRange(0, 4).Draw(t, "healthy") > 0,
			Ephemeral: rapid.IntRange(0, 3).Draw(t, "ephemeral") > 0,
			Metadata:  ClientMetadata().Draw(t, "metadata"),
		}
		if in.Ephemeral {
			in.Client = rapid.SampledFrom(connections).Draw(t, "connection")
		}
		return in
	})
}

// connections of clients; nil: they send heartbeats.
var connections = []*naming.Client{nil, nil, nil, {ID: "1700000000000_10.0.0.1_40001", Node: "a"}, {ID: "1700000000000_10.0.0.2_40002", Node: "b"}}

// Metas generates service metadata.
func Metas() *rapid.Generator[naming.ServiceMeta] {
	return rapid.Custom(func(t *rapid.T) naming.ServiceMeta {
		return naming.ServiceMeta{
			ProtectThreshold: rapid.SampledFrom([]float64{0, 0.5, 1}).Draw(t, "threshold"),
			Metadata:         metadata([]naming.Pair{{Key: "owner", Value: "me"}, {Key: naming.MetaClientBeat, Value: "true"}}).Draw(t, "metadata"),
			Selector:         rapid.SampledFrom([]naming.Selector{{}, {Type: "none"}, {Type: "label", Expression: "CONSUMER.label.A = PROVIDER.label.A"}}).Draw(t, "selector"),
		}
	})
}

// Pauses generates how long nothing happens.
func Pauses() *rapid.Generator[time.Duration] {
	return rapid.Map(rapid.SampledFrom([]int{0, 1, 999, 1000, 3000, 5000, 14_999, 15_000, 16_000, 30_000, 61_000}), func(ms int) time.Duration {
		return time.Duration(ms) * time.Millisecond
	})
}

// Commands generates every command but Tick, for instances at the given addresses.
func Commands(addrs *rapid.Generator[naming.Addr]) *rapid.Generator[naming.Command] {
	some := func(g *rapid.Generator[naming.Command], n int) (gs []*rapid.Generator[naming.Command]) {
		for range n {
			gs = append(gs, g)
		}
		return gs
	}
	command := func(f func(t *rapid.T) naming.Command) *rapid.Generator[naming.Command] { return rapid.Custom(f) }
	all := some(command(func(t *rapid.T) naming.Command {
		return naming.Register{Instance: Instances(addrs).Draw(t, "instance")}
	}), 4)
	all = append(all, some(command(func(t *rapid.T) naming.Command {
		return naming.Beat{Addr: addrs.Draw(t, "addr")}
	}), 4)...)
	all = append(all,
		command(func(t *rapid.T) naming.Command {
			in := Instances(addrs).Draw(t, "instance")
			in.Enabled, in.Healthy, in.Client = true, true, nil // a beat does not say
			return naming.Beat{Addr: in.Addr(), Instance: in}
		}),
		command(func(t *rapid.T) naming.Command {
			c := naming.Deregister{Addr: addrs.Draw(t, "addr"), Ephemeral: rapid.Bool().Draw(t, "ephemeral")}
			if client := rapid.SampledFrom(connections).Draw(t, "connection"); client != nil && c.Ephemeral {
				c.Client = client.ID
			}
			return c
		}),
		command(func(t *rapid.T) naming.Command {
			return naming.Update{Addr: addrs.Draw(t, "addr"), Ephemeral: rapid.Bool().Draw(t, "ephemeral"), Overlay: naming.Overlay{
				Weight: Weights().Draw(t, "weight"), Enabled: rapid.Bool().Draw(t, "enabled"), Metadata: OperatorMetadata().Draw(t, "metadata"),
			}}
		}),
		command(func(t *rapid.T) naming.Command {
			c := naming.Patch{Addr: addrs.Draw(t, "addr")}
			if rapid.Bool().Draw(t, "with weight") {
				w := Weights().Draw(t, "weight")
				c.Weight = &w
			}
			if rapid.Bool().Draw(t, "with enabled") {
				e := rapid.Bool().Draw(t, "enabled")
				c.Enabled = &e
			}
			if rapid.Bool().Draw(t, "with metadata") {
				m := OperatorMetadata().Draw(t, "metadata")
				c.Metadata = &m
			}
			return c
		}),
		command(func(t *rapid.T) naming.Command {
			return naming.EditMetadata{
				Remove: rapid.Bool().Draw(t, "remove"), Metadata: OperatorMetadata().Draw(t, "metadata"),
				Targets: rapid.SliceOfNDistinct(addrs, 0, 2, rapid.ID).Draw(t, "targets"),
			}
		}),
		command(func(t *rapid.T) naming.Command { return naming.CreateService{Meta: Metas().Draw(t, "meta")} }),
		command(func(t *rapid.T) naming.Command { return naming.UpdateService{Meta: Metas().Draw(t, "meta")} }),
		rapid.Just[naming.Command](naming.RemoveService{}),
		command(func(t *rapid.T) naming.Command {
			return naming.UpdateCluster{Cluster: naming.ClusterMeta{
				Name: rapid.SampledFrom(clusters).Draw(t, "cluster"), CheckPort: 80, UseInstancePort: rapid.Bool().Draw(t, "use instance port"),
				Checker: naming.HealthChecker{Type: rapid.SampledFrom([]string{"TCP", "NONE"}).Draw(t, "checker")},
			}}
		}),
		command(func(t *rapid.T) naming.Command {
			return naming.SetHealth{Addr: addrs.Draw(t, "addr"), Healthy: rapid.Bool().Draw(t, "healthy"), Probe: rapid.Bool().Draw(t, "probe")}
		}),
	)
	return rapid.OneOf(all...)
}
