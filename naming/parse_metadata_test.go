package naming

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseMetadata(t *testing.T) {
	m := func(kv ...string) Metadata {
		var md Metadata
		for i := 0; i < len(kv); i += 2 {
			md = append(md, Pair{kv[i], kv[i+1]})
		}
		return md
	}
	good := []struct {
		in   string
		want Metadata
	}{
		{"", nil},
		{" \t ", nil},
		{"{}", nil},
		{" { } ", nil},
		{`{"b":"2","a":"1"}`, m("a", "1", "b", "2")},
		{`{"a":1,"b":1.50,"c":true,"d":false,"e":-1e3}`, m("a", "1", "b", "1.50", "c", "true", "d", "false", "e", "-1e3")},
		{`{"a":null,"b":"x"}`, m("b", "x")},
		{`{"a":"1","a":"2"}`, m("a", "2")},
		{`{"a":"1","a":null}`, nil},
		{`{"a":"\u00e9\n\"","\u0062":""}`, m("a", "é\n\"", "b", "")},
		{`{"huge":123456789012345678901234567890}`, m("huge", "123456789012345678901234567890")},
		{"a=1", m("a", "1")},
		{"b=2,a=1,", m("a", "1", "b", "2")},
		{"a=1,a=2", m("a", "2")},
		{" a = 1 ", m(" a ", " 1 ")},
		{"=v", m("", "v")},
		{"a=b=", m("a", "b")},
		{",", nil},
		{"é=ü", m("é", "ü")},
	}
	for _, tt := range good {
		got, err := ParseMetadata(tt.in)
		if err != nil || !got.Equal(tt.want) {
			t.Errorf("ParseMetadata(%q) = %v, %v; want %v", tt.in, got, err, tt.want)
		}
	}
	bad := []string{
		"a", "a=", "a=b,c", "a=b=c", ",a=b", "=", "null", "[]", `"a"`, "1",
		`{"a":{"b":"c"}}`, `{"a":["b"]}`, `{"a":"b"`, `{"a":"b"} x`, `{"a":"b",}`, `{"a" "b"}`, `{a:"b"}`,
		`{"a":tru}`, `{"a":01}`, `{"a":+1}`, `{"a":NaN}`, `{"a":"\x"}`, "{\"a\":\"\n\"}", "\ufeff{\"a\":\"1\"}",
		"{", `{"`, `{"a`, `{"a":`, `{"a":"`, `{"a":"\`, strings.Repeat("{", 100_000),
	}
	for _, in := range bad {
		got, err := ParseMetadata(in)
		if KindOf(err) != KindRejected {
			t.Errorf("ParseMetadata(%.40q) = %v, %v; want a rejection", in, got, err)
		} else if want := "metadata format incorrect:" + in; len(in) < maxEcho && err.Error() != want {
			t.Errorf("ParseMetadata(%q): %q, want %q", in, err, want)
		}
	}
}

func FuzzMetadata(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"preserved.register.source":"SPRING_CLOUD"}`, `{"a":"1","b":null,"c":2}`, "k1=v1,k2=v2", "a=b=", `{"a":"\ud800"}`, `{"a":{"b":1}}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseMetadata(s)
		if err != nil {
			if len(err.Error()) > 2*maxEcho {
				t.Errorf("error of %d bytes", len(err.Error()))
			}
			return
		}
		for i := range m {
			if i > 0 && m[i-1].Key >= m[i].Key {
				t.Fatalf("%q: keys not in order: %v", s, m)
			}
			if utf8.ValidString(s) && (!utf8.ValidString(m[i].Key) || !utf8.ValidString(m[i].Value)) {
				t.Fatalf("%q: not UTF-8: %v", s, m)
			}
		}
		if len(m) > len(s) {
			t.Fatalf("%q: %d pairs", s, len(m))
		}
	})
}

func BenchmarkParseMetadata(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseMetadata(`{"preserved.register.source":"SPRING_CLOUD","version":"1.0","zone":"a"}`); err != nil {
			b.Fatal(err)
		}
	}
}
