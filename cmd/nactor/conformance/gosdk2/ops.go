package main

import (
	"errors"
	"fmt"
	"net"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/nacos-group/nacos-sdk-go/v2/clients"
	"github.com/nacos-group/nacos-sdk-go/v2/clients/naming_client"
	"github.com/nacos-group/nacos-sdk-go/v2/common/constant"
	"github.com/nacos-group/nacos-sdk-go/v2/model"
	"github.com/nacos-group/nacos-sdk-go/v2/vo"
)

// client is a client of the SDK with its subscriptions: the SDK knows a listener again by
// the address of its parameters.
type client struct {
	naming_client.INamingClient
	mu            sync.Mutex
	subscriptions map[string]*vo.SubscribeParam
}

var named sync.Map // string → *client

func do(r request) (result, error) {
	if r.Op == "create" {
		c, err := create(r.Args)
		if err == nil {
			named.Store(r.Client, c)
		}
		return result{}, err
	}
	v, ok := named.Load(r.Client)
	if !ok {
		return result{}, fmt.Errorf("no client %q", r.Client)
	}
	c, a := v.(*client), r.Args
	switch r.Op {
	case "register":
		return done(c.RegisterInstance(a.instance(a.IP)))
	case "batch":
		p := vo.BatchRegisterInstanceParam{ServiceName: a.Service, GroupName: a.Group}
		for _, ip := range a.IPs {
			p.Instances = append(p.Instances, a.instance(ip))
		}
		return done(c.BatchRegisterInstance(p))
	case "update":
		return done(c.UpdateInstance(vo.UpdateInstanceParam{
			Ip: a.IP, Port: a.Port, Weight: a.Weight, Enable: a.Enabled, Healthy: true, Metadata: a.Metadata,
			ClusterName: a.Cluster, ServiceName: a.Service, GroupName: a.Group, Ephemeral: a.Ephemeral,
		}))
	case "deregister":
		return done(c.DeregisterInstance(vo.DeregisterInstanceParam{
			Ip: a.IP, Port: a.Port, Cluster: a.Cluster, ServiceName: a.Service, GroupName: a.Group, Ephemeral: a.Ephemeral,
		}))
	case "service":
		s, err := c.GetService(vo.GetServiceParam{ServiceName: a.Service, GroupName: a.Group, Clusters: a.Clusters})
		return result{Hosts: hosts(s.Hosts), Services: []string{s.GroupName + "@@" + s.Name}, Serves: s.Valid}, err
	case "one":
		one, err := c.SelectOneHealthyInstance(vo.SelectOneHealthInstanceParam{ServiceName: a.Service, GroupName: a.Group, Clusters: a.Clusters})
		if err != nil {
			return result{}, err
		}
		return result{Hosts: hosts([]model.Instance{*one})}, nil
	case "healthy":
		return result{Serves: c.ServerHealthy()}, nil
	case "methods":
		var names []string
		for t, i := reflect.TypeFor[naming_client.INamingClient](), 0; i < t.NumMethod(); i++ {
			names = append(names, t.Method(i).Name)
		}
		return result{Methods: names}, nil
	case "list":
		list, err := c.SelectAllInstances(vo.SelectAllInstancesParam{ServiceName: a.Service, GroupName: a.Group, Clusters: a.Clusters})
		return result{Hosts: hosts(list)}, err
	case "select":
		list, err := c.SelectInstances(vo.SelectInstancesParam{ServiceName: a.Service, GroupName: a.Group, Clusters: a.Clusters, HealthyOnly: a.Healthy})
		if err != nil && err.Error() == "instance list is empty!" {
			err = nil
		}
		return result{Hosts: hosts(list)}, err
	case "subscribe":
		p := &vo.SubscribeParam{ServiceName: a.Service, GroupName: a.Group, Clusters: a.Clusters}
		p.SubscribeCallback = func(list []model.Instance, _ error) { sayPush(r.Client, a, list) }
		c.mu.Lock()
		c.subscriptions[key(a)] = p
		c.mu.Unlock()
		return result{}, c.Subscribe(p)
	case "unsubscribe":
		c.mu.Lock()
		p := c.subscriptions[key(a)]
		delete(c.subscriptions, key(a))
		c.mu.Unlock()
		if p == nil {
			return result{}, errors.New("not subscribed")
		}
		return result{}, c.Unsubscribe(p)
	case "services":
		l, err := c.GetAllServicesInfo(vo.GetAllServiceInfoParam{GroupName: a.Group, PageNo: 1, PageSize: 1000})
		return result{Services: l.Doms}, err
	case "close":
		c.CloseClient()
		return result{}, nil
	}
	return result{}, fmt.Errorf("no operation %q", r.Op)
}

func (a args) instance(ip string) vo.RegisterInstanceParam {
	return vo.RegisterInstanceParam{
		Ip: ip, Port: a.Port, Weight: a.Weight, Enable: a.Enabled, Healthy: true, Metadata: a.Metadata,
		ClusterName: a.Cluster, ServiceName: a.Service, GroupName: a.Group, Ephemeral: a.Ephemeral,
	}
}

// done is the answer to a call that succeeds or not: a refusal is no error to the SDK.
func done(ok bool, err error) (result, error) {
	if err == nil && !ok {
		err = errors.New("the server refused it")
	}
	return result{}, err
}

func create(a args) (*client, error) {
	var servers []constant.ServerConfig
	for addr := range strings.SplitSeq(a.Servers, ",") {
		ip, p, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		port, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return nil, err
		}
		servers = append(servers, *constant.NewServerConfig(ip, port))
	}
	c, err := clients.NewNamingClient(vo.NacosClientParam{
		ServerConfigs: servers,
		ClientConfig: &constant.ClientConfig{
			NamespaceId: a.Namespace, TimeoutMs: 5000, NotLoadCacheAtStart: true, UpdateCacheWhenEmpty: true,
			CacheDir: a.Dir + "/cache", LogDir: a.Dir + "/log", LogLevel: "warn",
		},
	})
	if err != nil {
		return nil, err
	}
	return &client{INamingClient: c, subscriptions: map[string]*vo.SubscribeParam{}}, nil
}

func key(a args) string { return a.Group + "@@" + a.Service + "@@" + strings.Join(a.Clusters, ",") }
