package systemtest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"nactor/cmd/nactor/proctest"
)

// cutLine returns what is before a prefix in s, and the value on its line in the format of
// Prometheus.
func cutLine(s, prefix string) (before, value string, found bool) {
	before, after, found := strings.Cut(s, prefix)
	line, _, _ := strings.Cut(after, "\n")
	_, value, _ = strings.Cut(line, "} ")
	return before, value, found
}

// as sends a request with a user agent.
func (c *client) as(agent, method, path string, params url.Values) (int, string) {
	c.t.Helper()
	req, err := http.NewRequest(method, "http://"+c.addr+path+"?"+params.Encode(), nil)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("User-Agent", agent)
	resp, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// switches returns all as they are shown.
func (c *client) switches() map[string]string {
	c.t.Helper()
	var raw map[string]json.RawMessage
	body := c.must(http.MethodGet, "/nacos/v1/ns/operator/switches", nil)
	if err := json.Unmarshal([]byte(body), &raw); err != nil {
		c.t.Fatal(err)
	}
	out := map[string]string{}
	for k, v := range raw {
		out[k] = string(v)
	}
	return out
}

// beat sends a heartbeat for a registered instance and returns the answer.
func (c *client) beat(service string) map[string]any {
	c.t.Helper()
	var v map[string]any
	body := c.must(http.MethodPut, "/nacos/v1/ns/instance/beat", url.Values{"serviceName": {service}, "ip": {"10.0.0.1"}, "port": {"80"}, "beat": {`{"ip":"10.0.0.1","port":80,"serviceName":"` + service + `"}`}})
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		c.t.Fatal(err)
	}
	return v
}

// subscribes reports whether a client of this agent is taken for a subscriber.
func (c *client) subscribes(agent string) bool {
	c.t.Helper()
	service := "of-" + url.PathEscape(agent) + "-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	c.as(agent, http.MethodGet, "/nacos/v1/ns/instance/list", url.Values{"serviceName": {service}, "udpPort": {"9999"}, "clientIP": {"127.0.0.1"}})
	var v struct{ Count int }
	body := c.must(http.MethodGet, "/nacos/v1/ns/service/subscribers", url.Values{"serviceName": {service}, "pageNo": {"1"}, "pageSize": {"10"}})
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		c.t.Fatal(err)
	}
	return v.Count > 0
}

// cacheMillis returns how long a list may be used.
func (c *client) cacheMillis() int64 {
	c.t.Helper()
	var v struct{ CacheMillis int64 }
	body := c.must(http.MethodGet, "/nacos/v1/ns/instance/list", url.Values{"serviceName": {"cached"}})
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		c.t.Fatal(err)
	}
	return v.CacheMillis
}

// entry is a row of the table of switches: an entry, what it changes, and what that does. An
// entry that means nothing here is kept and shown.
type entry struct {
	name, value string
	fields      map[string]string      // as shown afterwards
	effect      func(c *client) string // "": as it should be
	before      func(c *client)        // what it must not be without it; nil: nothing to prepare
}

// effects are all entries of PUT /operator/switches.
func effects() []entry {
	shows := func(kv ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i+1 < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		return m
	}
	status := func(want int, method, path string, params url.Values) func(*client) string {
		return func(c *client) string {
			if code, body, err := c.do(method, path, params); code != want || err != nil {
				return fmt.Sprintf("%s %s: %d %.100s %v, want %d", method, path, code, body, err, want)
			}
			return ""
		}
	}
	say := func(got, want any) string {
		if fmt.Sprint(got) != fmt.Sprint(want) {
			return fmt.Sprintf("%v, want %v", got, want)
		}
		return ""
	}
	pushVersion := func(kind, version, field, old, recent string) entry {
		return entry{name: "pushVersion", value: kind + ":" + version, fields: shows(field, strconv.Quote(version)), effect: func(c *client) string {
			return say([]bool{c.subscribes(old), c.subscribes(recent)}, []bool{false, true})
		}, before: func(c *client) {
			if !c.subscribes(old) {
				c.t.Errorf("%s cannot subscribe", old)
			}
		}}
	}
	return []entry{
		// batch first: it replaces all others.
		{name: "batch", value: `{"adWeightMap":{"a":1},"incrementalList":["a"],"enableAuthentication":true,"tcpHealthParams":{"max":3000,"min":500,"factor":0},"httpHealthParams":{"max":4000,"min":600,"factor":0.5},"mysqlHealthParams":{"max":5000,"min":700,"factor":0.25},"healthCheckWhiteList":["x"],"pushCSharpVersion":"9.9.9"}`,
			fields: shows("adWeightMap", `{"a":1}`, "incrementalList", `["a"]`, "enableAuthentication", "true",
				"tcpHealthParams", `{"max":3000,"min":500,"factor":0}`, "httpHealthParams", `{"max":4000,"min":600,"factor":0.5}`, "mysqlHealthParams", `{"max":5000,"min":700,"factor":0.25}`,
				"healthCheckWhiteList", "[]", "pushCSharpVersion", `"0.9.0"`), // as in Nacos a batch sets neither
			effect: func(c *client) string { // an instance that nobody listens for is found out at tcpHealthParams
				c.must(http.MethodPost, "/nacos/v1/ns/instance", url.Values{"serviceName": {"quick"}, "ip": {"127.0.0.1"}, "port": {"1"}, "ephemeral": {"false"}})
				took := eventually(c.t, 10*time.Second, "unhealthy", func() bool { return !c.healthOf("quick", 1) })
				if took > 6*time.Second {
					return fmt.Sprintf("unhealthy after %v", took)
				}
				return ""
			}},
		{name: "clientBeatInterval", value: "7000", fields: shows("clientBeatInterval", "7000"), effect: func(c *client) string {
			return say(c.beat("beating")["clientBeatInterval"], 7000)
		}},
		{name: "lightBeatEnabled", value: "no", fields: shows("lightBeatEnabled", "false"), effect: func(c *client) string {
			return say(c.beat("beating")["lightBeatEnabled"], false)
		}},
		{name: "pushCacheMillis", value: "20000", fields: shows("defaultPushCacheMillis", "20000"), effect: func(c *client) string {
			return say(c.cacheMillis(), 20000)
		}},
		pushVersion("java", "1.4.2", "pushJavaVersion", "Nacos-Java-Client:v1.4.1", "Nacos-Java-Client:v1.4.2"),
		pushVersion("go", "1.1.0", "pushGoVersion", "Nacos-Go-Client:v1.0.9", "Nacos-Go-Client:v1.1.6"),
		pushVersion("c", "2.0.0", "pushCVersion", "Nacos-C-Client:v1.9.9", "vip-client4cpp:v2.0.0"),
		pushVersion("python", "1.0.0", "pushPythonVersion", "Nacos-DNS:v0.9.0", "Nacos-DNS:v1.0.0"),
		{name: "pushEnabled", value: "false", fields: shows("pushEnabled", "false"), effect: func(c *client) string {
			return say(c.subscribes("Nacos-Java-Client:v1.4.2"), false)
		}},
		{name: "check", value: "false", fields: shows("healthCheckEnabled", "false"), effect: func(c *client) string {
			c.must(http.MethodPost, "/nacos/v1/ns/instance", url.Values{"serviceName": {"silent"}, "ip": {"10.0.0.1"}, "port": {"80"}, "metadata": {`{"preserved.heart.beat.timeout":"1000","preserved.ip.delete.timeout":"1500"}`}})
			c.must(http.MethodPost, "/nacos/v1/ns/instance", url.Values{"serviceName": {"unchecked"}, "ip": {"127.0.0.1"}, "port": {"1"}, "ephemeral": {"false"}})
			<-time.After(6 * time.Second) // the first check would have been made within 5 s
			return say([]bool{c.healthOf("silent", 80), c.healthOf("unchecked", 1)}, []bool{true, true})
		}},
		{name: "check", value: "TRUE", fields: shows("healthCheckEnabled", "true"), effect: func(c *client) string {
			eventually(c.t, 20*time.Second, "what was missed is caught up with", func() bool { return len(c.list("silent")) == 0 && !c.healthOf("unchecked", 1) })
			return ""
		}},
		{name: "healthCheckTimes", value: "4", fields: shows("checkTimes", "4")}, // TestHealthCheckTimes
		{name: "limitedUrlMap", value: "/nacos/v1/ns/catalog:418,/nacos/v1/ns/catalog/serv:503", fields: shows("limitedUrlMap", `{"/nacos/v1/ns/catalog":418,"/nacos/v1/ns/catalog/serv":503}`), effect: func(c *client) string {
			return status(418, http.MethodGet, "/nacos/v1/ns/catalog/instances", nil)(c) + status(503, http.MethodGet, "/nacos/v1/ns/catalog/services", nil)(c)
		}},
		{name: "defaultInstanceEphemeral", value: "false", fields: shows("defaultInstanceEphemeral", "false"), effect: func(c *client) string {
			c.must(http.MethodPost, "/nacos/v1/ns/instance", instance("lasting", 1))
			var v struct{ Hosts []struct{ Ephemeral bool } }
			body := c.must(http.MethodGet, "/nacos/v1/ns/instance/list", url.Values{"serviceName": {"lasting"}})
			if err := json.Unmarshal([]byte(body), &v); err != nil || len(v.Hosts) != 1 || v.Hosts[0].Ephemeral {
				return fmt.Sprint(err, body)
			}
			return ""
		}},
		{name: "overriddenServerStatus", value: "READ_ONLY", fields: shows("overriddenServerStatus", `"READ_ONLY"`), effect: func(c *client) string {
			bad := status(503, http.MethodPost, "/nacos/v1/ns/instance", instance("refused", 1))(c) + status(200, http.MethodGet, "/nacos/v1/ns/instance/list", url.Values{"serviceName": {"x"}})(c)
			// The way back for an operator.
			if code, body := c.as("Nacos-Server:v2.0.3", http.MethodPut, "/nacos/v1/ns/operator/switches", url.Values{"entry": {"overriddenServerStatus"}, "value": {"null"}}); code != http.StatusOK {
				return fmt.Sprintf("%s the override cannot be lifted: %d %s", bad, code, body)
			}
			return bad + status(200, http.MethodPost, "/nacos/v1/ns/instance", instance("refused", 1))(c)
		}},
		// In force only by the logic of 1.X: TestSwitchesOfACluster.
		{name: "defaultCacheMillis", value: "5000", fields: shows("defaultCacheMillis", "5000"), effect: func(c *client) string { return say(c.cacheMillis(), 20000) }},
		// A server on its own has nothing to write twice; of clusters the upgrade tests tell.
		{name: "doubleWriteEnabled", value: "false", fields: shows("doubleWriteEnabled", "false")},

		// Kept and shown, as in Nacos 2.0.3, where nothing reads them either, or what reads them
		// is its traffic between servers.
		{name: "distroThreshold", value: "0.6", fields: shows("distroThreshold", "0.6")},
		{name: "masters", value: "a,b", fields: shows("masters", `["a","b"]`)},
		{name: "distro", value: "false", fields: shows("distroEnabled", "false")},
		{name: "serviceStatusSynchronizationPeriodMillis", value: "6000", fields: shows("serviceStatusSynchronizationPeriodMillis", "6000")},
		{name: "serverStatusSynchronizationPeriodMillis", value: "3000", fields: shows("serverStatusSynchronizationPeriodMillis", "3000")},
		{name: "disableAddIP", value: "true", fields: shows("disableAddIP", "true"), effect: status(200, http.MethodPost, "/nacos/v1/ns/instance", instance("added", 1))},
		{name: "sendBeatOnly", value: "true", fields: shows("sendBeatOnly", "true")},
		{name: "enableStandalone", value: "false", fields: shows("enableStandalone", "true")},
		{name: "distroServerExpiredMillis", value: "20000", fields: shows("distroServerExpiredMillis", "20000")},
		{name: "autoChangeHealthCheckEnabled", value: "off", fields: shows("autoChangeHealthCheckEnabled", "false")},
		{name: "healthCheckWhiteList", value: "a", fields: shows("healthCheckWhiteList", "[]")}, // no entry
	}
}

// Each entry does what it does in Nacos, or is kept; all outlive a kill.
func TestSwitches(t *testing.T) {
	t.Parallel()
	server := proctest.Start(t, t.TempDir())
	c := newClient(t, server.Addr)
	c.must(http.MethodPost, "/nacos/v1/ns/instance", instance("beating", 1))
	for _, e := range effects() {
		t.Run(e.name+"="+e.value[:min(len(e.value), 20)], func(t *testing.T) {
			c := newClient(t, server.Addr)
			if e.before != nil {
				e.before(c)
			}
			want := c.switches()
			c.setSwitch(e.name, e.value)
			maps.Copy(want, e.fields)
			if got := c.switches(); !maps.Equal(got, want) {
				for name, value := range got {
					if value != want[name] {
						t.Errorf("%s is %s, want %s", name, value, want[name])
					}
				}
			}
			if e.effect != nil {
				if bad := e.effect(c); bad != "" {
					t.Error(bad)
				}
			}
		})
	}
	want := c.switches()
	server.Kill()
	<-server.Ended()
	c = newClient(t, server.Restart().Addr)
	if got := c.switches(); !maps.Equal(got, want) {
		t.Errorf("after a kill: %v, want %v", got, want)
	}
	if n := c.beat("beating")["clientBeatInterval"]; n != 7000.0 {
		t.Errorf("after a kill clients are told to beat every %v ms", n)
	}
}

// trio is a cluster of three, with a client of each node.
type trio struct {
	*testing.T
	specs   []proctest.Spec
	nodes   []*proctest.Server
	clients []*client
}

func startTrio(t *testing.T, args ...string) *trio {
	t.Helper()
	c := &trio{T: t, specs: proctest.Cluster(t, 3)}
	for i := range c.specs {
		c.specs[i].Args = append(c.specs[i].Args, args...)
		c.clients = append(c.clients, newClient(t, c.specs[i].Addr))
	}
	c.launch()
	return c
}

// launch starts all nodes at once.
func (c *trio) launch() {
	c.Helper()
	c.nodes = nil
	for _, spec := range c.specs {
		c.nodes = append(c.nodes, spec.Launch(c.T))
	}
	for _, n := range c.nodes {
		if err := n.Ready(60 * time.Second); err != nil {
			c.Fatal(err)
		}
	}
}

// kill ends all nodes at once.
func (c *trio) kill() {
	for _, n := range c.nodes {
		n.Kill()
	}
}

// everywhere waits until something holds on each node.
func (c *trio) everywhere(what string, ok func(c *client) bool) {
	c.Helper()
	for i, client := range c.clients {
		eventually(c, 5*time.Second, fmt.Sprintf("%s on node %d", what, i+1), func() bool { return ok(client) })
	}
}

// have reports whether the switches that an entry changes are as it leaves them.
func (e entry) have(got map[string]string) bool {
	for field, want := range e.fields {
		if got[field] != want {
			return false
		}
	}
	return true
}

// In a cluster of 2.0 each entry does on one node what it was set to through another, and
// all outlive a kill of all nodes at once.
func TestSwitchesTakeEffectElsewhere(t *testing.T) {
	t.Parallel()
	c := startTrio(t, "--set", "nactor.upgrade.check-interval=500")
	for i, client := range c.clients {
		eventually(t, 30*time.Second, fmt.Sprintf("node %d goes by 2.0", i+1), func() bool {
			return strings.Contains(client.must(http.MethodGet, "/nacos/v1/ns/upgrade/ops/metrics", nil), "upgraded                       = true")
		})
	}
	c.clients[0].must(http.MethodPost, "/nacos/v1/ns/instance", instance("beating", 1))
	for i, e := range effects() {
		t.Run(e.name+"="+e.value[:min(len(e.value), 20)], func(t *testing.T) {
			by, on := c.clients[i%3], newClient(t, c.clients[(i+1)%3].addr)
			if e.before != nil {
				e.before(on)
			}
			by.setSwitch(e.name, e.value)
			c.everywhere(e.name, func(c *client) bool { return e.have(c.switches()) })
			if e.effect != nil {
				if bad := e.effect(on); bad != "" {
					t.Error(bad)
				}
			}
		})
	}
	want := c.clients[0].switches()
	c.kill()
	c.launch()
	c.everywhere("the switches after a kill of all", func(c *client) bool { return maps.Equal(c.switches(), want) })
	c.everywhere("the interval of beats after it", func(c *client) bool { return c.beat("new")["clientBeatInterval"] == 7000.0 })
	c.everywhere("double write after it", func(c *client) bool {
		return strings.Contains(c.must(http.MethodGet, "/nacos/v1/ns/upgrade/ops/metrics", nil), "isDoubleWriteEnabled           = false")
	})
}

// Switches are those of all nodes, at once; with debug they are one node's until it ends.
func TestSwitchesOfACluster(t *testing.T) {
	t.Parallel()
	trio := startTrio(t, "--as-version", "1.4.2")
	nodes, clients, everywhere := trio.nodes, trio.clients, trio.everywhere
	everywhere("the default", func(c *client) bool { return c.cacheMillis() == 3000 })
	clients[1].must(http.MethodPut, "/nacos/v1/ns/operator/switches", url.Values{"entry": {"healthCheckTimes"}, "value": {"9"}, "debug": {"true"}})
	clients[1].must(http.MethodPut, "/nacos/v1/ns/operator/switches", url.Values{"entry": {"clientBeatInterval"}, "value": {"9000"}, "debug": {"true"}})
	at := 0
	for _, e := range effects() {
		if e.name == "doubleWriteEnabled" || e.name == "overriddenServerStatus" {
			continue // the first is refused while there are nodes of 1.X
		}
		c, other := clients[at%3], clients[(at+2)%3]
		at++
		before := c.switches()
		other.must(http.MethodPut, "/nacos/v1/ns/operator/switches", url.Values{"entry": {e.name}, "value": {e.value}, "debug": {"true"}})
		if got := other.switches(); !e.have(got) {
			t.Errorf("%s for one node: %v, want %v", e.name, got, e.fields)
		}
		if got := c.switches(); !maps.Equal(got, before) {
			t.Errorf("%s for another node: %v, want %v", e.name, got, before)
		}
		c.setSwitch(e.name, e.value)
		everywhere(e.name, func(c *client) bool { return e.have(c.switches()) })
		if e.name == "batch" {
			if n := clients[1].switches()["checkTimes"]; n != "9" {
				t.Errorf("what was set for one node is gone: %s", n)
			}
		}
	}
	everywhere("defaultCacheMillis", func(c *client) bool { return c.cacheMillis() == 5000 })
	everywhere("clientBeatInterval", func(c *client) bool { return c.beat("new")["clientBeatInterval"] == 7000.0 })

	// The end of double write is a decision of its own, also in a batch: with nodes of 1.X it
	// is refused, and the rest with it.
	for _, debug := range []string{"true", "false"} {
		code, body, err := clients[0].do(http.MethodPut, "/nacos/v1/ns/operator/switches", url.Values{"entry": {"batch"}, "value": {`{"doubleWriteEnabled":false,"checkTimes":8}`}, "debug": {debug}})
		if now := clients[0].switches(); code != http.StatusBadRequest || err != nil || now["checkTimes"] != "4" || now["doubleWriteEnabled"] != "true" {
			t.Errorf("debug=%s: %d %s %v, %v", debug, code, body, err, now)
		}
	}

	want := clients[0].switches()
	clients[2].must(http.MethodPut, "/nacos/v1/ns/operator/switches", url.Values{"entry": {"clientBeatInterval"}, "value": {"8000"}, "debug": {"true"}})
	if n := clients[2].beat("new")["clientBeatInterval"]; n != 8000.0 {
		t.Errorf("set for this node: %v", n)
	}
	for _, c := range clients[:2] {
		if got := c.switches(); !maps.Equal(got, want) {
			t.Errorf("set for another node: %v, want %v", got, want)
		}
	}
	nodes[2].Kill()
	<-nodes[2].Ended()
	nodes[2].Restart()
	eventually(t, 10*time.Second, "the switches of all after a restart", func() bool { return maps.Equal(clients[2].switches(), want) })
}
