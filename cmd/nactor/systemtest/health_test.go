package systemtest

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"nactor/actors/probe/mysqltest"
	"nactor/cmd/nactor/proctest"
)

// quick has checks follow each other as fast as Nacos allows.
const quick = `{"tcpHealthParams":{"max":3000,"min":500,"factor":0},"httpHealthParams":{"max":3000,"min":500,"factor":0},"mysqlHealthParams":{"max":500,"min":500,"factor":0}}`

// healthOf returns how the instance of a service at a port is; it must be there. Lists for
// clients show instances healthy where none is (the protect threshold, also of 0).
func (c *client) healthOf(service string, port int) bool {
	c.t.Helper()
	var v struct{ List []host }
	body := c.must(http.MethodGet, "/nacos/v1/ns/catalog/instances", url.Values{"serviceName": {service}, "clusterName": {"DEFAULT"}, "pageNo": {"1"}, "pageSize": {"100"}})
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		c.t.Fatalf("instances of %s: %v in %.200s", service, err, body)
	}
	for _, h := range v.List {
		if h.Port == port {
			return h.Healthy
		}
	}
	c.t.Fatalf("%s has no instance at port %d: %s", service, port, body)
	return false
}

// setCluster sets how the cluster DEFAULT of a service is checked.
func (c *client) setCluster(service string, checkPort int, useInstancePort bool, checker string) {
	c.t.Helper()
	c.must(http.MethodPut, "/nacos/v1/ns/cluster", url.Values{
		"serviceName": {service}, "clusterName": {"DEFAULT"}, "checkPort": {strconv.Itoa(checkPort)},
		"useInstancePort4Check": {strconv.FormatBool(useInstancePort)}, "healthChecker": {checker},
	})
}

func (c *client) setSwitch(entry, value string) {
	c.t.Helper()
	c.must(http.MethodPut, "/nacos/v1/ns/operator/switches", url.Values{"entry": {entry}, "value": {value}})
}

// listen accepts connections until the test ends.
func listen(t *testing.T) (port int) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

func portOf(t *testing.T, s *httptest.Server) int {
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// How persistent instances are checked follows from what PUT /cluster says, for each kind of
// check; it is shown, and survives a restart.
func TestHealthCheckers(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	server := proctest.Start(t, home)
	c := newClient(t, server.Addr)
	c.setSwitch("batch", quick)

	open, other := listen(t), listen(t)
	const nobody = 1 // listens there
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.RequestURI() == "/check?a=b" && r.Header.Get("X-Key") == "k" && r.Host == "h.example":
			w.WriteHeader(http.StatusNoContent)
		case r.URL.Path == "/plain":
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(web.Close)
	master := (&mysqltest.Server{User: "u", Password: "p", Answers: mysqltest.ReadOnly("OFF")}).Listen(t).Port
	slave := (&mysqltest.Server{User: "u", Password: "p", Answers: mysqltest.ReadOnly("ON")}).Listen(t).Port
	secret := (&mysqltest.Server{User: "u", Password: "other", Answers: mysqltest.ReadOnly("OFF")}).Listen(t).Port

	const (
		demanding = `{"type":"HTTP","path":"/check?a=b","headers":"X-Key:k|Host:h.example","expectedResponseCode":204}`
		sql       = `{"type":"MYSQL","user":"u","pwd":"p","cmd":"show global variables where variable_name='read_only'"}`
	)
	cases := []struct {
		name            string
		checker         string // "": the default
		checkPort       int
		useInstancePort bool
		ports           map[int]bool // of instances, and what becomes of them
	}{
		{"default", "", 0, false, map[int]bool{open: true, nobody: false}},
		{"tcp", `{"type":"TCP"}`, nobody, true, map[int]bool{open: true, nobody: false}},
		{"tcp-port", `{"type":"TCP"}`, other, false, map[int]bool{open: true, nobody: true}},
		{"tcp-dead-port", `{"type":"TCP"}`, nobody, false, map[int]bool{open: false}},
		{"http", demanding, nobody, true, map[int]bool{portOf(t, web): true, nobody: false}},
		{"http-code", `{"type":"HTTP","path":"/plain","headers":"","expectedResponseCode":204}`, 80, true, map[int]bool{portOf(t, web): false}},
		{"http-path", `{"type":"HTTP","path":"/plain","headers":""}`, 80, true, map[int]bool{portOf(t, web): true}},
		{"http-port", demanding, portOf(t, web), false, map[int]bool{open: true, nobody: true}},
		{"mysql", sql, nobody, true, map[int]bool{master: true, slave: false, secret: false, nobody: false, portOf(t, web): false}},
		{"mysql-port", sql, nobody, false, map[int]bool{master: true, slave: false}}, // checkPort does not count
	}
	for _, k := range cases {
		c.must(http.MethodPost, "/nacos/v1/ns/service", url.Values{"serviceName": {k.name}})
		if k.checker != "" {
			c.setCluster(k.name, k.checkPort, k.useInstancePort, k.checker)
		}
		for port, healthy := range k.ports {
			c.must(http.MethodPost, "/nacos/v1/ns/instance", url.Values{
				"serviceName": {k.name}, "ip": {"127.0.0.1"}, "port": {strconv.Itoa(port)}, "ephemeral": {"false"}, "healthy": {strconv.FormatBool(!healthy)},
			})
		}
	}
	// NONE: only an operator changes the health; of the others he may not.
	for _, port := range []int{open, nobody} {
		c.must(http.MethodPost, "/nacos/v1/ns/instance", url.Values{"serviceName": {"none"}, "ip": {"127.0.0.1"}, "port": {strconv.Itoa(port)}, "ephemeral": {"false"}, "healthy": {"false"}})
	}
	c.setCluster("none", 0, true, `{"type":"NONE"}`)
	health := func(service string, port int) (int, string) {
		code, body, err := c.do(http.MethodPut, "/nacos/v1/ns/health/instance", url.Values{"serviceName": {service}, "ip": {"127.0.0.1"}, "port": {strconv.Itoa(port)}, "healthy": {"true"}})
		if err != nil {
			t.Fatal(err)
		}
		return code, body
	}
	if code, body := health("none", nobody); code != http.StatusOK || body != "ok" {
		t.Errorf("health of one that is not checked: %d %s", code, body)
	}
	if code, body := health("tcp", nobody); code != http.StatusInternalServerError || body != "caused: health check is still working, service: DEFAULT_GROUP@@tcp, cluster: DEFAULT;" {
		t.Errorf("health of one that is checked: %d %s", code, body)
	}

	for round := range 2 {
		for _, k := range cases {
			for port, healthy := range k.ports {
				eventually(t, 30*time.Second, fmt.Sprintf("%s: port %d healthy: %v", k.name, port, healthy), func() bool { return c.healthOf(k.name, port) == healthy })
			}
		}
		if c.healthOf("none", open) || !c.healthOf("none", nobody) {
			t.Errorf("round %d: what is not checked has changed", round)
		}
		for _, k := range cases {
			if k.checker == "" {
				continue
			}
			var shown struct {
				Clusters []struct {
					HealthChecker    map[string]any
					DefaultCheckPort int
					UseIPPort4Check  bool
				}
			}
			body := c.must(http.MethodGet, "/nacos/v1/ns/catalog/service", url.Values{"serviceName": {k.name}})
			if err := json.Unmarshal([]byte(body), &shown); err != nil || len(shown.Clusters) != 1 {
				t.Fatalf("%s: %v %s", k.name, err, body)
			}
			var want map[string]any
			if err := json.Unmarshal([]byte(k.checker), &want); err != nil {
				t.Fatal(err)
			}
			s := shown.Clusters[0]
			for member, value := range want {
				if s.HealthChecker[member] != value {
					t.Errorf("%s: %s is shown as %v, want %v", k.name, member, s.HealthChecker[member], value)
				}
			}
			if s.DefaultCheckPort != k.checkPort || s.UseIPPort4Check != k.useInstancePort {
				t.Errorf("%s: shown as %+v", k.name, s)
			}
		}
		if round == 0 {
			server.Kill()
			<-server.Ended()
			server.Restart()
		}
	}

	// Another way to check holds at once.
	c.setCluster("tcp-dead-port", open, false, `{"type":"TCP"}`)
	c.setCluster("http-path", 80, true, `{"type":"HTTP","path":"/nothing","headers":""}`)
	c.setCluster("mysql", 80, true, `{"type":"MYSQL","user":"u","pwd":"p","cmd":"selekt"}`)
	c.setCluster("none", nobody, false, `{"type":"TCP"}`)
	c.setCluster("tcp", 80, true, `{"type":"NONE"}`)
	eventually(t, 20*time.Second, "another check port", func() bool { return c.healthOf("tcp-dead-port", open) })
	eventually(t, 20*time.Second, "another path", func() bool { return !c.healthOf("http-path", portOf(t, web)) })
	eventually(t, 20*time.Second, "another command", func() bool { return !c.healthOf("mysql", master) })
	eventually(t, 20*time.Second, "checks where there were none", func() bool { return !c.healthOf("none", nobody) })
	if code, body := health("tcp", nobody); code != http.StatusOK || !c.healthOf("tcp", nobody) {
		t.Errorf("checks have ended: %d %s", code, body)
	}
	gauges := c.must(http.MethodGet, "/nacos/actuator/prometheus", nil)
	for _, name := range []string{"tcpHealthCheck", "httpHealthCheck", "mysqlHealthCheck"} {
		var n float64
		if _, after, found := cutLine(gauges, `nacos_monitor{module="naming",name="`+name+`"`); !found {
			t.Errorf("no gauge %s", name)
		} else if _, err := fmt.Sscan(after, &n); err != nil || n < 1 {
			t.Errorf("%s: %v %v", name, n, err)
		}
	}
}

// As many failures as the switch says change the health, no fewer.
func TestHealthCheckTimes(t *testing.T) {
	t.Parallel()
	server := proctest.Start(t, t.TempDir())
	c := newClient(t, server.Addr)
	c.setSwitch("batch", quick)
	c.setSwitch("healthCheckTimes", "6")
	var asked atomic.Int64
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer busy.Close()
	c.must(http.MethodPost, "/nacos/v1/ns/service", url.Values{"serviceName": {"busy"}})
	c.setCluster("busy", 80, true, `{"type":"HTTP","path":"/","headers":""}`)
	c.must(http.MethodPost, "/nacos/v1/ns/instance", url.Values{"serviceName": {"busy"}, "ip": {"127.0.0.1"}, "port": {strconv.Itoa(portOf(t, busy))}, "ephemeral": {"false"}})
	atFlip := int64(0)
	eventually(t, 60*time.Second, "unhealthy", func() bool {
		n := asked.Load()
		if !c.healthOf("busy", portOf(t, busy)) {
			atFlip = asked.Load()
			return true
		}
		if n > 7 {
			t.Fatalf("healthy after %d failures", n)
		}
		return false
	})
	if atFlip < 4 { // a time-out is one too, and may not have been asked
		t.Errorf("unhealthy after %d failures", atFlip)
	}
}
