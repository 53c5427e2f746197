package http

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"nactor/naming"
)

// hostile is what people and programs put into a parameter.
func hostile() []string {
	list := []string{
		"", " ", "\t", "a b", "null", "undefined", "🚀", "\u202egnirts", "a\x00b", "a\r\nb", "\x7f", "<script>alert(1)</script>", `"'`, `\`,
		"@@", "@a", "a@", "a@@", "@@a", "DEFAULT_GROUP@@a@@b", "##", "a##b", "/", "../..", ";", "a;b=c", "&", "%", "%25", "%zz", "%00",
		"é", "e\u0301", "оrders", "${jndi:ldap://x}", "' OR 1=1 --", strings.Repeat("a", 70_000),
		"\xff", "a\xc0\xafb", "\xed\xa0\x80", "\ufeff{}", "\xff\xfe{\x00}\x00",
		"host.name", "::1", "fe80::1%eth0", "999.1.1.1", "127.1", "0x7f000001",
		"-1", "0", "65535", "65536", " 80", "+80", "080", "1e3", "80.0", "2147483647", "2147483648", "-2147483649", "9223372036854775808",
		"NaN", "Infinity", "-Infinity", "1e308", "1e999", "-0", "0x1p3", "1_0", "1d", "yes", "TRUE", "maybe", "ephemeral", "persist", "v1", "v3",
		"{", "{}", "[", "[]", "[{}]", "[null]", `{"a":1}`, `{"a":null}`, `{"a":{"b":1}}`, `{"a":"b","a":"c"}`, `{"a":"b"}x`, `{"a":99999999999999999999999}`,
		strings.Repeat("[", 20_000), strings.Repeat(`{"a":`, 20_000), strings.Repeat("k=v,", 15_000), "a=b,c", "a=b=c", "=", ",",
		"preserved.heart.beat.timeout=-1", "preserved.ip.delete.timeout=0", "preserved.heart.beat.interval=9000000000000000000", "preserved.heart.beat.timeout=abc",
		`{"type":"zz"}`, `{"type":1}`, `{"type":"label","expression":"x"}`, `{"type":"HTTP","expectedResponseCode":"x"}`, `{"type":"MYSQL","pwd":{}}`,
		`{"ip":"9.9.9.9","port":9}`, `{"ip":"\u0000","port":9}`, `{"ip":"9.9.9.9","port":9,"metadata":{"a":[]}}`, `[{"ip":"9.9.9.9","port":"x"}]`,
		"batch", "limitedUrlMap", "overriddenServerStatus", "/:200", "go:1.0.0",
	}
	return list
}

// unsaid are parameters that the document leaves out.
var unsaid = []string{"encoding", "cluster", "enable", "valid", "tid"}

// structured are parameters with an inside; huge values go into these, and into one name.
var structured = []string{"metadata", "beat", "instances", "selector", "healthChecker", "value", "serviceName"}

// Every parameter of every route gets all of it, on a node of each kind; the others are as
// the document's examples. The answer is one of Nacos's, whatever is refused has changed
// nothing, and what is repeated cannot be taken for anything but text.
func TestBadInputEverywhere(t *testing.T) {
	d := readDocument(t)
	values := hostile()
	for kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			r := unserved(t, func(c *Config) { c.Version = kinds[kind].version })
			asked, refused := 0, foreign()
			for _, rt := range routes() {
				// Those that read nothing, and those that are other names of others.
				if slices.ContainsFunc(refused, func(f route) bool { return f.path == rt.path && f.method == rt.method }) ||
					strings.HasPrefix(rt.path, "/v1/ns/ops/") || rt.path == "/actuator/prometheus" {
					continue
				}
				if kind != "2.0" && !strings.HasPrefix(rt.path, inst) && !strings.HasPrefix(rt.path, svc) && !strings.HasPrefix(rt.path, "/v1/ns/catalog") {
					continue // has one form only
				}
				base := url.Values{}
				names := map[string]bool{}
				for _, p := range d.paths[rt.path][rt.method].params {
					names[p.name] = true
					if p.example != nil {
						base.Set(p.name, fmt.Sprint(p.example))
					}
				}
				if strings.HasPrefix(rt.path, inst) || strings.HasPrefix(rt.path, "/v1/ns/health") {
					for _, name := range unsaid {
						names[name] = true
					}
				}
				for _, name := range slices.Sorted(maps.Keys(names)) {
					for _, value := range values {
						if len(value) > 10_000 && !slices.Contains(structured, name) {
							continue
						}
						asked++
						r.hostile(kind, rt, base, name, value)
						if t.Failed() {
							t.Fatalf("%s %s: %s=%.80q", rt.method, rt.path, name, value)
						}
					}
				}
			}
			t.Logf("%d requests", asked)
		})
	}
}

// hostile sends one request with one bad parameter, in the query and in the body by turns.
func (r *rig) hostile(kind string, rt route, base url.Values, name, value string) {
	t := r.t
	t.Helper()
	r.forget()
	r.layout = kinds[kind].layout
	key := naming.Key{Namespace: "public", Group: "DEFAULT_GROUP", Name: "orders"}
	in := &naming.Instance{IP: "10.0.0.5", Port: 8080, Cluster: "DEFAULT", Weight: 1, Enabled: true, Healthy: true, Ephemeral: true}
	if _, err := r.Do(context.Background(), key, naming.Register{Instance: in}); err != nil {
		t.Fatal(err)
	}
	before := r.Counts()
	r.commands, r.kept, r.refused = nil, nil, 0

	args := maps.Clone(base)
	args.Set(name, value)
	query, body := args.Encode(), ""
	if rt.method != fasthttp.MethodGet && len(value)%2 == 0 {
		query, body = "", query
	}
	var ctx fasthttp.RequestCtx
	ctx.Init(request4(rt.method, rt.path, query, body), peer, nil)
	r.server.fast.Handler(&ctx)
	code, answer := ctx.Response.StatusCode(), slices.Clone(ctx.Response.Body())
	checkHostile(t, &ctx, answer)
	if code >= 400 && (len(r.commands) > r.refused || r.Counts() != before || len(r.set)+len(r.namespaces) > 0) {
		t.Errorf("%d and yet done: %q, %q, %v", code, r.commands, r.set, r.namespaces)
	}
	check(t, r.registry, r.logs, &ctx)
}

// checkHostile holds for the bytes of an answer.
func checkHostile(t testing.TB, ctx *fasthttp.RequestCtx, body []byte) {
	t.Helper()
	if string(ctx.Response.Header.Peek("X-Content-Type-Options")) != "nosniff" {
		t.Error("no nosniff")
	}
	switch ct := string(ctx.Response.Header.ContentType()); {
	case ct == jsonText, ct == "application/yaml":
		return
	case ct != plainText && len(body) > 0:
		t.Errorf("%s: %.200s", ct, body)
	}
	if !utf8.Valid(body) || bytes.ContainsFunc(body, func(c rune) bool { return unicode.IsControl(c) && c != '\n' }) {
		t.Errorf("repeats what no text has: %.200q", body)
	}
}
