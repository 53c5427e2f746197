package faulttest

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"nactor/naming"
)

// odd is an instance of a service whose upgrade is awkward.
type odd struct {
	ip         string
	port       int
	cluster    string
	persistent bool
}

func (o odd) String() string {
	return fmt.Sprintf("%s:%d@%s%s", o.ip, o.port, o.cluster, map[bool]string{true: " persistent"}[o.persistent])
}

func (o odd) params(k naming.Key) string {
	return fmt.Sprintf("serviceName=%s&namespaceId=%s&clusterName=%s&ip=%s&port=%d&ephemeral=%v", url.QueryEscape(k.Grouped()), k.Namespace, o.cluster, o.ip, o.port, !o.persistent)
}

// awkward are services that keep a cluster of Nacos from switching for ever.
var awkward = []struct {
	name     string
	key      naming.Key
	has      []odd
	rival    bool // 2.0 can hold only one of them
	restless bool // an instance comes or goes ten times a second
}{
	{"two ports of one ip", naming.Key{Namespace: "public", Group: "DEFAULT_GROUP", Name: "ports"},
		[]odd{{ip: "10.240.0.1", port: 1}, {ip: "10.240.0.1", port: 2}}, false, false},
	{"one ip:port in two clusters", naming.Key{Namespace: "public", Group: "DEFAULT_GROUP", Name: "clusters"},
		[]odd{{ip: "10.240.0.2", port: 1, cluster: "east"}, {ip: "10.240.0.2", port: 1, cluster: "west"}}, true, false},
	{"persistent and ephemeral", naming.Key{Namespace: "public", Group: "DEFAULT_GROUP", Name: "both"},
		[]odd{{ip: "10.240.0.3", port: 1}, {ip: "127.240.0.3", port: 1, persistent: true}}, false, false},
	{"one ip:port, persistent and ephemeral", naming.Key{Namespace: "public", Group: "DEFAULT_GROUP", Name: "twins"},
		[]odd{{ip: "127.240.0.4", port: 1}, {ip: "127.240.0.4", port: 1, persistent: true}}, false, false},
	{"another group and namespace", naming.Key{Namespace: "odd", Group: "a:b", Name: "group"},
		[]odd{{ip: "10.240.0.5", port: 1}}, false, false},
	{"empty", naming.Key{Namespace: "public", Group: "DEFAULT_GROUP", Name: "empty"}, nil, false, false},
	{"restless", naming.Key{Namespace: "public", Group: "DEFAULT_GROUP", Name: "restless"},
		[]odd{{ip: "10.240.0.7", port: 1}}, false, true},
}

// Services whose two structures are hard to compare, or never at rest, do not block the
// switch, and come through it.
func TestUpgradeAwkwardServices(t *testing.T) {
	needsUpgrade(t, true)
	u := beginUpgrade(t, "awkward services", loopback{}, 3, true, mixture)
	quit := make(chan struct{})
	var clients sync.WaitGroup
	t.Cleanup(func() { close(quit); clients.Wait() })
	for i, a := range awkward {
		meta := fmt.Sprintf("/v1/ns/service?serviceName=%s&groupName=%s&namespaceId=%s&protectThreshold=0&metadata=%s",
			a.key.Name, url.QueryEscape(a.key.Group), a.key.Namespace, url.QueryEscape(`{"odd":"yes"}`))
		if len(a.has) == 0 {
			if err := u.nodes[i%3].api.do(http.MethodPost, meta, nil, writeTime, nil); err != nil {
				t.Fatalf("%s: %v", a.name, err)
			}
		}
		for j, o := range a.has {
			if err := u.nodes[(i+j)%3].api.do(http.MethodPost, "/v1/ns/instance?"+o.params(a.key), nil, writeTime, nil); err != nil {
				t.Fatalf("%s: %v", a.name, err)
			}
			if !o.persistent {
				clients.Go(func() { u.beatOdd(a.key, o, quit) })
			}
		}
		if a.restless {
			clients.Go(func() { u.disturb(a.key, quit) })
		}
	}
	u.stage("1.4.2", func() { u.showsAwkward(false) })
	u.stage("up", func() {
		// The services are not compared on the way: one is never at rest.
		for _, n := range u.nodes {
			u.replace(n, false)
		}
		u.switched()
		u.showsAwkward(true)
	})
	u.stage("back, up again", func() {
		u.replace(u.nodes[1], true)
		u.downgraded()
		u.showsAwkward(true)
		u.replace(u.nodes[1], false)
		u.switched()
		u.showsAwkward(true)
	})
	u.stage("restart", func() {
		u.replace(u.nodes[0], false)
		u.goes("v2", true, decided)
		u.showsAwkward(true)
	})
	u.finish()
}

// showsAwkward checks that all nodes list the awkward services as they are. Where 2.0 can
// hold only one of several it is the same one on all nodes, once they have been there.
func (u *upgrade) showsAwkward(been bool) {
	u.t.Helper()
	for _, a := range awkward {
		var want []string
		for _, o := range a.has {
			o.cluster = cmp.Or(o.cluster, naming.DefaultCluster)
			want = append(want, fmt.Sprintf("%v", o))
		}
		slices.Sort(want)
		eventually(u.t, 5*time.Second, a.name+": listed by all", func() error {
			first := ""
			for i, n := range u.alive() {
				got, err := n.api.odds(a.key)
				if a.restless {
					got = slices.DeleteFunc(got, func(s string) bool { return strings.HasPrefix(s, restlessIP+":") })
				}
				text := strings.Join(got, ", ")
				if i == 0 {
					first = text
				}
				one := a.rival && been && len(got) == 1 && slices.Contains(want, text) && text == first
				if err != nil || !one && (a.rival && been || !slices.Equal(got, want)) {
					return fmt.Errorf("%v lists %v, want %v; %v lists %s; %v", n, got, want, u.alive()[0], first, err)
				}
			}
			return nil
		})
	}
	for _, n := range u.alive() {
		if err := n.api.do(http.MethodGet, "/v1/ns/service?serviceName=empty", nil, readTime, func(body []byte) error {
			if !strings.Contains(string(body), `"odd":"yes"`) {
				return fmt.Errorf("%s", body)
			}
			return nil
		}); err != nil {
			u.t.Errorf("%v: the empty service: %v", n, err)
		}
	}
}

// odds returns what a node lists of a service, sorted.
func (e *endpoint) odds(k naming.Key) ([]string, error) {
	var list struct {
		Hosts []struct {
			IP          string
			Port        int
			ClusterName string
			Ephemeral   bool
		}
	}
	err := e.get("/v1/ns/instance/list?serviceName="+url.QueryEscape(k.Grouped())+"&namespaceId="+k.Namespace, &list)
	var out []string
	for _, h := range list.Hosts {
		out = append(out, odd{h.IP, h.Port, h.ClusterName, !h.Ephemeral}.String())
	}
	slices.Sort(out)
	return out, err
}

// beatOdd beats for an instance, through any node.
func (u *upgrade) beatOdd(k naming.Key, o odd, quit chan struct{}) {
	for i := 0; pause(2*time.Second, quit); i++ {
		for j := range u.nodes {
			if u.nodes[(i+j)%3].api.do(http.MethodPut, "/v1/ns/instance/beat?"+o.params(k), []byte{}, writeTime, nil) == nil {
				break
			}
		}
	}
}

const restlessIP = "10.241.0.1"

// disturb changes a service ten times a second.
func (u *upgrade) disturb(k naming.Key, quit chan struct{}) {
	for i := 0; pause(100*time.Millisecond, quit); i++ {
		o := odd{ip: restlessIP, port: 1 + i/2%50}
		method := map[bool]string{true: http.MethodPost, false: http.MethodDelete}[i%2 == 0]
		u.nodes[i%3].api.do(method, "/v1/ns/instance?"+o.params(k), nil, writeTime, nil) // one that fails is made up for by the next
	}
}
