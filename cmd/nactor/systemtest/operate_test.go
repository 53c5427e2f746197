package systemtest

import (
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"nactor/cmd/nactor/proctest"
)

// nactor runs the program and returns what it prints.
func nactor(t *testing.T, args ...string) (string, error) {
	t.Helper()
	out, err := exec.Command(proctest.Binary(t), args...).CombinedOutput()
	return string(out), err
}

// A node that starts answers, if only to say what it waits for.
func TestReadySaysWhatANodeWaitsFor(t *testing.T) {
	t.Parallel()
	specs := proctest.Cluster(t, 2)
	first := specs[0].Launch(t)
	for _, which := range [][]string{{"--home", first.Home}, {"--server", first.Addr}} {
		eventually(t, 20*time.Second, "the reason", func() bool {
			out, err := nactor(t, append([]string{"ready"}, which...)...)
			if err == nil {
				t.Fatal("half a cluster is ready")
			}
			return strings.Contains(out, "the first start of a cluster needs every listed node once: waiting for "+specs[1].Addr)
		})
	}
	second := specs[1].Launch(t)
	for _, n := range []*proctest.Server{first, second} {
		if out, err := nactor(t, "ready", "--home", n.Home, "--timeout", "30s"); err != nil {
			t.Error(err, out)
		}
	}
}

// Nodes that are stopped together have nobody to hand over to, and do not wait for one another.
func TestStopOfAll(t *testing.T) {
	t.Parallel()
	c := startTrio(t)
	for i := range 30 {
		c.clients[i%3].must(http.MethodPost, "/nacos/v1/ns/instance", instance(fmt.Sprint("s", i), 1))
	}
	for _, n := range c.nodes { // as people do, one after the other
		n.Terminate()
		eventually(t, 5*time.Second, "the signal", func() bool { return strings.Contains(n.Log("nacos.log"), "Nacos received SIGTERM") })
	}
	for i, n := range c.nodes {
		if code := n.Wait(8 * time.Second); code != 0 {
			t.Errorf("node %d: exit code %d", i+1, code)
		}
		_, ending, _ := strings.Cut(n.Log("nacos.log"), "Nacos received SIGTERM")
		for _, bad := range []string{"left without handing everything over", "cannot reach these nodes yet"} {
			if strings.Contains(ending, bad) {
				t.Errorf("node %d says %s:\n%s", i+1, bad, ending)
			}
		}
	}
}

// By the logic of 1.X a service is deleted with its instances, on all nodes and in the store.
func TestServiceOf1XIsDeletedWithItsInstances(t *testing.T) {
	t.Parallel()
	c := startTrio(t, "--set", "nactor.upgrade.check-interval=86400000") // it stays with 1.X
	service := url.Values{"serviceName": {"doomed"}}
	shown := func(c *client) bool {
		return strings.Contains(c.must(http.MethodGet, "/nacos/v1/ns/instance/list", service), `"ip"`)
	}
	for i, v := range []string{"", "v1"} {
		for _, ephemeral := range []string{"true", "false"} {
			c.clients[i].must(http.MethodPost, "/nacos/v1/ns/instance", url.Values{"serviceName": {"doomed"}, "ip": {"10.0.0.1"}, "port": {"80"}, "ephemeral": {ephemeral}})
		}
		c.everywhere("the service", shown)
		path := "/nacos/v1/ns/service"
		if v != "" {
			path = "/nacos/v1/ns/upgrade/ops/service"
		}
		c.clients[i].must(http.MethodDelete, path, url.Values{"serviceName": {"doomed"}, "ver": {v}})
		c.everywhere("its end", func(c *client) bool { return !shown(c) })
	}
	c.kill()
	c.launch()
	c.everywhere("its end, in the store too", func(c *client) bool { return !shown(c) })
}
