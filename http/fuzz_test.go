package http

import (
	"encoding/json"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"nactor/naming"
	"nactor/naming/dual"
)

// handler is a server without connections.
func handler(t testing.TB) (*registry, *logs, fasthttp.RequestHandler) {
	f, l, s := offline(t)
	return f, l, s.fast.Handler
}

// offline is a server that listens nowhere.
func offline(t testing.TB) (*registry, *logs, *Server) {
	t.Helper()
	f, l := newRegistry(), &logs{}
	s := New(Config{
		Registry: f, Reader: f, Structures: f, Subscriptions: f, Audience: f, Settings: settings{f}, Members: node{f}, Inspector: node{f}, Upgrade: upgraded{},
		Logger:      slog.New(slog.NewTextHandler(l, nil)),
		PushAllowed: func(_, _ netip.Addr) bool { return true },
	})
	return f, l, s
}

var peer = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 40000}

func request4(method, path, query, body string) *fasthttp.Request {
	req := &fasthttp.Request{}
	req.Header.SetMethod(method)
	req.Header.SetHost("node")
	req.Header.SetUserAgent("Nacos-Go-Client:v1.1.6")
	req.SetRequestURI(contextPath + path + "?" + query)
	if body != "" {
		req.Header.SetContentType("application/x-www-form-urlencoded;charset=utf-8")
		req.SetBodyString(body)
	}
	return req
}

// forget makes the registry as good as new.
func (f *registry) forget() {
	clear(f.services)
	clear(f.views)
	clear(f.subs)
	f.commands, f.kept, f.refused, f.set, f.namespaces = nil, nil, 0, nil, nil
	f.switches = naming.DefaultSwitches()
	f.layout = dual.Layout{Serves: dual.V2, DoubleWrite: true}
}

// seeds are what official clients send: the Java client 1.4.2, the Go SDK 1.1.6, which does
// not escape, and the Node SDK 2.6.0, which puts everything into the query.
var seeds = []struct{ method, path, query, body string }{
	{"POST", inst, "namespaceId=public&serviceName=DEFAULT_GROUP%40%40s&groupName=DEFAULT_GROUP&clusterName=DEFAULT&ip=1.1.1.1&port=80&weight=1.0&enable=true&healthy=true&ephemeral=true&metadata=%7B%7D&app=unknown", ""},
	{"POST", inst, "", "app=&clusterName=&enable=true&ephemeral=true&groupName=DEFAULT_GROUP&healthy=true&ip=10.0.0.10&metadata=%7B%22idc%22%3A%22shanghai%22%7D&namespaceId=&port=8848&serviceName=DEFAULT_GROUP%40%40demo.go&weight=10"},
	{"PUT", inst, "", `namespaceId=public&serviceName=DEFAULT_GROUP@@demo.go&ip=1.1.1.1&port=80&enable=true&metadata={"a":"b"}&weight=1`},
	{"PATCH", inst, "serviceName=s&ip=1.1.1.1&port=80", "metadata=a=b&enabled=false"},
	{"DELETE", inst, "namespaceId=public&serviceName=DEFAULT_GROUP%40%40s&clusterName=DEFAULT&ip=1.1.1.1&port=80&ephemeral=true", ""},
	{"PUT", inst + "/beat", "namespaceId=public&serviceName=DEFAULT_GROUP%40%40s&clusterName=DEFAULT&ip=1.1.1.1&port=80", "beat=%7B%22port%22%3A80%2C%22ip%22%3A%221.1.1.1%22%2C%22weight%22%3A1.0%2C%22serviceName%22%3A%22DEFAULT_GROUP%40%40s%22%2C%22cluster%22%3A%22DEFAULT%22%2C%22metadata%22%3A%7B%7D%2C%22scheduled%22%3Afalse%2C%22period%22%3A5000%2C%22stopped%22%3Afalse%7D"},
	{"PUT", inst + "/beat", "", `namespaceId=public&serviceName=DEFAULT_GROUP@@demo.go&beat={"ip":"10.0.0.10","port":8848,"weight":10,"serviceName":"DEFAULT_GROUP@@demo.go","cluster":"","metadata":{"idc":"shanghai"},"scheduled":false}`},
	{"PUT", inst + "/beat", "beat=%7B%22ip%22%3A%221.1.1.1%22%2C%22port%22%3A80%2C%22weight%22%3A1%2C%22serviceName%22%3A%22DEFAULT_GROUP%40%40s%22%2C%22scheduled%22%3Atrue%7D&namespaceId=default&serviceName=DEFAULT_GROUP%40%40s", ""},
	{"GET", inst + "/list", "namespaceId=public&serviceName=DEFAULT_GROUP@@s&clusters=&udpPort=54951&healthyOnly=false&clientIP=10.0.0.9&app=", ""},
	{"GET", inst, "serviceName=s&ip=1.1.1.1&port=80&cluster=DEFAULT", ""},
	{"GET", inst + "/statuses", "key=public%23%23DEFAULT_GROUP%40%40s", ""},
	{"PUT", inst + "/metadata/batch", "", `serviceName=s&metadata={"a":"b"}&instances=[{"ip":"1.1.1.1","port":80,"clusterName":"DEFAULT","ephemeral":true}]&consistencyType=ephemeral`},
	{"POST", svc, "namespaceId=public&serviceName=s&groupName=g&protectThreshold=0.8&metadata=%7B%7D&selector=%7B%22type%22%3A%22none%22%7D", ""},
	{"PUT", svc, "serviceName=s&protectThreshold=0.8&selector=%7B%22type%22%3A%22label%22%2C%22expression%22%3A%22CONSUMER.label.A%20%3D%20PROVIDER.label.A%22%7D", ""},
	{"GET", svc + "/list", "pageNo=1&pageSize=2147483647&namespaceId=public&groupName=DEFAULT_GROUP", ""},
	{"GET", svc + "/names", "expr=.*a&responsibleOnly=1", ""},
	{"PUT", "/v1/ns/cluster", "", `serviceName=s&clusterName=c&checkPort=80&useInstancePort4Check=true&healthChecker={"type":"HTTP","path":"/","expectedResponseCode":200}`},
	{"PUT", "/v1/ns/health", "serviceName=s&ip=1.1.1.1&port=80&healthy=true", ""},
	{"GET", "/v1/ns/catalog/services", "pageNo=1&pageSize=10&serviceNameParam=a*b&groupNameParam=", ""},
	{"POST", "/v1/console/namespaces", "", "customNamespaceId=dev&namespaceName=Dev&namespaceDesc="},
	{"POST", "/v1/ns/upgrade/ops/instance", "ver=v1&serviceName=g%40%40s&ip=1.1.1.1&port=80", "weight=2"},
	{"PUT", "/v1/ns/upgrade/ops/service", "ver=v2&serviceName=s&protectThreshold=0.8", ""},
	{"GET", "/v1/ns/upgrade/ops/instance/list", "ver=v1&serviceName=s&clusters=a,b&healthyOnly=true", ""},
	{"GET", "/v1/ns/upgrade/ops/service/list", "ver=v2&pageNo=1&pageSize=10&groupName=g", ""},
	{"GET", "/v1/core/cluster/nodes", "withInstances=false&pageNo=1&pageSize=10&keyword=", ""},
}

// FuzzParams sends any query and form to any route and checks what must always hold.
func FuzzParams(f *testing.F) {
	list := routes()
	find := func(method, path string) int {
		for i, rt := range list {
			if rt.method == method && rt.path == path {
				return i
			}
		}
		f.Fatalf("no route %s %s", method, path)
		return 0
	}
	for _, s := range seeds {
		f.Add(uint8(find(s.method, s.path)), s.query, s.body)
	}
	fake, logged, h := handler(f)
	f.Fuzz(func(t *testing.T, n uint8, query, body string) {
		fake.forget()
		rt := list[int(n)%len(list)]
		if rt.path == "/actuator/prometheus" {
			return
		}
		var ctx fasthttp.RequestCtx
		ctx.Init(request4(rt.method, rt.path, query, body), peer, nil)
		h(&ctx)
		check(t, fake, logged, &ctx)
	})
}

// check holds for every answer.
func check(t testing.TB, fake *registry, logged *logs, ctx *fasthttp.RequestCtx) {
	t.Helper()
	code, body := ctx.Response.StatusCode(), ctx.Response.Body()
	if s := logged.String(); strings.Contains(s, "panic") {
		t.Fatalf("panic: %s", s)
	}
	switch code {
	case 200, 400, 500, 501, 404, 503:
	default:
		t.Fatalf("status %d", code)
	}
	if code == 400 && len(fake.commands) > fake.refused {
		t.Fatalf("refused and yet done: %q", fake.commands)
	}
	if code >= 400 && len(body) > 4096 {
		t.Fatalf("an error of %d bytes", len(body))
	}
	if string(ctx.Response.Header.ContentType()) == jsonText && !json.Valid(body) {
		t.Fatalf("not JSON: %s", body)
	}
	// The buffers of the request are used again; nothing that was handed on may change.
	uri, form := ctx.Request.Header.RequestURI(), ctx.Request.Body()
	poison(uri)
	poison(form)
	poison(ctx.URI().QueryString())
	for k, v := range ctx.QueryArgs().All() {
		poison(k)
		poison(v)
	}
	for i, now := range fake.kept {
		if got := now(); got != fake.commands[i] {
			t.Fatalf("a command changed with the request's buffers:\nwas %s\nis  %s", fake.commands[i], got)
		}
	}
	for key, v := range fake.views {
		if back, ok := naming.ParseIdentity(key.String()); !ok || back != key || key.Check() != nil || !utf8.ValidString(key.String()) {
			t.Fatalf("key %#v", key)
		}
		for _, in := range v.Instances {
			if in.Addr().Check() != nil || naming.CheckWeight(in.Weight) != nil || naming.CheckMetadata(in.Metadata) != nil || in.IP == "" || in.Cluster == "" || !utf8.ValidString(in.IP+in.Cluster) {
				t.Fatalf("instance %+v", in)
			}
		}
	}
}

func poison(b []byte) {
	for i := range b {
		b[i] = '#'
	}
}

// FuzzBeat sends any JSON as a heartbeat.
func FuzzBeat(f *testing.F) {
	for _, s := range []string{
		`{"port":80,"ip":"1.1.1.1","weight":1.0,"serviceName":"DEFAULT_GROUP@@s","cluster":"DEFAULT","metadata":{},"scheduled":false,"period":5000,"stopped":false}`,
		`{"ip":"10.0.0.10","port":8848,"weight":10,"serviceName":"DEFAULT_GROUP@@demo.go","cluster":"","metadata":{"idc":"shanghai","n":1,"t":true,"z":null},"scheduled":false}`,
		`{"ip":"1.1.1.1","port":"80","ephemeral":"false","weight":"0.5","load":0.1,"cpu":1}`, `{}`, `null`, `[]`, `{"ip":"\ud800","port":1e2}`, `{"ip":"a","ip":"b"}`,
	} {
		f.Add(s)
	}
	fake, logged, h := handler(f)
	f.Fuzz(func(t *testing.T, beat string) {
		fake.forget()
		for _, b := range []string{beat, `{"ip":"9.9.9.9","port":9,"metadata":{"zz":"zz","yy":"yyyyyyyyyyyyyyyyyyyyyyyyyyyy"}}`} {
			var ctx fasthttp.RequestCtx
			ctx.Init(request4("PUT", inst+"/beat", "serviceName=s", "beat="+url.QueryEscape(b)), peer, nil)
			h(&ctx)
			check(t, fake, logged, &ctx)
			if code := ctx.Response.StatusCode(); code == 200 && strings.TrimSpace(b) != "" && !json.Valid([]byte(b)) {
				t.Fatalf("taken for JSON: %q", b)
			}
		}
	})
}
