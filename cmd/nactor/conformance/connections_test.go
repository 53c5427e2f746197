package conformance

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// ask reads the JSON that a node answers.
func ask(t *testing.T, addr, path string, into any) {
	t.Helper()
	resp, err := http.Get("http://" + addr + "/nacos" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if s, ok := into.(*string); ok {
		*s = resp.Status
		return
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s of %s: %s, %v", path, addr, resp.Status, err)
	}
}

// hears waits until a client is pushed a service with an instance, and returns how long after
// since.
func hears(t *testing.T, c *client, ip string, since time.Time) time.Duration {
	t.Helper()
	for deadline := time.After(10 * time.Second); ; {
		select {
		case p := <-c.pushes:
			for _, h := range p.Hosts {
				if h.IP == ip {
					return p.at.Sub(since)
				}
			}
		case <-deadline:
			t.Fatalf("%s is not pushed %s", c.sdk.name, ip)
		}
	}
}

// Clients on different nodes of a cluster: what one registers is pushed to the other, whichever
// kind they are of. Operators see who is connected where, and send them elsewhere, which their
// subscriptions survive.
func TestClusterConnections(t *testing.T) {
	w := watchCluster(t, "connections", "--set", "nactor.upgrade.check-interval=500")
	w.goes("upgraded = true")
	var publishers, subscribers []*client // on the first node, on one of the others
	connected := 0
	for _, s := range sdks {
		if testing.Short() && s.language != "go" {
			continue
		}
		if _, err := s.prepare(); err != nil {
			t.Logf("%s takes no part: %v", s.name, err)
			continue
		}
		publishers, subscribers = append(publishers, s.start(t, w.at[:1], "")), append(subscribers, s.start(t, w.at[1:], ""))
		if s.connected {
			connected++
		}
	}
	for _, p := range publishers {
		service := "spread-" + p.sdk.name
		p.must(register(service, "10.4.0.1"))
		for _, c := range subscribers {
			c.must(args{Op: "subscribe", Service: service})
			hears(t, c, "10.4.0.1", time.Time{})
		}
		second := p.sdk.start(t, w.at[2:], "")
		began := time.Now()
		second.must(register(service, "10.4.0.2"))
		for _, c := range subscribers {
			if took := hears(t, c, "10.4.0.2", began); took > 5*time.Second { // they poll every 10 s
				t.Errorf("%s is pushed what %s registered after %v", c.sdk.name, p.sdk.name, took)
			}
		}
		second.kill()
	}

	var load struct {
		Detail []struct {
			Address string
			Metric  map[string]string
		}
		MemberCount, MetricsCount, Total int
		Completed                        bool
	}
	eventually(t, 5*time.Second, "the killed clients are gone", func() bool {
		ask(t, w.at[2], "/v2/core/loader/cluster", &load)
		return load.Total == 2*connected
	})
	if !load.Completed || load.MemberCount != 3 || load.Detail[0].Address != w.at[0] || load.Detail[0].Metric["sdkConCount"] == "0" {
		t.Errorf("loads, of %d clients: %+v", 2*connected, load)
	}
	var actors struct{ Data struct{ Count int } }
	ask(t, w.at[0], "/v1/core/ops/actors?kind=client&pageSize=5", &actors)
	if actors.Data.Count != 2*connected {
		t.Errorf("%d actors of clients, %d clients", actors.Data.Count, 2*connected)
	}
	type current map[string]struct {
		Connected bool
		MetaInfo  struct{ Version, ClientIP, AppName, ConnectionID string }
		Labels    map[string]string
	}
	var at1, at2 current
	ask(t, w.at[1], "/v2/core/loader/current", &at1)
	ask(t, w.at[2], "/v2/core/loader/current", &at2)
	if len(at1)+len(at2) != connected {
		t.Errorf("%d clients, want %d", len(at1)+len(at2), connected)
	}
	both := maps.Clone(at1)
	maps.Copy(both, at2)
	for id, c := range both {
		if !c.Connected || c.MetaInfo.ConnectionID != id || !strings.HasPrefix(c.MetaInfo.Version, "Nacos-") || c.Labels["source"] != "sdk" || c.Labels["module"] != "naming" || c.MetaInfo.AppName == "" {
			t.Errorf("%s: %+v", id, c)
		}
	}
	// A client goes only to a server that it knows; Rust's goes nowhere.
	listens := func(of current) (n int) {
		for _, c := range of {
			if !strings.HasPrefix(c.MetaInfo.Version, "Nacos-Rust") {
				n++
			}
		}
		return n
	}
	if os.Getenv("NACTOR_CONFORMANCE_MOVE") == "" {
		t.Skip("the clients are not moved: set NACTOR_CONFORMANCE_MOVE; now and then one of them comes back to where it was sent away from")
	}
	all := listens(at1) + listens(at2)
	eventually(t, time.Minute, "the clients of the second node are at the third", func() bool {
		var status string
		ask(t, w.at[1], "/v2/core/loader/reloadCurrent?count=0&redirectAddress="+w.at[2], &status)
		w.quiet(time.Second)
		at1, at2 = nil, nil
		ask(t, w.at[1], "/v2/core/loader/current", &at1)
		ask(t, w.at[2], "/v2/core/loader/current", &at2)
		return listens(at1) == 0 && listens(at2) == all
	})
	publishers[0].must(register("spread-"+publishers[0].sdk.name, "10.4.0.3"))
	for _, c := range subscribers {
		hears(t, c, "10.4.0.3", time.Time{})
	}
}
