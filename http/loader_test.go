package http

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"nactor/naming"
)

// crowd is a [Loader] that notes what it is told.
type crowd struct {
	mu    sync.Mutex
	loads []ClientLoad
	told  []string
}

func newCrowd() *crowd {
	return &crowd{loads: []ClientLoad{
		{Address: "10.0.0.2:8848", All: 31, SDK: 30, Limits: `{"countLimit":50000}`, Load: 1},
		{Address: "10.0.0.1:8848", All: 0, SDK: 0, Limits: `{}`, Load: 0.25},
	}}
}

func (c *crowd) tell(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = append(c.told, fmt.Sprintf(format, args...))
}

func (c *crowd) Clients() []Client {
	return []Client{{
		ID: "1700000000000_10.0.0.9_40000", Addr: netip.MustParseAddrPort("10.0.0.9:40000"), Port: 9848, Version: "Nacos-Java-Client:v2.0.4", App: "shop", Tenant: "t",
		Labels: map[string]string{"source": "sdk", "module": "naming"}, Since: time.UnixMilli(1617892880057), LastActive: time.UnixMilli(1617892880058),
	}}
}

func (c *crowd) Loads(context.Context) []ClientLoad { return slices.Clone(c.loads) }

func (c *crowd) Reset(id, redirect string) { c.tell("reset %s to %q", id, redirect) }

func (c *crowd) Shrink(_ context.Context, address string, keep int, redirect string) error {
	c.tell("shrink %s to %d, to %q", address, keep, redirect)
	if address == "10.0.0.3:8848" {
		return naming.Unavailable("gone")
	}
	return nil
}

// The operations on connections, with the answers of Nacos 2.0.3's ServerLoaderController.
func TestLoader(t *testing.T) {
	c := newCrowd()
	r := start(t, func(cfg *Config) { cfg.Loader = c })
	for _, tt := range []struct {
		target string
		code   int
		body   string // … in front: a part of it
		told   string
	}{
		{"current", 200, `{"1700000000000_10.0.0.9_40000":{"traced":false,"abilities":null,"metaInfo":{"connectType":"GRPC","clientIp":"10.0.0.9","remoteIp":"10.0.0.9","remotePort":40000,"localPort":9848,` +
			`"version":"Nacos-Java-Client:v2.0.4","connectionId":"1700000000000_10.0.0.9_40000","createTime":"2021-04-08T14:41:20.057+00:00","lastActiveTime":1617892880058,"appName":"shop","tenant":"t",` +
			`"labels":{"module":"naming","source":"sdk"},"tag":null,"clusterSource":false,"sdkSource":true},"connected":true,"labels":{"module":"naming","source":"sdk"}}}`, ""},
		{"cluster", 200, `{"avg":15,"completed":true,"detail":[{"address":"10.0.0.1:8848","metric":{"conCount":"0","cpu":"-1.0","limitRule":"{}","load":"0.25","sdkConCount":"0"}},` +
			`{"address":"10.0.0.2:8848","metric":{"conCount":"31","cpu":"-1.0","limitRule":"{\"countLimit\":50000}","load":"1.0","sdkConCount":"30"}}],"max":30,"memberCount":2,"metricsCount":2,"min":0,"threshold":16.5,"total":30}`, ""},
		{"reloadCurrent?count=5", 200, "success", `shrink 10.0.0.1:8848 to 5, to ""`},
		{"reloadCurrent?count=0&redirectAddress=10.0.0.2:8848", 200, "success", `shrink 10.0.0.1:8848 to 0, to "10.0.0.2:8848"`},
		{"reloadCurrent?count=-1", 200, "success", ""},
		{"reloadCurrent", 500, "…'count' is not present", ""},
		{"reloadCurrent?count=x", 500, "…NumberFormatException", ""},
		{"reloadClient?connectionId=c1&redirectAddress=10.0.0.2:8848", 200, "success", `reset c1 to "10.0.0.2:8848"`},
		{"reloadClient", 500, "…'connectionId' is not present", ""},
		{"smartReloadCluster", 200, "Ok", `shrink 10.0.0.2:8848 to 27, to "10.0.0.1:8848"`}, // a tenth at most
		{"smartReloadCluster?loaderFactor=1", 200, "Ok", ""},                                // nobody is twice as full
		{"smartReloadCluster?loaderFactor=x", 400, "…loaderFactor", ""},
		{"smartReloadCluster?loaderFactor=NaN", 400, "…loaderFactor", ""},
	} {
		c.told = nil
		a := r.send("GET", "/v2/core/loader/"+tt.target, "")
		part, partial := strings.CutPrefix(tt.body, "…")
		if a.code != tt.code || !partial && a.body != tt.body || partial && !strings.Contains(a.body, part) {
			t.Errorf("%s: %d %s, want %d %s", tt.target, a.code, a.body, tt.code, tt.body)
		}
		if told := strings.Join(c.told, "; "); told != tt.told {
			t.Errorf("%s: told %q, want %q", tt.target, told, tt.told)
		}
	}
	c.loads[0].Address = "10.0.0.3:8848"
	if a := r.send("GET", "/v2/core/loader/smartReloadCluster", ""); a.code != 200 || a.body != "Fail" {
		t.Errorf("a node that does not answer: %d %s", a.code, a.body)
	}
	bare := start(t)
	if a := bare.send("GET", "/v2/core/loader/cluster", ""); a.code != 200 || !strings.Contains(a.body, `"detail":[]`) || !strings.Contains(a.body, `"avg":0`) {
		t.Errorf("without clients of 2.x: %d %s", a.code, a.body)
	}
	if a := bare.send("GET", "/v2/core/loader/current", ""); a.code != 200 || a.body != "{}" {
		t.Errorf("without clients of 2.x: %d %s", a.code, a.body)
	}
}
