package conformance

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"nactor/cmd/nactor/proctest"
)

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "nactor-conformance-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		workDir = dir
		return proctest.Run(m)
	}())
}

// addrs are the servers, host:port each, that a scenario runs against: one, or the members
// of a cluster.
type addrs []string

// server returns a server for one test: a process of its own, or what NACTOR_ADDR names.
func server(t *testing.T) (at addrs, own *proctest.Server) {
	t.Helper()
	if at := os.Getenv("NACTOR_ADDR"); at != "" {
		return strings.Split(at, ","), nil
	}
	own = proctest.Start(t, t.TempDir())
	return addrs{own.Addr}, own
}

// all reports whether every server lists hosts of the service for which ok is true.
func (at addrs) all(t testing.TB, namespace, group, service string, ok func([]host) bool) bool {
	t.Helper()
	for _, addr := range at {
		if !ok(seen(t, addr, namespace, group, service)) {
			return false
		}
	}
	return true
}

// count is a condition for [addrs.all]: as many hosts.
func count(n int) func([]host) bool { return func(h []host) bool { return len(h) == n } }

// seen asks the server itself for the hosts of a service.
func seen(t testing.TB, addr, namespace, group, service string) []host {
	t.Helper()
	q := url.Values{"serviceName": {service}, "groupName": {group}, "namespaceId": {namespace}}
	resp, err := http.Get("http://" + addr + "/nacos/v1/ns/instance/list?" + q.Encode())
	if err != nil {
		return nil // between two lives of the server
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	var v struct {
		Hosts []struct {
			host
			ClusterName string
		}
	}
	if err != nil || resp.StatusCode != http.StatusOK || json.Unmarshal(b, &v) != nil {
		t.Logf("list of %s: %d %.200s %v", service, resp.StatusCode, b, err)
		return nil
	}
	var out []host
	for _, h := range v.Hosts {
		h.Cluster = h.ClusterName
		out = append(out, h.host)
	}
	return out
}

// eventually waits for a condition and returns how long it took.
func eventually(t testing.TB, within time.Duration, what string, ok func() bool) time.Duration {
	t.Helper()
	begin := time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Since(begin) > within {
			t.Fatalf("not within %v: %s", within, what)
		}
		<-tick.C
	}
	return time.Since(begin)
}
