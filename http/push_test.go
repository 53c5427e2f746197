package http

import (
	"net/netip"
	"testing"

	"nactor/naming"
)

func TestSubscribe(t *testing.T) {
	const (
		q      = inst + "/list?serviceName=s&clusters=c&app=shop"
		golang = "User-Agent: Nacos-Go-Client:v1.1.6"
	)
	r := start(t)
	key := naming.Key{Namespace: "public", Group: "DEFAULT_GROUP", Name: "s"}
	count := func(query string, headers ...string) int {
		t.Helper()
		r.mu.Lock()
		clear(r.subs)
		r.mu.Unlock()
		if a := r.send("GET", q+query, "", headers...); a.code != 200 {
			t.Errorf("%s: %v", query, a)
		}
		return len(r.Subscribers(key))
	}
	for query, want := range map[string]int{
		"&udpPort=54951&clientIP=10.0.0.9":          1,
		"&udpPort=54951&clientIP=::ffff:10.0.0.9":   1,
		"&udpPort=54951&clientIP=2001:db8::1":       1,
		"&udpPort=0&clientIP=10.0.0.9":              0,
		"&udpPort=-1&clientIP=10.0.0.9":             0,
		"&udpPort=1023&clientIP=10.0.0.9":           0,
		"&udpPort=65536&clientIP=10.0.0.9":          0,
		"&udpPort=54951":                            0,
		"&udpPort=54951&clientIP=host":              0,
		"&udpPort=54951&clientIP=0.0.0.0":           0,
		"&udpPort=54951&clientIP=::":                0,
		"&udpPort=54951&clientIP=224.0.0.1":         0,
		"&udpPort=54951&clientIP=ff02::1":           0,
		"&udpPort=54951&clientIP=255.255.255.255":   0,
		"&udpPort=54951&clientIP=::ffff:224.0.0.1":  0,
		"&udpPort=54951&clientIP=10.0.0.9%0d%0aX:y": 0,
	} {
		if got := count(query, golang); got != want {
			t.Errorf("%s: %d subscribers, want %d", query, got, want)
		}
	}
	const at = "&udpPort=54951&clientIP=10.0.0.9"
	for header, want := range map[string]int{
		"User-Agent: curl/7": 0, "Client-Version: Nacos-Java-Client:v1.4.2": 1, "User-Agent: Nacos-Java-Client:v1.0.0": 1,
	} {
		if got := count(at, header); got != want {
			t.Errorf("%s: %d subscribers, want %d", header, got, want)
		}
	}
	count(at, golang)
	want := naming.Subscriber{Addr: netip.MustParseAddrPort("10.0.0.9:54951"), Agent: "Nacos-Go-Client:v1.1.6", App: "shop", Clusters: "c"}
	if got := r.Subscribers(key); len(got) != 1 || got[0] != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	a := r.send("GET", svc+"/subscribers?serviceName=s&pageNo=1&pageSize=10", "")
	if a.body != `{"subscribers":[{"addrStr":"10.0.0.9:54951","agent":"Nacos-Go-Client:v1.1.6","app":"shop","ip":"10.0.0.9","port":54951,"namespaceId":"public","serviceName":"DEFAULT_GROUP@@s","cluster":"c"}],"count":1}` {
		t.Errorf("subscribers: %v", a)
	}
	if a := r.send("GET", svc+"/subscribers?serviceName=s&pageNo=2&pageSize=10", ""); a.body != `{"subscribers":[],"count":0}` {
		t.Errorf("subscribers beyond the end: %v", a)
	}
	sw := naming.DefaultSwitches()
	sw.PushEnabled = false
	r.switches = sw
	if count(at, golang) != 0 {
		t.Error("subscribed although nothing is pushed")
	}
}

func TestPushable(t *testing.T) {
	sw := naming.DefaultSwitches()
	for agent, want := range map[string]bool{
		"Nacos-Go-Client:v1.1.6": true, "Nacos-Go-Client:v0.1.0": true, "Nacos-Go-Client:v0.0.9": false, "Nacos-Go-Client": false,
		"Nacos-Java-Client:v1.4.2": true, "Nacos-Java-Client:v2.0.0-SNAPSHOT": true,
		"Nacos-C-Client:v1.0.12": true, "Nacos-C-Client:v1.0.9": false, "vip-client4cpp:v1.1.0": true, "Nacos-C-Client": false,
		"Nacos-CSharp-Client:v0.9.0": true, "Nacos-CSharp-Client:v0.8.9": false,
		"Nacos-DNS:v0.4.3": true, "Nacos-DNS:v0.4.2": false, "Nacos-DNS:v9999999999999999999999.1": true,
		"Nacos-Php-Client:v9.0.0": false, "unit-nginx:v9": false, "Nacos-SDK-Java:v9": false, "Nacos-Server:v2.0.3": false, "": false, "curl/7": false,
	} {
		if got := pushable([]byte(agent), sw); got != want {
			t.Errorf("pushable(%q) = %t", agent, got)
		}
	}
}

func TestPushAllowed(t *testing.T) {
	allowed := DefaultPushAllowed([]netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")})
	for _, tt := range []struct {
		client, peer string
		want         bool
	}{
		{"198.51.100.1", "198.51.100.1", true},
		{"198.51.100.1", "198.51.100.2", false},
		{"203.0.113.9", "198.51.100.2", true},
		{"198.51.100.1", "203.0.113.9", true},
		{"10.1.2.3", "127.0.0.1", true},
		{"192.168.1.2", "10.0.0.1", true},
		{"169.254.1.2", "10.0.0.1", true},
		{"fd00::1", "::1", true},
		{"10.1.2.3", "198.51.100.2", false},
		{"198.51.100.1", "10.0.0.1", false},
		{"198.51.100.1", "127.0.0.1", false},
		{"127.0.0.1", "127.0.0.1", true},
		{"::1", "127.0.0.1", true},
		{"127.0.0.1", "198.51.100.2", false},
		{"127.0.0.1", "10.254.253.252", false},
	} {
		if got := allowed(netip.MustParseAddr(tt.client), netip.MustParseAddr(tt.peer)); got != tt.want {
			t.Errorf("push to %s asked for by %s: %t", tt.client, tt.peer, got)
		}
	}
}
