// The runner for the Nacos Go SDK 1.x. See package conformance.
package main

import (
	"bufio"
	"encoding/json"
	"net"
	"os"
	"strconv"
	"sync"

	"github.com/nacos-group/nacos-sdk-go/clients"
	"github.com/nacos-group/nacos-sdk-go/clients/naming_client"
	"github.com/nacos-group/nacos-sdk-go/common/constant"
	"github.com/nacos-group/nacos-sdk-go/model"
	"github.com/nacos-group/nacos-sdk-go/vo"
)

type command struct {
	ID        int               `json:"id"`
	Op        string            `json:"op"`
	Service   string            `json:"service"`
	Group     string            `json:"group"`
	IP        string            `json:"ip"`
	Port      uint64            `json:"port"`
	Cluster   string            `json:"cluster"`
	Weight    float64           `json:"weight"`
	Metadata  map[string]string `json:"metadata"`
	Ephemeral bool              `json:"ephemeral"`
	Enabled   bool              `json:"enabled"`
	Healthy   bool              `json:"healthyOnly"`
	Clusters  []string          `json:"clusters"`
}

type host struct {
	IP       string            `json:"ip"`
	Port     uint64            `json:"port"`
	Cluster  string            `json:"cluster"`
	Weight   float64           `json:"weight"`
	Healthy  bool              `json:"healthy"`
	Enabled  bool              `json:"enabled"`
	Metadata map[string]string `json:"metadata"`
}

type reply struct {
	ID      int      `json:"id,omitempty"`
	Event   string   `json:"event,omitempty"`
	Service string   `json:"service,omitempty"`
	Error   string   `json:"error,omitempty"`
	Hosts   []host   `json:"hosts,omitempty"`
	Names   []string `json:"names,omitempty"`
}

var (
	mu  sync.Mutex
	out = json.NewEncoder(os.Stdout)
)

func say(r reply) {
	mu.Lock()
	defer mu.Unlock()
	_ = out.Encode(r) // the suite is gone: the next read ends us
}

func main() {
	addr, namespace, dir := os.Args[1], os.Args[2], os.Args[3]
	ip, p, err := net.SplitHostPort(addr)
	if err != nil {
		panic(err)
	}
	port, err := strconv.ParseUint(p, 10, 16)
	if err != nil {
		panic(err)
	}
	c, err := clients.NewNamingClient(vo.NacosClientParam{
		ServerConfigs: []constant.ServerConfig{*constant.NewServerConfig(ip, port)},
		ClientConfig: &constant.ClientConfig{
			NamespaceId: namespace, TimeoutMs: 5000, NotLoadCacheAtStart: true, UpdateCacheWhenEmpty: true,
			CacheDir: dir + "/cache", LogDir: dir + "/log", LogLevel: "warn",
		},
	})
	if err != nil {
		panic(err)
	}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var cmd command
		if err := json.Unmarshal(in.Bytes(), &cmd); err != nil {
			panic(err)
		}
		r, err := do(c, cmd)
		r.ID = cmd.ID
		if err != nil {
			r.Error = err.Error()
		}
		say(r)
	}
}

func do(c naming_client.INamingClient, cmd command) (reply, error) {
	switch cmd.Op {
	case "register":
		_, err := c.RegisterInstance(vo.RegisterInstanceParam{
			Ip: cmd.IP, Port: cmd.Port, Weight: cmd.Weight, Enable: cmd.Enabled, Healthy: true, Metadata: cmd.Metadata,
			ClusterName: cmd.Cluster, ServiceName: cmd.Service, GroupName: cmd.Group, Ephemeral: cmd.Ephemeral,
		})
		return reply{}, err
	case "deregister":
		_, err := c.DeregisterInstance(vo.DeregisterInstanceParam{
			Ip: cmd.IP, Port: cmd.Port, Cluster: cmd.Cluster, ServiceName: cmd.Service, GroupName: cmd.Group, Ephemeral: cmd.Ephemeral,
		})
		return reply{}, err
	case "select":
		if !cmd.Healthy {
			s, err := c.GetService(vo.GetServiceParam{ServiceName: cmd.Service, GroupName: cmd.Group, Clusters: cmd.Clusters})
			return reply{Hosts: instances(s.Hosts)}, err
		}
		list, err := c.SelectInstances(vo.SelectInstancesParam{ServiceName: cmd.Service, GroupName: cmd.Group, Clusters: cmd.Clusters, HealthyOnly: true})
		if err != nil && err.Error() == "instance list is empty!" {
			return reply{}, nil
		}
		return reply{Hosts: instances(list)}, err
	case "subscribe":
		return reply{}, c.Subscribe(&vo.SubscribeParam{ServiceName: cmd.Service, GroupName: cmd.Group, Clusters: cmd.Clusters,
			SubscribeCallback: func(list []model.SubscribeService, err error) {
				r := reply{Event: "push", Service: cmd.Service}
				for _, s := range list {
					r.Hosts = append(r.Hosts, host{s.Ip, s.Port, s.ClusterName, s.Weight, s.Healthy, s.Enable, s.Metadata})
				}
				say(r)
			}})
	case "services":
		l, err := c.GetAllServicesInfo(vo.GetAllServiceInfoParam{GroupName: cmd.Group, PageNo: 1, PageSize: 1000})
		return reply{Names: l.Doms}, err
	}
	return reply{Error: "unknown op " + cmd.Op}, nil
}

func instances(list []model.Instance) []host {
	var out []host
	for _, i := range list {
		out = append(out, host{i.Ip, i.Port, i.ClusterName, i.Weight, i.Healthy, i.Enable, i.Metadata})
	}
	return out
}
