package http

import (
	"slices"
	"strings"
	"testing"
)

type row struct {
	method, path, form string
	code               int
	body               string // of a row that begins with "…": the rest of it is in the body
}

func (r *rig) rows(rows []row) {
	r.t.Helper()
	for _, tt := range rows {
		a := r.send(tt.method, tt.path, tt.form)
		got := steady(a.body)
		part, isPart := strings.CutPrefix(tt.body, "…")
		if a.code != tt.code || !isPart && got != tt.body || isPart && !strings.Contains(got, part) {
			r.t.Errorf("%s %s %s:\ngot  %d %s\nwant %d %s", tt.method, tt.path, tt.form, a.code, got, tt.code, tt.body)
		}
		if string(a.head.Peek("X-Content-Type-Options")) != "nosniff" {
			r.t.Errorf("%s %s: no nosniff", tt.method, tt.path)
		}
		if len(a.head.Peek("Server")) > 0 {
			r.t.Errorf("%s %s: names its server software", tt.method, tt.path)
		}
	}
}

const (
	inst = "/v1/ns/instance"
	svc  = "/v1/ns/service"
)

// A switch that is set on this node alone is set so.
func TestSwitchOfOneNode(t *testing.T) {
	r := unserved(t)
	r.send("PUT", "/v1/ns/operator/switches?entry=pushEnabled&value=false", "")
	r.send("PUT", "/v1/ns/ops/switches/", "entry=pushEnabled&value=true&debug=true")
	if want := []string{"pushEnabled=false false", "pushEnabled=true true"}; !slices.Equal(r.set, want) {
		t.Errorf("switches set: %q, want %q", r.set, want)
	}
}

// Requests are counted by route.
func TestRequestsAreCounted(t *testing.T) {
	r := unserved(t)
	r.send("GET", "/v1/core/cluster/self", "")
	const want = `nactor_http_requests_total{code="200",method="GET",route="/v1/core/cluster/self"} 1`
	if a := r.send("GET", "/actuator/prometheus", ""); !strings.Contains(a.body, want) {
		t.Errorf("%s is not in\n%s", want, a.body)
	}
}

// The names of a page and those of an error must not depend on how a client asks.
func TestContentTypes(t *testing.T) {
	r := start(t)
	const java = "Accept: text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"
	for _, tt := range []struct {
		path, accept, ct string
	}{
		{"/v1/console/health/liveness", "Accept: */*", plainText},
		{"/v1/console/health/liveness", java, htmlText},
		{inst + "/list?serviceName=s", java, jsonText},
		{inst + "/list", java, plainText},
		{"/v1/ns/nothing", "Accept: */*", jsonText},
		{"/v1/ns/nothing", java, htmlText},
	} {
		if a := r.send("GET", tt.path, "", tt.accept); a.ct != tt.ct {
			t.Errorf("GET %s, %s: %s, want %s", tt.path, tt.accept, a.ct, tt.ct)
		}
	}
}

func TestUnknownRoutes(t *testing.T) {
	r := start(t)
	spring := func(status, reason, message, path string) string {
		return `{"timestamp":"","status":` + status + `,"error":"` + reason + `","message":"` + message + `","path":"` + path + `"}`
	}
	none := func(method, path string) row {
		return row{method, path, "", 501, spring("501", "Not Implemented", "no such api:"+method+":/nacos"+path, "/nacos"+path)}
	}
	r.rows([]row{
		none("GET", "/v1/ns/instances"),
		none("GET", "/v1/ns"),
		none("POST", inst+"/list"),
		none("OPTIONS", inst),
		none("GET", svc+"/selector/types"),
		none("POST", svc+"/names"),
		none("GET", inst+"//list"),
		none("GET", inst+"/list//"),
		none("GET", inst+"%2Flist"),
		none("GET", inst+"/%zz"),
		none("GET", inst+"/list%00"),
		none("GET", inst+";x/list"),
		{"GET", "/v1/ns/service/status", "", 501, spring("501", "Not Implemented", trafficOfNacos, "/nacos/v1/ns/service/status")},
		{"GET", "/v1/ns/distro/checksum/", "", 501, spring("501", "Not Implemented", trafficOfNacos, "/nacos/v1/ns/distro/checksum/")},
		{"GET", "/v1/nsx", "", 404, spring("404", "Not Found", "No message available", "/nacos/v1/nsx")},
		{"GET", "/", "", 404, spring("404", "Not Found", "No message available", "/nacos/")},
		{"POST", "/v1/core/cluster/self", "", 405, spring("405", "Method Not Allowed", "Request method 'POST' not supported", "/nacos/v1/core/cluster/self")},
		{"GET", "/v1/auth/../ns/instance/list", "", 404, "…Not Found"},
	})
	if a := r.send("DELETE", "/v1/console/server/state", ""); string(a.head.Peek("Allow")) != "GET" {
		t.Errorf("Allow: %s", a.head.Peek("Allow"))
	}
	if a := r.send("HEAD", "/v1/console/health/readiness", ""); a.code != 200 || a.body != "" {
		t.Errorf("HEAD: %v", a)
	}
	if a := r.send("HEAD", inst+"/list?serviceName=s", ""); a.code != 501 {
		t.Errorf("HEAD in the naming API: %v", a)
	}
	if a := r.send("GET", "/v1/ns/<script>alert(1)</script>", "", "Accept: text/html"); a.code != 501 || strings.Contains(a.body, "<script>") || !strings.Contains(a.body, "Whitelabel Error Page") {
		t.Errorf("page: %v", a)
	}
}
