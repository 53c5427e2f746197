package wire

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"nactor/naming"
)

var update = flag.Bool("update", false, "rewrite the golden files, keeping the lines that name their source")

// golden compares got with testdata/name.golden: lines with "# " that name the source,
// then the JSON.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if !json.Valid(got) {
		t.Errorf("%s: not JSON: %s", name, got)
	}
	file := filepath.Join("testdata", name+".golden")
	b, err := os.ReadFile(file)
	if err != nil && !*update {
		t.Fatal(err)
	}
	var head []byte
	for bytes.HasPrefix(b, []byte("# ")) {
		line, rest, _ := bytes.Cut(b, []byte("\n"))
		head = append(append(head, line...), '\n')
		b = rest
	}
	if *update {
		if err := os.WriteFile(file, append(append(head, got...), '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if len(head) == 0 {
		t.Errorf("%s names no source", file)
	}
	if want := bytes.TrimSuffix(b, []byte("\n")); !bytes.Equal(got, want) {
		t.Errorf("%s:\ngot  %s\nwant %s", name, got, want)
	}
}

var (
	key  = naming.Key{Namespace: "public", Group: "DEFAULT_GROUP", Name: "s"}
	when = time.UnixMilli(1629600000000)
)

func instance(ip, cluster string, healthy bool, md naming.Metadata) *naming.Instance {
	return &naming.Instance{IP: ip, Port: 80, Cluster: cluster, Weight: 1, Enabled: true, Healthy: healthy, Ephemeral: true, Metadata: md}
}

func view(list ...*naming.Instance) *naming.View {
	return &naming.View{Key: key, Ephemeral: true, Instances: list}
}

func query(clusters string) Query { return Query{Clusters: clusters, CacheMillis: 10000, Now: when} }

func TestInstance(t *testing.T) {
	golden(t, "instance", AppendInstance(nil, key, instance("1.1.1.1", "DEFAULT", true, nil), true))
	in := instance("1.1.1.1", "c", false, naming.Metadata{
		{Key: naming.MetaBeatInterval, Value: "3000"}, {Key: naming.MetaBeatTimeout, Value: "-6000"}, {Key: naming.MetaIDGenerator, Value: "snowflake"}, {Key: naming.MetaDeleteTimeout, Value: "99999999999999999999"},
	})
	in.Weight, in.Enabled, in.Ephemeral = 0.5, false, false
	golden(t, "instance_metadata", AppendInstance(nil, key, in, false))
	golden(t, "instance_no_generator", AppendInstance(nil, key, instance("1.1.1.1", "DEFAULT", true, naming.Metadata{{Key: "a", Value: "b"}}), true))
	golden(t, "detail", AppendDetail(nil, key, instance("1.1.1.1", "DEFAULT", true, nil)))
	golden(t, "statuses", AppendStatuses(nil, view(instance("1.1.1.1", "DEFAULT", true, nil), instance("2.2.2.2", "DEFAULT", false, nil))))
	golden(t, "statuses_unknown", AppendStatuses(nil, nil))
	p := instance("2.2.2.2", "DEFAULT", true, nil)
	p.Ephemeral = false
	golden(t, "updated", AppendUpdated(nil, []*naming.Instance{instance("2.2.2.2", "DEFAULT", true, nil), p}))
	golden(t, "updated_none", AppendUpdated(nil, nil))
}

func TestList(t *testing.T) {
	golden(t, "list_unknown", AppendList(nil, key, nil, query("")))
	v := view(instance("1.1.1.1", "DEFAULT", true, nil), instance("2.2.2.2", "other", false, nil))
	golden(t, "list", AppendList(nil, key, v, query("")))
	golden(t, "list_clusters", AppendList(nil, key, v, query("other,")))
	q := query("")
	q.HealthyOnly = true
	golden(t, "list_healthy", AppendList(nil, key, v, q))
	v = view(instance("1.1.1.1", "DEFAULT", true, nil), instance("2.2.2.2", "DEFAULT", false, nil))
	v.Meta = &naming.ServiceMeta{ProtectThreshold: 0.8}
	golden(t, "list_protected", AppendList(nil, key, v, q))
	if v.Rendering(keptHosts) != nil {
		t.Error("a protected list was kept")
	}
}

// The kept rendering must be the one that would be made anew, whatever the query.
func TestListCache(t *testing.T) {
	disabled := instance("3.3.3.3", "DEFAULT", true, nil)
	disabled.Enabled = false
	lists := [][]*naming.Instance{
		{},
		{instance("1.1.1.1", "a", true, nil)},
		{instance("1.1.1.1", "a", true, nil), instance("2.2.2.2", "b", false, nil)},
		{instance("1.1.1.1", "a", true, nil), disabled},
		{disabled},
	}
	for _, list := range lists {
		for _, meta := range []*naming.ServiceMeta{nil, {}, {ProtectThreshold: 1}} {
			v := view(list...)
			v.Meta = meta
			for range 2 {
				for _, clusters := range []string{"", "a", "a,b", "c"} {
					for _, healthy := range []bool{false, true} {
						q := query(clusters)
						q.HealthyOnly = healthy
						fresh := view(list...)
						fresh.Meta = meta
						got, want := AppendList(nil, key, v, q), AppendList(nil, key, fresh, q)
						if !bytes.Equal(got, want) {
							t.Errorf("clusters %q, healthy %t:\ngot  %s\nwant %s", clusters, healthy, got, want)
						}
					}
				}
			}
		}
	}
}

func TestPush(t *testing.T) {
	v := view(instance("1.1.1.1", "DEFAULT", true, nil), instance("2.2.2.2", "other", false, nil))
	golden(t, "push_data", AppendPushData(nil, v, query("")))
	golden(t, "push", AppendPush(nil, v, query("other"), 123456789))
	v = view(instance("1.1.1.1", "DEFAULT", true, nil), instance("2.2.2.2", "other", false, nil))
	v.Meta = &naming.ServiceMeta{ProtectThreshold: 0.5}
	golden(t, "push_protected", AppendPushData(nil, v, query("other")))
}

func TestBeat(t *testing.T) {
	golden(t, "beat", AppendBeat(nil, true, 5000, true))
	golden(t, "beat_unknown", AppendBeat(nil, false, 5000, true))
}

func TestService(t *testing.T) {
	golden(t, "service_unknown", AppendService(nil, key, nil, false))
	v := view(instance("1.1.1.1", "DEFAULT", true, nil), instance("1.1.1.2", "web", false, nil))
	v.Meta = &naming.ServiceMeta{
		ProtectThreshold: 0.8,
		Metadata:         naming.Metadata{{Key: "k", Value: "v"}},
		Selector:         naming.Selector{Type: "label", Expression: "CONSUMER.label.A = PROVIDER.label.A & CONSUMER.label.B = PROVIDER.label.B"},
		Clusters: []naming.ClusterMeta{{
			Name: "web", CheckPort: 8081, Metadata: naming.Metadata{{Key: "c", Value: "d"}},
			Checker: naming.HealthChecker{Type: "HTTP", Path: "/p", Headers: "k:v", ExpectedResponseCode: 200},
		}},
	}
	golden(t, "service", AppendService(nil, key, v, false))
	golden(t, "service_list", AppendServiceList(nil, []string{"s1", "s2"}, 7))
	golden(t, "service_list_empty", AppendServiceList(nil, nil, 0))
	golden(t, "subscribers", AppendSubscribers(nil, []naming.Subscription{{Key: key, Subscriber: naming.Subscriber{
		Addr: netip.MustParseAddrPort("10.0.0.1:54321"), Agent: "Nacos-Go-Client:v1.1.6", App: "unknown",
	}}}, 1, false))
	golden(t, "catalog_service", AppendCatalogService(nil, v, false))
	golden(t, "catalog_instances", AppendCatalogInstances(nil, key, v.Instances[1:], 1, false))
	golden(t, "catalog_services", AppendCatalogServices(nil, []*naming.View{v, {Key: key}}, 2, false))
	golden(t, "catalog_details", AppendCatalogDetails(nil, []*naming.View{v}, false))
}

func TestChecker(t *testing.T) {
	for _, s := range []string{
		`{"type":"TCP"}`, `{"type":"NONE"}`,
		`{"type":"HTTP","path":"/p","headers":"k:v|k2:v2","expectedResponseCode":200}`,
		`{"type":"MYSQL","user":"u","pwd":"p","cmd":"select 1"}`,
	} {
		c, err := ParseChecker(s)
		if got := string(AppendChecker(nil, c)); err != nil || got != s {
			t.Errorf("%s becomes %s, %v", s, got, err)
		}
	}
	if c, err := ParseChecker(`{"type":"x"}`); err != nil || c.Type != "NONE" {
		t.Errorf("unknown type: %v, %v; want NONE", c, err)
	}
	for _, s := range []string{"", "x", "{}", "[]", `{"type":1}`, `null`} {
		if c, err := ParseChecker(s); naming.KindOf(err) != naming.KindRejected {
			t.Errorf("ParseChecker(%q) = %v, %v", s, c, err)
		}
	}
}

func TestSelector(t *testing.T) {
	for in, want := range map[string]string{
		"": `{"type":"none"}`, " ": `{"type":"none"}`, `{"type":"none"}`: `{"type":"none"}`,
		`{"type":"label","expression":""}`:                                  `{"type":"label","expression":"","labels":[]}`,
		`{"type":"label","expression":"CONSUMER.label.A=PROVIDER.label.A"}`: `{"type":"label","expression":"CONSUMER.label.A=PROVIDER.label.A","labels":["A"]}`,
	} {
		s, err := ParseSelector(in)
		if got := string(AppendSelector(nil, s)); err != nil || got != want {
			t.Errorf("%s becomes %s, %v; want %s", in, got, err, want)
		}
	}
	for in, want := range map[string]naming.Kind{
		"x": naming.KindRejected, "{}": naming.KindRejected, `{"type":"health"}`: naming.KindRejected, `{"type":"y"}`: naming.KindInvalid,
		`{"type":"label","expression":"CONSUMER.label.A = PROVIDER.label.B"}`: naming.KindRejected,
		`{"type":"label","expression":"A = A"}`:                               naming.KindRejected,
	} {
		if s, err := ParseSelector(in); naming.KindOf(err) != want {
			t.Errorf("ParseSelector(%s) = %v, %v", in, s, err)
		}
	}
}

func TestString(t *testing.T) {
	for in, want := range map[string]string{
		"": `""`, "a<b>&'c": `"a<b>&'c"`, "\x00\x1f\n\r\t": `"\u0000\u001F\n\r\t"`, `"\`: `"\"\\"`,
		"é世🚀": `"é世🚀"`, "\u2028": "\"\u2028\"", "\xff": "\"\uFFFD\"", "a\xc3": "\"a\uFFFD\"", "\xed\xa0\x80": "\"\uFFFD\uFFFD\uFFFD\"", "\uFFFD": "\"\uFFFD\"", "\x7f": "\"\x7f\"",
	} {
		if got := string(AppendString(nil, in)); got != want {
			t.Errorf("AppendString(%q) = %s, want %s", in, got, want)
		}
	}
}

func FuzzString(f *testing.F) {
	f.Add("a\"b\\c\x00\xff")
	f.Fuzz(func(t *testing.T, s string) {
		var back string
		b := AppendString(nil, s)
		if err := json.Unmarshal(b, &back); err != nil || !utf8.Valid(b) {
			t.Fatalf("%q: %s, %v", s, b, err)
		}
		if want := strings.ToValidUTF8(s, "\uFFFD"); utf8.ValidString(s) && back != want {
			t.Fatalf("%q comes back as %q", s, back)
		}
	})
}

func TestDouble(t *testing.T) {
	for in, want := range map[float64]string{
		0: "0.0", 1: "1.0", -1: "-1.0", 0.5: "0.5", 100: "100.0", 10000: "10000.0", 0.001: "0.001", 0.0001: "1.0E-4", 1e7: "1.0E7", 1.5e300: "1.5E300",
		9999999.5: "9999999.5", 123456789: "1.23456789E8", 1e-10: "1.0E-10", math.Inf(1): "0.0", math.Inf(-1): "0.0",
	} {
		if got := string(AppendDouble(nil, in)); got != want {
			t.Errorf("AppendDouble(%g) = %s, want %s", in, got, want)
		}
	}
	if got := string(AppendDouble(nil, math.NaN())); got != "0.0" {
		t.Errorf("NaN is written as %s", got)
	}
	if got := string(AppendFloat(nil, 0.8)); got != "0.8" {
		t.Errorf("AppendFloat(0.8) = %s", got)
	}
	if got := string(AppendFloat(nil, float64(float32(0.8)))); got != "0.8" {
		t.Errorf("AppendFloat(float32 0.8) = %s", got)
	}
}

func TestSplitClusters(t *testing.T) {
	for in, want := range map[string][]string{"": nil, ",": nil, "a": {"a"}, "a,b,,": {"a", "b"}, " a,b": {" a", "b"}, ",a": {"", "a"}} {
		if got := SplitClusters(in); strings.Join(got, "|") != strings.Join(want, "|") || len(got) != len(want) {
			t.Errorf("SplitClusters(%q) = %q, want %q", in, got, want)
		}
	}
}

func ten() *naming.View {
	v := view()
	for i := range 10 {
		in := instance("10.0.0."+string(rune('0'+i)), "DEFAULT", true, naming.Metadata{{Key: "preserved.register.source", Value: "SPRING_CLOUD"}})
		v.Instances = append(v.Instances, in)
	}
	return v
}

func BenchmarkList(b *testing.B) {
	v := ten()
	var dst []byte
	b.Run("kept", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			dst = AppendList(dst[:0], key, v, query(""))
		}
	})
	b.Run("healthyOnly", func(b *testing.B) {
		b.ReportAllocs()
		q := query("")
		q.HealthyOnly = true
		for b.Loop() {
			dst = AppendList(dst[:0], key, v, q)
		}
	})
	b.Run("rendered", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			dst = appendHosts(dst[:0], key, v.Instances, false)
		}
	})
}

func BenchmarkPush(b *testing.B) {
	v := ten()
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendPush(dst[:0], v, query(""), 1)
	}
}

func BenchmarkBeat(b *testing.B) {
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendBeat(dst[:0], true, 5000, true)
	}
}
