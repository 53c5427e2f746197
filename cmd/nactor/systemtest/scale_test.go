package systemtest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"nactor/bench"
	"nactor/cmd/nactor/proctest"
)

// load registers a fleet and returns what it took.
func load(t *testing.T, addr string, l bench.Load) bench.Outcome {
	t.Helper()
	l.Addr, l.Connections = addr, 32
	o, err := l.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if o.Errors > 0 {
		t.Fatalf("%d of %d requests failed, the first with: %v", o.Errors, o.Requests, o.FirstError)
	}
	return o
}

func size(full int) int {
	if testing.Short() {
		return full / 10
	}
	return full
}

// Each registration makes a new service; the last ones are as fast as the first.
func TestNewServicesDoNotSlowDown(t *testing.T) {
	server := proctest.Start(t, t.TempDir())
	all := bench.Fleet{Services: size(100_000), Instances: 1, Prefix: "new"}
	tenth := all.Size() / 10
	var rates []float64
	for part := range 10 {
		o := load(t, server.Addr, bench.Load{Count: tenth, Request: func(i int) []byte { return all.Register(part*tenth + i) }})
		rates = append(rates, o.Rate())
	}
	t.Logf("registrations/s by tenths of %d new services: %.0f", all.Size(), rates)
	first, last := (rates[0]+rates[1])/2, (rates[8]+rates[9])/2
	if last < first/2 {
		t.Errorf("the rate decayed from %.0f/s to %.0f/s", first, last)
	}
}

// Instances that fall silent together turn unhealthy and go in one pass each, while
// registrations of others go on.
func TestMassExpiry(t *testing.T) {
	server := proctest.Start(t, t.TempDir())
	fleet := bench.Fleet{Services: size(10_000), Instances: 10, Prefix: "silent"}
	// Time-outs that leave time to register all before the first turns unhealthy.
	overrides := url.QueryEscape(`{"preserved.heart.beat.timeout":"20000","preserved.ip.delete.timeout":"30000"}`)
	request := func(i int) []byte {
		return []byte(strings.Replace(string(fleet.Register(i)), "metadata=%7B%7D", "metadata="+overrides, 1))
	}
	// The body has grown: its length with it.
	fix := func(i int) []byte {
		head, body, _ := strings.Cut(string(request(i)), "\r\n\r\n")
		at := strings.LastIndex(head, "Content-Length:")
		return []byte(head[:at] + "Content-Length: " + itoa(len(body)) + "\r\n\r\n" + body)
	}
	begin := time.Now()
	load(t, server.Addr, bench.Load{Count: fleet.Size(), Request: fix})
	registered := time.Now()
	t.Logf("registered %d instances in %v", fleet.Size(), registered.Sub(begin))

	c := newClient(t, server.Addr)
	before := 0.0
	others := bench.Fleet{Services: 1_000_000, Instances: 1, Prefix: "others"} // each a new service, so that all cost the same
	n := 0
	register := func(d time.Duration) float64 {
		o := load(t, server.Addr, bench.Load{Time: d, Request: func(i int) []byte { return others.Register(n + i) }})
		n += int(o.Requests)
		return o.Rate()
	}
	if time.Since(begin) < 15*time.Second {
		before = register(3 * time.Second)
	}
	instances := func() int {
		var m struct{ InstanceCount int }
		body := c.must(http.MethodGet, "/nacos/v1/ns/operator/metrics", url.Values{"onlyStatus": {"false"}})
		if err := json.Unmarshal([]byte(body), &m); err != nil {
			t.Fatal(err)
		}
		return m.InstanceCount
	}
	// What the others register stays for 30 s: count the silent ones by sample.
	sample := func() (healthy, all int) {
		for s := 0; s < fleet.Services; s += fleet.Services / 20 {
			for _, h := range c.list(fleet.Name(s)) {
				all++
				if h.Healthy {
					healthy++
				}
			}
		}
		return
	}
	during := 0.0
	measured := false
	eventually(t, 60*time.Second, "all unhealthy", func() bool {
		if !measured && time.Since(begin) >= 20*time.Second {
			measured = true
			during = register(registered.Sub(begin) + 2*time.Second)
		}
		healthy, all := sample()
		return all == 0 || healthy == 0
	})
	t.Logf("all unhealthy %v after the last registration; %d instances", time.Since(registered), instances())
	eventually(t, 60*time.Second, "all gone", func() bool { _, all := sample(); return all == 0 })
	t.Logf("all gone %v after the last registration; %d instances", time.Since(registered), instances())
	t.Logf("registrations of others: %.0f/s before, %.0f/s while they turned unhealthy", before, during)
	if before > 0 && during < before/2 {
		t.Errorf("registrations fell from %.0f/s to %.0f/s", before, during)
	}
	if late := time.Since(registered); late > 40*time.Second {
		t.Errorf("the last went %v after its registration, time-out is 30 s", late)
	}
}

func itoa(n int) string { return string(fasthttp.AppendUint(nil, n)) }
