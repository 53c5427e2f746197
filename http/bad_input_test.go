package http

import (
	"fmt"
	"math"
	"net/url"
	"strings"
	"testing"
	"time"

	"nactor/naming"
)

// Whatever is wrong with a request: the answer says so, nothing is changed, no handler
// panics.
func TestBadInput(t *testing.T) {
	const (
		weight = "caused: instance format invalid: The weights range from 0.0 to 10000.0;"
		form   = "caused: Param 'serviceName' is illegal, it should be format as 'groupName@@serviceName';"
		broken = "caused: errCode: 101, errMsg: Nacos deserialize for class [com.alibaba.nacos.naming.healthcheck.RsInfo] failed.  ;caused: "
	)
	number := func(s string) string { return `caused: For input string: "` + s + `";` }
	good := map[string]string{"serviceName": "DEFAULT_GROUP@@s", "ip": "1.1.1.1", "port": "80"}
	with := func(kv ...string) string {
		v := url.Values{}
		for k, s := range good {
			v.Set(k, s)
		}
		for i := 0; i < len(kv); i += 2 {
			v.Set(kv[i], kv[i+1])
		}
		return v.Encode()
	}
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "k%d=v,", i)
		}
		return b.String()
	}
	type bad struct {
		form string
		code int
		body string
	}
	params := []bad{
		{with("port", "-1"), 400, "caused: port -1 is not between 0 and 65535;"},
		{with("port", "65536"), 400, "caused: port 65536 is not between 0 and 65535;"},
		{with("port", "x"), 400, number("x")},
		{with("port", "1e3"), 400, number("1e3")},
		{with("port", "80.0"), 400, number("80.0")},
		{with("port", "0x50"), 400, number("0x50")},
		{with("port", "99999999999"), 400, number("99999999999")},
		{with("port", " "), 400, number("")},
		{with("port", "8\x000"), 400, number("8?0")},
		{with("weight", "NaN"), 500, weight},
		{with("weight", "-1"), 500, weight},
		{with("weight", "1e9"), 500, weight},
		{with("weight", "1e308"), 500, weight},
		{with("weight", "1e999"), 500, weight},
		{with("weight", "Infinity"), 500, weight},
		{with("weight", "-Infinity"), 500, weight},
		{with("weight", "10000.01"), 500, weight},
		{with("weight", "heavy"), 400, number("heavy")},
		{with("weight", "0x1p3"), 400, number("0x1p3")},
		{with("weight", "1_0"), 400, number("1_0")},
		{with("serviceName", "g@@"), 400, form},
		{with("serviceName", "@@"), 400, form},
		{with("serviceName", "@@s"), 400, "caused: Param 'serviceName' is illegal, groupName can't be empty;"},
		{with("serviceName", "a\x00b"), 400, "caused: parameter serviceName has control characters;"},
		{with("serviceName", "a\r\nb"), 400, "caused: parameter serviceName has control characters;"},
		{with("serviceName", "a\xffb"), 400, "caused: parameter serviceName is not valid UTF-8;"},
		{with("serviceName", "a\xc0\xaf"), 400, "caused: parameter serviceName is not valid UTF-8;"},
		{with("serviceName", strings.Repeat("x", 513)), 400, "caused: parameter serviceName is longer than 512 bytes;"},
		{with("serviceName", strings.Repeat("x", 20000)), 400, "caused: parameter serviceName is longer than 1024 bytes;"},
		{with("serviceName", strings.Repeat("g", 129)+"@@s"), 400, "caused: parameter groupName is longer than 128 bytes;"},
		{with("serviceName", "s", "groupName", "g\x01"), 400, "caused: parameter groupName has control characters;"},
		{with("namespaceId", "n@@m"), 400, `caused: service "n@@m@@DEFAULT_GROUP@@s" is illegal: '@@' separates namespace, group and name, which must not be empty or end with '@';`},
		{with("namespaceId", strings.Repeat("n", 129)), 400, "caused: parameter namespaceId is longer than 128 bytes;"},
		{with("namespaceId", "\xff"), 400, "caused: parameter namespaceId is not valid UTF-8;"},
		{with("clusterName", strings.Repeat("c", 65)), 400, "caused: parameter clusterName is longer than 64 bytes;"},
		{with("clusterName", "c\n"+"c"), 400, "caused: parameter clusterName has control characters;"},
		{with("ip", strings.Repeat("1", 129)), 400, "caused: parameter ip is longer than 128 bytes;"},
		{with("ip", "1.1.1.1\x00"), 400, "caused: parameter ip has control characters;"},
		{with("ip", "\xfe"), 400, "caused: parameter ip is not valid UTF-8;"},
		{with("metadata", "a=b,c"), 500, "caused: metadata format incorrect:a=b,c;"},
		{with("metadata", `{"a":{"b":1}}`), 500, `caused: metadata format incorrect:{"a":{"b":1}};`},
		{with("metadata", "a=\xff"), 400, "caused: parameter metadata is not valid UTF-8;"},
		{with("metadata", many(65)), 400, "caused: metadata has 65 keys, at most 64 are allowed;"},
		{with("metadata", "a="+strings.Repeat("v", 8<<10)), 400, "caused: metadata has 8193 bytes, at most 8192 are allowed;"},
		{with("metadata", strings.Repeat("[", 100_000)), 500, "caused: metadata format incorrect:" + strings.Repeat("[", 256) + "…;"},
		{strings.Repeat("a&", 1000), 400, "caused: more than 1000 parameters;"},
	}
	beats := []bad{
		{`{`, 500, broken + "not JSON;"},
		{`{"ip":"1.1.1.1","port":80}}`, 500, broken + "not JSON;"},
		{`{"ip":"1.1.1.1","port":080}`, 500, broken + "not JSON;"},
		{"{\"ip\":\"1.1.1.1\n\",\"port\":80}", 500, broken + "not JSON;"},
		{`{"ip":"1.1.1.1","port":80,"weight":NaN}`, 500, broken + "not JSON;"},
		{strings.Repeat(`{"a":`, 10_000), 500, broken + "not JSON;"},
		{strings.Repeat(`[`, 60_000), 500, broken + "not JSON;"},
		{`[]`, 500, broken + "not a JSON object;"},
		{`"x"`, 500, broken + "not a JSON object;"},
		{`{}`, 400, "caused: Param 'ip' is required.;"},
		{`{"ip":" ","port":80}`, 400, "caused: Param 'ip' is required.;"},
		{`{"ip":{},"port":80}`, 500, broken + "wrong type of member ip;"},
		{`{"ip":"1.1.1.1","port":"x"}`, 500, broken + "wrong type of member port;"},
		{`{"ip":"1.1.1.1","port":[80]}`, 500, broken + "wrong type of member port;"},
		{`{"ip":"1.1.1.1","port":1e99}`, 500, broken + "wrong type of member port;"},
		{`{"ip":"1.1.1.1","port":-1}`, 400, "caused: port -1 is not between 0 and 65535;"},
		{`{"ip":"1.1.1.1","port":65536}`, 400, "caused: port 65536 is not between 0 and 65535;"},
		{`{"ip":"1.1.1.1","port":80,"weight":"x"}`, 500, broken + "wrong type of member weight;"},
		{`{"ip":"1.1.1.1","port":80,"weight":"NaN"}`, 500, weight},
		{`{"ip":"1.1.1.1","port":80,"weight":-1}`, 500, weight},
		{`{"ip":"1.1.1.1","port":80,"weight":1e999}`, 500, weight},
		{`{"ip":"1.1.1.1","port":80,"ephemeral":"maybe"}`, 500, broken + "wrong type of member ephemeral;"},
		{`{"ip":"1.1.1.1","port":80,"metadata":[]}`, 500, broken + "wrong type of member metadata;"},
		{`{"ip":"1.1.1.1","port":80,"metadata":{"a":{"b":1}}}`, 500, broken + "wrong type of member metadata;"},
		{`{"ip":"1.1.1.1\u0000","port":80}`, 400, "caused: parameter ip has control characters;"},
		{`{"ip":"1.1.1.1","port":80,"cluster":"` + strings.Repeat("c", 65) + `"}`, 400, "caused: parameter clusterName is longer than 64 bytes;"},
		{`{"ip":"1.1.1.1","port":80,"metadata":{"a":"` + strings.Repeat("v", 8<<10) + `"}}`, 400, "caused: metadata has 8193 bytes, at most 8192 are allowed;"},
		{`{"ip":"1.1.1.1","port":80,"x":"` + strings.Repeat("v", 64<<10) + `"}`, 400, "caused: parameter beat is larger than 65536 bytes;"},
		{"{\"ip\":\"\xff\",\"port\":80}", 400, "caused: parameter beat is not valid UTF-8;"},
	}
	r := start(t)
	check := func(method, path, form string, tt bad) {
		t.Helper()
		a := r.send(method, path, form)
		if a.code != tt.code || a.body != tt.body {
			t.Errorf("%s %s %.120q:\ngot  %d %.300q\nwant %d %.300q", method, path, form, a.code, a.body, tt.code, tt.body)
		}
		if a.ct != plainText {
			t.Errorf("%s %.120q: %s", method, form, a.ct)
		}
	}
	for _, tt := range params {
		for _, method := range []string{"POST", "DELETE", "PUT", "PATCH"} {
			check(method, inst, tt.form, tt)
		}
		if len(tt.form) < 10_000 && !strings.Contains(tt.form, "&a&a&a") {
			check("POST", inst+"?"+tt.form, "", tt)
		}
	}
	for _, tt := range beats {
		check("PUT", inst+"/beat", "serviceName=s&beat="+url.QueryEscape(tt.form), tt)
	}
	for _, set := range []string{strings.Repeat("a", 2000), "\xff"} {
		if a := r.send("GET", inst+"/list?serviceName=s&clusters="+url.QueryEscape(set), ""); a.code != 400 {
			t.Errorf("clusters %.20q: %v", set, a)
		}
	}
	if got := r.seen(); len(got) > 0 {
		t.Errorf("%d commands reached the registry, the first is %s", len(got), got[0])
	}
	if n := r.Counts(); n != (naming.Counts{}) {
		t.Errorf("something was registered: %+v", n)
	}
	if s := r.logs.String(); s != "" {
		t.Errorf("logged: %.2000s", s)
	}
}

// What is odd and yet fine.
func TestOddInput(t *testing.T) {
	r := start(t)
	const at = "&ip=1.1.1.1&port=80"
	for _, tt := range []struct{ form, want string }{
		{"serviceName=a@@b@@c" + at, "public@@a@@b Register {1.1.1.1 80 DEFAULT "},
		{"serviceName=@a" + at, "public@@DEFAULT_GROUP@@@a Register "},
		{"serviceName=b&groupName=g@@h" + at, "public@@g@@h Register "},
		{"serviceName=a%23%23b" + at, "public@@DEFAULT_GROUP@@a##b Register "},
		{"serviceName=%F0%9F%9A%80" + at, "public@@DEFAULT_GROUP@@🚀 Register "},
		{"serviceName=<script>" + at, "public@@DEFAULT_GROUP@@<script> Register "},
		{"serviceName=+s+&namespaceId=+&ip=+host.name+&port=+80+", "public@@DEFAULT_GROUP@@s Register {host.name 80 DEFAULT "},
		{"serviceName=s&ip=fe80::1%25eth0&port=0", "Register {fe80::1%eth0 0 DEFAULT "},
		{"serviceName=s&weight=1d&enabled=Y&healthy=off" + at, "weight=1 enabled=true healthy=false ephemeral=true"},
		{"serviceName=s&enable=no" + at, "enabled=false"},
		{"serviceName=s&enabled=yes&enable=no" + at, "enabled=true"},
		{"serviceName=s&enabled=+&enable=no" + at, "enabled=false"},
		{"serviceName=s&ephemeral=FALSE" + at, "ephemeral=false"},
		{"serviceName=s&metadata=a=b;c" + at, "[{a b;c}]"},
		{"serviceName=s&cluster=c1" + at, "{1.1.1.1 80 c1 "},
		{"serviceName=s&cluster=c1&clusterName=c2" + at, "{1.1.1.1 80 c2 "},
		{"serviceName=s&port=80&ip=1.1.1.1&port=81", "{1.1.1.1 80 "},
		{"serviceName=s&metadata=100%25" + "=1%zz" + at, "[{100% 1%zz}]"},
	} {
		if a := r.send("POST", inst, tt.form); a.body != "ok" {
			t.Errorf("%s: %v", tt.form, a)
		}
		if got := strings.Join(r.seen(), "|"); !strings.Contains(got, tt.want) {
			t.Errorf("%s: %s, want %s", tt.form, got, tt.want)
		}
	}
	// The query comes first; GET has no body.
	r.send("POST", inst+"?serviceName=q&ip=2.2.2.2", "serviceName=f&ip=1.1.1.1&port=80")
	if got := r.seen(); len(got) != 1 || !strings.Contains(got[0], "@@q Register {2.2.2.2 80 ") {
		t.Errorf("query and form: %q", got)
	}
	if a := r.send("GET", inst+"/list", "serviceName=s"); a.code != 400 {
		t.Errorf("GET with a form: %v", a)
	}
	// Forms of several parts.
	multi := "--b\r\nContent-Disposition: form-data; name=\"serviceName\"\r\n\r\nm\r\n--b\r\nContent-Disposition: form-data; name=\"ip\"\r\n\r\n1.1.1.1\r\n--b\r\nContent-Disposition: form-data; name=\"port\"\r\n\r\n80\r\n--b--\r\n"
	if a := r.send("POST", inst, multi, "Content-Type: multipart/form-data; boundary=b"); a.body != "ok" {
		t.Errorf("multipart: %v", a)
	}
	if a := r.send("POST", inst, multi, "Content-Type: multipart/form-data"); a.code != 400 || a.body != "caused: malformed multipart form;" {
		t.Errorf("multipart without boundary: %v", a)
	}
	if a := r.send("POST", inst, `{"serviceName":"s"}`, "Content-Type: application/json"); a.body != "caused: Param 'serviceName' is required.;" {
		t.Errorf("JSON body: %v", a)
	}
	if a := r.send("PUT", inst+"/beat", "serviceName=s&ip=9.9.9.9&port=1&beat=null"); !strings.Contains(a.body, "20404") {
		t.Errorf("beat=null: %v", a)
	}
	if a := r.send("POST", inst, "serviceName=s", "Content-Encoding: gzip"); a.code != 415 {
		t.Errorf("gzip: %v", a)
	}
}

func TestJavaNumbers(t *testing.T) {
	for in, want := range map[string]float64{"1": 1, "+1.5": 1.5, ".5": .5, "1.": 1, "1e3": 1000, "1E-2": .01, "1f": 1, "2D": 2, "Infinity": math.Inf(1), "1e999": math.Inf(1), "-1e999": math.Inf(-1)} {
		if got, err := parseDouble(in); err != nil || got != want {
			t.Errorf("parseDouble(%q) = %g, %v; want %g", in, got, err, want)
		}
	}
	for _, in := range []string{"", "x", "1x", "--1", "inf", "nan", "0x10", "1_0", "d", "e", "1e", "1 2"} {
		if got, err := parseDouble(in); naming.KindOf(err) != naming.KindInvalid || err == nil {
			t.Errorf("parseDouble(%q) = %g, %v", in, got, err)
		}
	}
	for in, want := range map[string]bool{"y": true, "T": true, "on": true, "YES": true, "True": true, "": false, "1": false, "n": false, "o": false, "truee": false, "off": false} {
		if got := parseLoose([]byte(in)); got != want {
			t.Errorf("parseLoose(%q) = %t", in, got)
		}
	}
}

func TestErrorKinds(t *testing.T) {
	r := start(t)
	for _, tt := range []struct {
		err  error
		code int
		body string
		log  bool
	}{
		{naming.Invalid("a"), 400, "caused: a;", false},
		{naming.Rejected("a"), 500, "caused: a;", false},
		{naming.NotFound("a"), 500, "caused: a;", false},
		{naming.Unavailable("overloaded"), 503, "overloaded", false},
		{fmt.Errorf("disk on fire"), 500, "caused: disk on fire;", true},
		{fmt.Errorf("wrapped: %w", naming.Invalid("a")), 400, "caused: wrapped: a;", false},
	} {
		r.fail = tt.err
		if a := r.send("POST", inst, "serviceName=s&ip=1.1.1.1&port=80"); a.code != tt.code || a.body != tt.body || a.ct != plainText {
			t.Errorf("%v: %v %s", tt.err, a, a.ct)
		}
		if logged := strings.Contains(r.logs.String(), tt.err.Error()); logged != tt.log {
			t.Errorf("%v: logged %t", tt.err, logged)
		}
	}
}

func TestPanic(t *testing.T) {
	r := start(t)
	r.panics = true
	if a := r.send("POST", inst, "serviceName=s&ip=1.1.1.1&port=80"); a.code != 500 || strings.Contains(a.body, "fire") {
		t.Errorf("panic: %v", a)
	}
	if !strings.Contains(r.logs.String(), "registry on fire") {
		t.Errorf("not logged: %s", r.logs)
	}
	r.panics = false
	if a := r.send("POST", inst, "serviceName=s&ip=1.1.1.1&port=80"); a.body != "ok" {
		t.Errorf("after the panic: %v", a)
	}
}

func TestInspectionTimesOut(t *testing.T) {
	r := start(t)
	r.actors = []ActorDetail{{Actor: Actor{Identity: "x"}, Mode: "hung"}}
	began := time.Now()
	if a := r.send("GET", "/v1/core/ops/actors/detail?identity=x", ""); a.code != 503 || !strings.Contains(a.body, "did not answer") {
		t.Errorf("hung actor: %v", a)
	}
	if d := time.Since(began); d > 2*inspectTimeout {
		t.Errorf("it took %v", d)
	}
}
