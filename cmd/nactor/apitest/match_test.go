package apitest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// differs tells how an answer is not what is wanted, "CODE body"; "" when it is. The body is
// JSON, where members may be in any order and "<number>", "<string>", "<boolean>", "<object>"
// and "<array>" stand for values; or it is text. In text and strings … stands for any text.
// The Content-Type has to be that of the body.
func differs(want string, a answer) string {
	code, body, _ := strings.Cut(want, " ")
	if strconv.Itoa(a.code) != code {
		return "another status"
	}
	v, isJSON := decode(body)
	kind := "text/plain;charset=UTF-8"
	if isJSON {
		kind = "application/json;charset=UTF-8"
	} else if strings.HasPrefix(body, "openapi:") {
		kind = "application/yaml"
	} else if strings.HasPrefix(body, "# HELP") {
		kind = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
	}
	if a.kind != kind {
		return "type " + a.kind
	}
	if !isJSON {
		if !matches(body, a.body) {
			return "another text"
		}
		return ""
	}
	got, ok := decode(a.body)
	if !ok {
		return "not JSON"
	}
	return unlike(v, got)
}

// matches reports whether text is what a pattern says, … standing for any text.
func matches(pattern, text string) bool {
	parts := strings.Split(pattern, "…")
	rest, ok := strings.CutPrefix(text, parts[0])
	if !ok || len(parts) == 1 {
		return ok && rest == ""
	}
	for _, p := range parts[1 : len(parts)-1] {
		if _, rest, ok = strings.Cut(rest, p); !ok {
			return false
		}
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}

// decode reads an answer that is an object, an array or a truth value.
func decode(s string) (any, bool) {
	if s != "true" && s != "false" && !strings.HasPrefix(s, "{") && !strings.HasPrefix(s, "[") {
		return nil, false
	}
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err == nil && !d.More()
}

func typeOf(v any) string {
	switch v.(type) {
	case nil:
		return "<null>"
	case bool:
		return "<boolean>"
	case json.Number:
		return "<number>"
	case string:
		return "<string>"
	case []any:
		return "<array>"
	}
	return "<object>"
}

// unlike tells how got is not want. Numbers are compared as they are written: 1.0 is no 1.
func unlike(want, got any) string {
	if s, ok := want.(string); ok && strings.HasPrefix(s, "<") && strings.HasSuffix(s, ">") {
		if s == typeOf(got) {
			return ""
		}
		return fmt.Sprintf("%v is no %s", got, s)
	}
	if typeOf(want) != typeOf(got) {
		return fmt.Sprintf("%v is no %s", got, typeOf(want))
	}
	switch w := want.(type) {
	case map[string]any:
		g := got.(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(w)) {
			v, ok := g[name]
			if !ok {
				return "lacks " + name
			}
			if bad := unlike(w[name], v); bad != "" {
				return name + ": " + bad
			}
		}
		for _, name := range slices.Sorted(maps.Keys(g)) {
			if _, ok := w[name]; !ok {
				return "has " + name + " besides"
			}
		}
	case []any:
		g := got.([]any)
		if len(g) != len(w) {
			return fmt.Sprintf("%d elements, want %d", len(g), len(w))
		}
		for i := range w {
			if bad := unlike(w[i], g[i]); bad != "" {
				return fmt.Sprintf("[%d]: %s", i, bad)
			}
		}
	case string:
		if !matches(w, got.(string)) {
			return fmt.Sprintf("%v, want %v", got, want)
		}
	default:
		if want != got {
			return fmt.Sprintf("%v, want %v", got, want)
		}
	}
	return ""
}

// passing are members of answers whose value differs from one run to the next.
var passing = map[string]bool{
	"lastRefTime": true, "timestamp": true, "lastRefreshTime": true, "cpu": true, "load": true, "mem": true, "term": true, "pid": true,
	"revision": true, "handled": true, "lastBeat": true, "lastBeatMillisAgo": true, "serviceCount": true, "instanceCount": true,
	"raftMetaData": true, "raftPort": true, "total": true, "succeed": true, "decidedAt": true, "epoch": true, "mailbox": true, "id": true,
}

// pattern makes of an answer what [differs] takes, with names for what is the server's own.
func pattern(a answer, names *strings.Replacer) string {
	v, ok := decode(a.body)
	if !ok {
		head, _, more := strings.Cut(a.body, "\n")
		if more {
			head += "…"
		}
		return names.Replace(head)
	}
	steady(v)
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return names.Replace(strings.TrimSpace(out.String()))
}

func steady(v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, x := range v {
			if passing[name] && x != nil {
				v[name] = typeOf(x)
			} else {
				steady(x)
			}
		}
	case []any:
		for _, x := range v {
			steady(x)
		}
	}
}

func TestDiffers(t *testing.T) {
	const js, text = "application/json;charset=UTF-8", "text/plain;charset=UTF-8"
	for _, tt := range []struct {
		want string
		got  answer
		bad  string
	}{
		{`200 ok`, answer{200, text, "ok"}, ""},
		{`200 ok`, answer{200, text, "ok\n"}, "another text"},
		{`200 ok`, answer{200, js, "ok"}, "type " + js},
		{`200 ok`, answer{500, text, "ok"}, "another status"},
		{`500 a…c`, answer{500, text, "abc"}, ""},
		{`500 a…c`, answer{500, text, "abd"}, "another text"},
		{`200 true`, answer{200, js, "true"}, ""},
		{`200 {"a":1,"b":[{"c":"<number>"}]}`, answer{200, js, `{"b":[{"c":5.5}],"a":1}`}, ""},
		{`200 {"a":1}`, answer{200, js, `{"a":1.0}`}, "a: 1.0, want 1"},
		{`200 {"a":1}`, answer{200, js, `{"a":"1"}`}, "a: 1 is no <number>"},
		{`200 {"a":"<number>"}`, answer{200, js, `{"a":"1"}`}, "a: 1 is no <number>"},
		{`200 {"a":1}`, answer{200, js, `{"a":1,"b":2}`}, "has b besides"},
		{`200 {"a":1,"b":2}`, answer{200, js, `{"a":1}`}, "lacks b"},
		{`200 {"a":[1]}`, answer{200, js, `{"a":[1,2]}`}, "a: 2 elements, want 1"},
		{`200 {"a":null}`, answer{200, js, `{"a":0}`}, "a: 0 is no <null>"},
	} {
		if bad := differs(tt.want, tt.got); bad != tt.bad {
			t.Errorf("%s for %v: %q, want %q", tt.got, tt.want, bad, tt.bad)
		}
	}
}
