package grpc

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"nactor/naming"
)

const orders = `"namespace":"","serviceName":"orders","groupName":"g"`

func instanceJSON(ip string) string {
	return fmt.Sprintf(`"instance":{"ip":%q,"port":8080,"weight":2.0,"healthy":true,"enabled":true,"ephemeral":true,"clusterName":"c","serviceName":"g@@orders","metadata":{"k":"v"},"instanceHeartBeatInterval":5000}`, ip)
}

var lastRefTime = regexp.MustCompile(`"lastRefTime":\d+`)

// What clients send and get, byte for byte. Fields and codes are those of Nacos 2.0.3's
// handlers and of the answers that SDKs read.
func TestAnswers(t *testing.T) {
	host := `{"instanceId":"10.0.0.1#8080#c#g@@orders","ip":"10.0.0.1","port":8080,"weight":2.0,"healthy":true,"enabled":true,"ephemeral":true,"clusterName":"c","serviceName":"g@@orders","metadata":{"k":"v"},"instanceHeartBeatInterval":5000,"instanceHeartBeatTimeOut":15000,"ipDeleteTimeout":30000}`
	info := func(clusters, hosts string) string {
		return fmt.Sprintf(`"serviceInfo":{"name":"orders","groupName":"g","clusters":%q,"cacheMillis":10000,"hosts":[%s],"lastRefTime":0,"checksum":"","allIPs":false,"reachProtectionThreshold":false,"valid":true}`, clusters, hosts)
	}
	ok := func(rest string) string {
		return `{"resultCode":200,"errorCode":0,"requestId":"7","success":true` + rest + `}`
	}
	bad := func(code int, message string) string {
		return fmt.Sprintf(`{"resultCode":500,"errorCode":%d,"message":%q,"requestId":"7","success":false}`, code, message)
	}
	r := newRig(t, nil)
	p := r.dial()
	p.setup()
	for _, tt := range []struct{ name, kind, body, answer, want string }{
		{"health", typeHealthCheck, `{"requestId":"7","headers":{}}`, typeHealthChecked, ok("")},
		{"register", typeInstance, `{"requestId":"7",` + orders + `,"type":"registerInstance",` + instanceJSON("10.0.0.1") + `}`, typeInstanceAnswer, ok(`,"type":"registerInstance"`)},
		{"query", typeQuery, `{"requestId":"7",` + orders + `,"cluster":"","healthyOnly":false,"udpPort":0}`, typeQueryAnswer, ok("," + info("", host))},
		{"query of a cluster", typeQuery, `{"requestId":"7",` + orders + `,"cluster":"x"}`, typeQueryAnswer, ok("," + info("x", ""))},
		{"list", typeList, `{"requestId":"7",` + orders + `,"pageNo":1,"pageSize":10}`, typeListAnswer, ok(`,"count":1,"serviceNames":["orders"]`)},
		{"list, far behind the end", typeList, `{"requestId":"7",` + orders + `,"pageNo":2147483647,"pageSize":10}`, typeListAnswer, ok(`,"count":1,"serviceNames":[]`)},
		{"subscribe", typeSubscribe, `{"requestId":"7",` + orders + `,"subscribe":true,"clusters":""}`, typeSubscribeAnswer,
			`{"resultCode":200,"errorCode":0,"message":"success","requestId":"7","success":true,` + info("", host) + `}`},
		{"unsubscribe", typeSubscribe, `{"requestId":"7",` + orders + `,"subscribe":false,"clusters":""}`, typeSubscribeAnswer,
			`{"resultCode":200,"errorCode":0,"message":"success","requestId":"7","success":true,` + info("", host) + `}`},
		{"deregister", typeInstance, `{"requestId":"7",` + orders + `,"type":"deregisterInstance",` + instanceJSON("10.0.0.1") + `}`, typeInstanceAnswer, ok(`,"type":"deregisterInstance"`)},
		{"batch", typeBatch, `{"requestId":"7",` + orders + `,"type":"batchRegisterInstance","instances":[]}`, typeBatchAnswer, ok(`,"type":"batchRegisterInstance"`)},
		{"persistent", typePersistent, `{"requestId":"7","serviceName":"db","type":"registerInstance",` + instanceJSON("10.0.0.2") + `}`, typeInstanceAnswer, ok(`,"type":"registerInstance"`)},
		{"persistent, back", typePersistent, `{"requestId":"7","serviceName":"db","type":"deregisterInstance",` + instanceJSON("10.0.0.2") + `}`, typeInstanceAnswer, ok(`,"type":"deregisterInstance"`)},

		{"no name", typeQuery, `{"requestId":"7","serviceName":" "}`, typeError, bad(400, "Param 'serviceName' is required.")},
		{"no instance", typeInstance, `{"requestId":"7",` + orders + `,"type":"registerInstance"}`, typeError, bad(400, "Param 'instance' is required.")},
		{"unknown type", typeInstance, `{"requestId":"7",` + orders + `,"type":"x",` + instanceJSON("10.0.0.1") + `}`, typeError, bad(400, "Unsupported request type x")},
	} {
		kind, got := p.ask(tt.kind, tt.body)
		got = lastRefTime.ReplaceAllString(got, `"lastRefTime":0`)
		if kind != tt.answer || got != tt.want {
			t.Errorf("%s: %s\n%s, want %s\n%s", tt.name, kind, got, tt.answer, tt.want)
		}
	}
}

// Requests are refused in the order of Nacos's acceptor; nothing of it is an error of gRPC.
func TestAcceptor(t *testing.T) {
	r := newRig(t, nil)
	stranger, p := r.dial(), r.dial()
	p.setup()
	p.ask(typeHealthCheck, `{}`)
	expect := func(p *peer, kind, body string, code int, message string) {
		t.Helper()
		answer, got := p.ask(kind, body)
		var a struct {
			ErrorCode int
			Message   string
			Success   bool
		}
		if err := json.Unmarshal([]byte(got), &a); err != nil || answer != typeError || a.ErrorCode != code || a.Success || !strings.Contains(a.Message, message) {
			t.Errorf("%s %.40s: %s %s (%v), want %d %q", kind, body, answer, got, err, code, message)
		}
	}
	r.starting.Store(true)
	expect(p, typeServerCheck, `{}`, 300, "Server is starting,please try later.")
	expect(p, typeQuery, `{}`, 300, "Server is starting")
	r.starting.Store(false)
	if kind, got := stranger.ask(typeServerCheck, `{}`); kind != typeServerChecked || !regexp.MustCompile(`"connectionId":"\d+_127\.0\.0\.1_\d+"`).MatchString(got) {
		t.Errorf("server check: %s %s", kind, got)
	}
	expect(stranger, "ConfigQueryRequest", `{}`, 302, "RequestHandler Not Found")
	expect(stranger, "PushAckRequest", `{}`, 302, "RequestHandler Not Found")
	expect(stranger, "", ``, 302, "RequestHandler Not Found")
	expect(stranger, typeQuery, `{}`, 301, "Connection is unregistered.")
	for _, body := range []string{``, `{`, `[]`, `"x"`, `{"serviceName":5}`, `{"instance":[]}`, `{"pageNo":1e99}`, strings.Repeat(`[`, 20_000), "\xff"} {
		expect(p, typeQuery, body, 502, "")
	}
	expect(p, typeQuery, `null`, 400, "serviceName")
	for _, in := range []string{`{"ip":"","port":1}`, `{"ip":"10.0.0.1","port":-1}`, `{"ip":"10.0.0.1","port":65536}`, `{"ip":"10.0.0.1","port":1,"weight":-1}`, `{"ip":"10.0.0.1","port":1,"weight":1e9}`} {
		expect(p, typeInstance, `{"serviceName":"s","type":"registerInstance","instance":`+in+`}`, 400, "")
	}
	if n := r.Counts().Instances; n != 0 {
		t.Errorf("%d instances", n)
	}
}

// While the cluster goes by 1.X naming requests are refused in Nacos's words, and nothing
// else; at the switch those who were refused are told to connect again.
func TestRefusedBy1X(t *testing.T) {
	r := newRig(t, nil)
	r.by1X.Store(true)
	refused, idle := r.dial(), r.dial()
	refused.setup()
	idle.setup()
	if kind, _ := idle.ask(typeHealthCheck, `{}`); kind != typeHealthChecked {
		t.Errorf("a health check is answered with %s", kind)
	}
	for kind, h := range handlers {
		if !h.naming {
			continue
		}
		answer, got := refused.ask(kind, `{"requestId":"7",`+orders+`}`)
		want := fmt.Sprintf(`{"resultCode":500,"errorCode":500,"message":%q,"requestId":"7","success":false}`,
			"Nacos cluster is running with 1.X mode, can't accept gRPC request temporarily. Please check the server status or close Double write to force open 2.0 mode. Detail https://nacos.io/en-us/docs/2.0.0-upgrading.html.")
		if answer != h.answer || got != want {
			t.Errorf("%s: %s %s", kind, answer, got)
		}
	}
	r.by1X.Store(false)
	if kind, _ := refused.pushed(); kind != typeReset {
		t.Errorf("pushed is %s, want a reset", kind)
	}
	select {
	case p := <-idle.pushes:
		t.Errorf("who was not refused is pushed %v", p)
	case <-time.After(3 * checkEvery):
	}
}

// A subscriber is pushed the newest state, and not the next before it has acknowledged it.
func TestPush(t *testing.T) {
	r := newRig(t, nil)
	p, publisher := r.dial(), r.dial()
	p.setup()
	publisher.setup()
	_, first := p.ask(typeSubscribe, `{`+orders+`,"subscribe":true}`)
	var told struct{ ServiceInfo struct{ LastRefTime float64 } }
	if err := json.Unmarshal([]byte(first), &told); err != nil {
		t.Fatal(err)
	}
	last := told.ServiceInfo.LastRefTime
	register := func(ip string) {
		t.Helper()
		if _, got := publisher.ask(typeInstance, `{`+orders+`,"type":"registerInstance",`+instanceJSON(ip)+`}`); !strings.Contains(got, `"success":true`) {
			t.Fatal(got)
		}
	}
	state := func() (id, ip string) {
		t.Helper()
		kind, body := p.pushed()
		info, _ := body["serviceInfo"].(map[string]any)
		if kind != typeNotify || info == nil {
			t.Fatalf("pushed is %s %v", kind, body)
		}
		if at := info["lastRefTime"].(float64); at <= last {
			t.Errorf("told at %v, before at %v: clients pass it over", at, last)
		} else {
			last = at
		}
		hosts := info["hosts"].([]any)
		if len(hosts) != 1 {
			t.Fatalf("hosts %v", hosts)
		}
		return body["requestId"].(string), hosts[0].(map[string]any)["ip"].(string)
	}
	register("10.0.0.1")
	id, ip := state()
	if ip != "10.0.0.1" {
		t.Errorf("pushed is %s", ip)
	}
	for i := 2; i < 20; i++ {
		register(fmt.Sprintf("10.0.0.%d", i))
	}
	select {
	case in := <-p.pushes:
		t.Errorf("pushed before the acknowledgement: %s", in.GetBody().GetValue())
	case <-time.After(50 * time.Millisecond):
	}
	p.send("NotifySubscriberResponse", `{"requestId":"`+id+`","resultCode":200}`)
	id, ip = state()
	if ip != "10.0.0.19" {
		t.Errorf("pushed after the acknowledgement is %s", ip)
	}
	// Who stays connected at a downgrade is pushed on: readers of 1.x change the service.
	p.send("NotifySubscriberResponse", `{"requestId":"`+id+`","resultCode":200}`)
	r.by1X.Store(true)
	key := naming.Key{Namespace: "public", Group: "g", Name: "orders"}
	if _, err := r.Do(t.Context(), key, naming.Deregister{Addr: naming.Addr{IP: "10.0.0.19", Port: 8080, Cluster: "c"}, Ephemeral: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Do(t.Context(), key, naming.Register{Instance: &naming.Instance{IP: "10.0.0.20", Port: 8080, Cluster: "c", Weight: 1, Enabled: true, Healthy: true, Ephemeral: true}}); err != nil {
		t.Fatal(err)
	}
	r.tell(key)
	if _, ip := state(); ip != "10.0.0.20" {
		t.Errorf("pushed in mode v1 is %s", ip)
	}
}

// A push that is not acknowledged is repeated with the newest state.
func TestDue(t *testing.T) {
	r := newRig(t, nil)
	p := r.dial()
	p.setup()
	p.ask(typeHealthCheck, `{}`)
	c := newClient(r.server, &transport{id: "x"}, identity{})
	defer c.end()
	key := naming.Key{Namespace: "public", Group: "g", Name: "orders"}
	c.begin(key, "")
	now := time.Now()
	c.changed(key)
	if push, _ := c.due(now); push == nil {
		t.Fatal("nothing is due")
	}
	c.changed(key)
	if push, again := c.due(now.Add(time.Second)); push != nil || again > ackTime {
		t.Fatalf("pushed twice, or looked at again in %v", again)
	}
	if push, again := c.due(now.Add(ackTime + time.Second)); push != nil || again > retryTime {
		t.Fatalf("repeated at once, or looked at again in %v", again)
	}
	if push, _ := c.due(now.Add(ackTime + time.Second + retryTime)); push == nil {
		t.Fatal("not repeated")
	}
	if len(c.acks) != 1 {
		t.Errorf("%d acknowledgements are waited for", len(c.acks))
	}
	for _, stop := range []func(){
		func() { sw := *r.switches.Load(); sw.PushEnabled = false; r.switches.Store(&sw) },
	} {
		stop()
		if push, _ := c.due(now.Add(time.Hour)); push != nil {
			t.Error("pushed though nobody is to be pushed")
		}
	}
	c.finish(key)
	if len(c.acks)+len(c.subs) != 0 {
		t.Errorf("%d, %d are left", len(c.acks), len(c.subs))
	}
}

// The end of a stream is the end of its client; one too many is sent away.
func TestClientEnds(t *testing.T) {
	r := newRig(t, func(cfg *Config) { cfg.Limits = func() *Limits { return &Limits{Total: 1} } })
	p, second := r.dial(), r.dial()
	p.setup()
	p.ask(typeHealthCheck, `{}`)
	second.setup()
	if kind, _ := second.pushed(); kind != typeReset {
		t.Errorf("one too many is told %s", kind)
	}
	second.ended()
	if err := p.stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first client is gone", func() bool { return r.server.Len() == 0 && r.open() == 0 })
}

// A server that stops sends its clients away first.
func TestShutdown(t *testing.T) {
	r := newRig(t, nil)
	p := r.dial()
	p.setup()
	p.ask(typeHealthCheck, `{}`)
	over := make(chan error, 1)
	go func() { over <- r.server.Shutdown(context.Background()) }()
	if kind, _ := p.pushed(); kind != typeReset {
		t.Errorf("told is %s", kind)
	}
	p.conn.Close()
	if err := <-over; err != nil {
		t.Error(err)
	}
}
