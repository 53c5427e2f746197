package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const listAnswer = `{"code":200,"message":null,"data":{"count":2,"actors":[
	{"kind":"service","identity":"public@@g@@orders","pid":"a/1","mailbox":0},
	{"kind":"service","identity":"public@@g@@\u001b[31m","mailbox":12,"busy":true}]}}`

func TestPrintTable(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{listAnswer, `count  2

KIND     IDENTITY                   PID  MAILBOX  BUSY
service  public@@g@@orders          a/1  0        -
service  "public@@g@@\x1b[31m"      -    12       true
`},
		{`{"identity":"x","pid":null,"tags":["a"],"none":[]}`, "identity  x\npid       -\ntags      [\"a\"]\nnone      -\n"},
		{`[{"a":1},{"a":2}]`, "A\n1\n2\n"},
		{`["x","y"]`, "x\ny\n"},
		{`"ok"`, "ok\n"},
		{`{"code":200,"data":"ok"}`, "code  200\ndata  ok\n"},
	} {
		var b bytes.Buffer
		if err := printTable(&b, []byte(tt.in)); err != nil {
			t.Error(err)
		}
		if squeeze(b.String()) != squeeze(tt.want) {
			t.Errorf("%s\ngot:\n%s\nwant:\n%s", tt.in, b.String(), tt.want)
		}
	}
	if err := printTable(&bytes.Buffer{}, []byte("<html>")); err == nil || !strings.Contains(err.Error(), "not JSON") {
		t.Error(err)
	}
}

// squeeze makes comparison independent of how wide a column came out.
func squeeze(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = strings.Join(strings.Fields(l), " ")
	}
	return strings.Join(lines, "\n")
}

func TestActors(t *testing.T) {
	var asked string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.String()
		switch r.URL.Query().Get("identity") {
		case "none":
			http.Error(w, "service none is not active on this node", http.StatusNotFound)
		case "":
			w.Write([]byte(listAnswer))
		default:
			w.Write([]byte(`{"identity":"x","handled":7}`))
		}
	}))
	defer s.Close()
	addr := strings.TrimPrefix(s.URL, "http://")
	for _, tt := range []struct {
		args, asked, out, errors string
		code                     int
	}{
		{"--kind service --node n1 --name or --page 2 --size 5", "/nacos/v1/core/ops/actors?kind=service&name=or&node=n1&pageNo=2&pageSize=5", "public@@g@@orders", "", 0},
		{"--json", "/nacos/v1/core/ops/actors?pageNo=1&pageSize=50", "  \"code\": 200,\n", "", 0},
		{"public@@g@@x", "/nacos/v1/core/ops/actors/detail?identity=public%40%40g%40%40x", "handled   7", "", 0},
		{"none", "/nacos/v1/core/ops/actors/detail?identity=none", "", "the server at " + addr + " says 404 Not Found: service none is not active", exitFailure},
	} {
		code, stdout, stderr := runHere(append([]string{"actors", "--server", addr}, strings.Fields(tt.args)...)...)
		if code != tt.code || asked != tt.asked || !strings.Contains(stdout, tt.out) || !strings.Contains(stderr, tt.errors) {
			t.Errorf("%s: exit %d, asked %s\n%s%s", tt.args, code, asked, stdout, stderr)
		}
	}
	// A server may be named as its users name it.
	if code, _, stderr := runHere("actors", "--server", s.URL+"/nacos/"); code != 0 {
		t.Error(stderr)
	}
	s.Close()
	if code, _, stderr := runHere("actors", "--server", addr); code != exitFailure || !strings.Contains(stderr, "connection refused") {
		t.Error(code, stderr)
	}
}

func TestReady(t *testing.T) {
	answers := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if answers++; answers < 3 || r.URL.Path != "/nacos/v1/console/health/readiness" {
			http.Error(w, "Naming is not in readiness", http.StatusInternalServerError)
		}
	}))
	defer s.Close()
	if code, _, stderr := runHere("ready", "--server", s.URL); code != 1 || !strings.Contains(stderr, "Naming is not in readiness") {
		t.Error(code, stderr)
	}
	if code, _, stderr := runHere("ready", "--server", s.URL, "--timeout", "20s"); code != 0 || answers != 3 {
		t.Error(code, stderr, answers)
	}
	if code, _, stderr := runHere("ready", "--home", t.TempDir()); code != 1 || !strings.Contains(stderr, "no server runs in this home") {
		t.Error(code, stderr)
	}
}

func TestReason(t *testing.T) {
	for in, want := range map[string]string{
		"caused: service not found;\n": "service not found",
		`{"timestamp":"x","status":501,"error":"Not Implemented","message":"no such api:GET:/x","path":"/x"}`: "no such api:GET:/x",
		"plain": "plain", "": "",
	} {
		if got := reason([]byte(in)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestDialable(t *testing.T) {
	for in, want := range map[string]string{
		"0.0.0.0:1": "127.0.0.1:1", "[::]:1": "127.0.0.1:1", ":1": "127.0.0.1:1",
		"10.0.0.1:1": "10.0.0.1:1", "[::1]:1": "[::1]:1", "odd": "odd",
	} {
		if got := dialable(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
