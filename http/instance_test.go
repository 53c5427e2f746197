package http

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestRegisterToList(t *testing.T) {
	r := start(t)
	const q = "?serviceName=DEFAULT_GROUP@@s"
	if a := r.send("POST", "/v1/ns/instance", "namespaceId=public&serviceName=DEFAULT_GROUP%40%40s&groupName=other&clusterName=&ip=1.1.1.1&port=80&weight=1&enable=true&healthy=true&metadata=%7B%22a%22%3A%22b%3Bc%22%7D&ephemeral=true"); a.code != 200 || a.body != "ok" || a.ct != plainText {
		t.Fatalf("register: %v %s", a, a.ct)
	}
	want := "public@@DEFAULT_GROUP@@s Register {1.1.1.1 80 DEFAULT weight=1 enabled=true healthy=true ephemeral=true [{a b;c}]}"
	if got := r.seen(); len(got) != 1 || got[0] != want {
		t.Fatalf("commands %q, want %q", got, want)
	}
	a := r.send("GET", "/v1/ns/instance/list"+q+"&clusters=&healthyOnly=false", "")
	var list struct {
		Name, GroupName, Clusters string
		CacheMillis               uint64
		LastRefTime               uint64
		Hosts                     []struct {
			IP, InstanceID, ServiceName, ClusterName string
			Port                                     uint64
			Weight                                   float64
			Healthy, Enabled, Ephemeral              bool
			Metadata                                 map[string]string
		}
	}
	if err := json.Unmarshal([]byte(a.body), &list); err != nil || a.ct != jsonText {
		t.Fatalf("list: %v, %s, %v", a, a.ct, err)
	}
	if list.Name != "DEFAULT_GROUP@@s" || list.CacheMillis != 10000 || len(list.Hosts) != 1 || list.Hosts[0].InstanceID != "1.1.1.1#80#DEFAULT#DEFAULT_GROUP@@s" ||
		!list.Hosts[0].Healthy || list.Hosts[0].Metadata["a"] != "b;c" {
		t.Errorf("list: %s", a.body)
	}
	if a := r.send("GET", "/v1/ns/instance"+q+"&ip=1.1.1.1&port=80", ""); a.code != 200 ||
		a.body != `{"service":"DEFAULT_GROUP@@s","ip":"1.1.1.1","port":80,"clusterName":"DEFAULT","weight":1.0,"healthy":true,"instanceId":"1.1.1.1#80#DEFAULT#DEFAULT_GROUP@@s","metadata":{"a":"b;c"}}` {
		t.Errorf("detail: %v", a)
	}
	if a := r.send("GET", "/v1/ns/instance/statuses?key=public%23%23DEFAULT_GROUP@@s", ""); a.body != `{"ips":["1.1.1.1:80_true"]}` {
		t.Errorf("statuses: %v", a)
	}
	if a := r.send("DELETE", "/v1/ns/instance", "serviceName=s&ip=1.1.1.1&port=80"); a.body != "ok" {
		t.Errorf("deregister by form: %v", a)
	}
	if a := r.send("GET", "/v1/ns/instance/list"+q, ""); !strings.Contains(a.body, `"hosts":[]`) {
		t.Errorf("after deregister: %v", a)
	}
}

func TestBeat(t *testing.T) {
	r := start(t)
	const light = "/v1/ns/instance/beat?namespaceId=public&serviceName=DEFAULT_GROUP%40%40s&clusterName=DEFAULT&ip=1.1.1.1&port=80"
	const full = `namespaceId=public&serviceName=DEFAULT_GROUP@@s&beat={"ip":"1.1.1.1","port":80,"weight":2,"serviceName":"DEFAULT_GROUP@@s","cluster":"c","metadata":{"b":"2","a":"1"},"scheduled":false}`
	if a := r.send("PUT", light, ""); a.code != 200 || a.body != `{"clientBeatInterval":5000,"code":20404,"lightBeatEnabled":true}` {
		t.Errorf("light beat of a stranger: %v", a)
	}
	if a := r.send("PUT", "/v1/ns/instance/beat", full); a.body != `{"clientBeatInterval":5000,"code":10200,"lightBeatEnabled":true}` {
		t.Errorf("full beat: %v", a)
	}
	want := "public@@DEFAULT_GROUP@@s Beat {1.1.1.1 80 c} {1.1.1.1 80 c weight=2 enabled=true healthy=true ephemeral=true [{a 1} {b 2}]}"
	if got := r.seen(); got[len(got)-1] != want {
		t.Errorf("command %s, want %s", got[len(got)-1], want)
	}
	if a := r.send("PUT", "/v1/ns/instance/beat", full); !strings.Contains(a.body, "10200") {
		t.Errorf("second full beat: %v", a)
	}
	if got := r.seen(); len(got) != 1 || got[0] != "public@@DEFAULT_GROUP@@s Beat {1.1.1.1 80 c} nil" {
		t.Errorf("second full beat: %q; want it light", got)
	}
	if a := r.send("PUT", light, ""); !strings.Contains(a.body, "10200") {
		t.Errorf("light beat: %v", a)
	}
	// Another instance of a known service: found missing, then registered.
	r.seen()
	if a := r.send("PUT", "/v1/ns/instance/beat", `serviceName=s&beat={"ip":"2.2.2.2","port":"81","ephemeral":true}`); !strings.Contains(a.body, "10200") {
		t.Errorf("beat of a second instance: %v", a)
	}
	if got := r.seen(); len(got) != 2 || !strings.Contains(got[1], "{2.2.2.2 81 DEFAULT weight=1 ") {
		t.Errorf("beat of a second instance: %q", got)
	}
}
