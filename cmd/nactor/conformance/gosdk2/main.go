// The runner for the Nacos Go SDK 2.x: it does what the lines of JSON on stdin say and
// answers on stdout. See package conformance for the protocol.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/nacos-group/nacos-sdk-go/v2/model"
)

type request struct {
	ID     int    `json:"id"`
	Op     string `json:"op"`
	Client string `json:"client"`
	Args   args   `json:"args"`
}

type args struct {
	Servers   string            `json:"servers"` // host:port, joined by commas
	Namespace string            `json:"namespace"`
	Dir       string            `json:"dir"`
	Service   string            `json:"service"`
	Group     string            `json:"group"`
	IP        string            `json:"ip"`
	Port      uint64            `json:"port"`
	Cluster   string            `json:"cluster"`
	Weight    float64           `json:"weight"`
	Metadata  map[string]string `json:"metadata"`
	Ephemeral bool              `json:"ephemeral"`
	Enabled   bool              `json:"enabled"`
	Healthy   bool              `json:"healthy"`
	Clusters  []string          `json:"clusters"`
	IPs       []string          `json:"ips"` // of a batch
}

type reply struct {
	ID    int     `json:"id"`
	OK    *result `json:"ok,omitempty"`
	Error string  `json:"error,omitempty"`
}

type result struct {
	SDK      string   `json:"sdk,omitempty"`
	Hosts    []host   `json:"hosts,omitempty"`
	Services []string `json:"services,omitempty"`
	Serves   bool     `json:"serves,omitempty"` // the server is healthy, or the service valid
	Methods  []string `json:"methods,omitempty"`
}

type event struct {
	Event   string `json:"event"`
	Client  string `json:"client"`
	Service string `json:"service"`
	Group   string `json:"group"`
	Hosts   []host `json:"hosts"`
	At      int64  `json:"at"` // ms since 1970
}

type host struct {
	IP          string            `json:"ip"`
	Port        uint64            `json:"port"`
	Cluster     string            `json:"cluster"`
	Weight      float64           `json:"weight"`
	Healthy     bool              `json:"healthy"`
	Enabled     bool              `json:"enabled"`
	Ephemeral   bool              `json:"ephemeral"`
	InstanceID  string            `json:"instanceId"`
	ServiceName string            `json:"serviceName"`
	Metadata    map[string]string `json:"metadata"`
}

func hosts(list []model.Instance) []host {
	var out []host
	for _, i := range list {
		out = append(out, host{i.Ip, i.Port, i.ClusterName, i.Weight, i.Healthy, i.Enable, i.Ephemeral, i.InstanceId, i.ServiceName, i.Metadata})
	}
	return out
}

var (
	stdout sync.Mutex
	lines  = json.NewEncoder(os.Stdout)
)

func say(v any) {
	stdout.Lock()
	defer stdout.Unlock()
	if err := lines.Encode(v); err != nil {
		os.Exit(1) // nobody listens any more
	}
}

// sayPush reports an event.
func sayPush(client string, a args, list []model.Instance) {
	at := time.Now().UnixMilli()
	e := event{Event: "push", Client: client, Service: a.Service, Group: a.Group, Hosts: hosts(list), At: at}
	if e.Hosts == nil {
		e.Hosts = []host{}
	}
	say(e)
}

// version is that of the SDK's module: its own constant lags behind.
func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, dep := range info.Deps {
		if dep.Path == "github.com/nacos-group/nacos-sdk-go/v2" {
			return strings.TrimPrefix(dep.Version, "v")
		}
	}
	return ""
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var r request
		if err := json.Unmarshal(in.Bytes(), &r); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		// A slow call holds up nobody else.
		go func() {
			res, err := do(r)
			if err != nil {
				say(reply{ID: r.ID, Error: err.Error()})
				return
			}
			res.SDK = version()
			say(reply{ID: r.ID, OK: &res})
		}()
	}
}
