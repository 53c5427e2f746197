package wire

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"testing"

	"nactor/naming"
)

func TestListBy1X(t *testing.T) {
	golden(t, "list_1x_unknown", AppendListBy1X(nil, key, nil, query("a,b")))
	v := view(instance("1.1.1.1", "DEFAULT", true, naming.Metadata{{Key: "app", Value: "shop"}}), instance("2.2.2.2", "other", false, nil))
	v.Meta = &naming.ServiceMeta{}
	golden(t, "list_1x", AppendListBy1X(nil, key, v, query("")))
	q := query("other")
	q.HealthyOnly = true
	golden(t, "list_1x_protected", AppendListBy1X(nil, key, v, q))
	golden(t, "list_1x_empty", AppendListBy1X(nil, key, v, query("none")))
}

func TestList142(t *testing.T) {
	ask := func(clusters string) Query142 { return Query142{Query: query(clusters), Env: "e"} }
	golden(t, "list_142_unknown", AppendList142(nil, key, nil, ask("a,b")))
	disabled := instance("3.3.3.3", "other", true, nil)
	disabled.Enabled = false
	v := view(instance("1.1.1.1", "DEFAULT", true, nil), instance("2.2.2.2", "other", false, nil), disabled)
	v.Meta = &naming.ServiceMeta{ProtectThreshold: 0.4, Metadata: naming.Metadata{{Key: "k", Value: "v"}}}
	golden(t, "list_142", AppendList142(nil, key, v, ask("")))
	q := ask("DEFAULT")
	q.Grouped = true
	golden(t, "list_142_grouped", AppendList142(nil, key, v, q))
	q = ask("")
	q.HealthyOnly = true
	golden(t, "list_142_healthy", AppendList142(nil, key, v, q))
	golden(t, "list_142_empty", AppendList142(nil, key, v, ask("none")))
	// One of two is healthy when the disabled one counts, above 0.4 and at 0.5; else none is.
	golden(t, "list_142_disabled", AppendList142(nil, key, v, ask("other")))
	v = view(v.Instances...)
	v.Meta = &naming.ServiceMeta{ProtectThreshold: 0.5}
	q.Clusters = "other"
	golden(t, "list_142_protected", AppendList142(nil, key, v, q))
}

// What is kept beside a view is what would be made anew, whoever asked before.
func TestKeptBy1X(t *testing.T) {
	disabled := instance("3.3.3.3", "a", true, nil)
	disabled.Enabled = false
	for _, list := range [][]*naming.Instance{
		{},
		{instance("1.1.1.1", "a", true, nil), instance("2.2.2.2", "b", false, nil), disabled},
		{instance("2.2.2.2", "b", false, nil)},
		{disabled},
	} {
		kept := view(list...)
		kept.Meta = &naming.ServiceMeta{ProtectThreshold: 0.5}
		for range 2 {
			for _, clusters := range []string{"", "a", "b", "c"} {
				for _, healthy := range []bool{false, true} {
					for _, grouped := range []bool{false, true} {
						fresh := view(list...)
						fresh.Meta = kept.Meta
						q := Query142{Query: query(clusters), Grouped: grouped}
						q.HealthyOnly = healthy
						if got, want := AppendList142(nil, key, kept, q), AppendList142(nil, key, fresh, q); !bytes.Equal(got, want) || !json.Valid(got) {
							t.Errorf("1.4.2, %+v:\ngot  %s\nwant %s", q, got, want)
						}
						if got, want := AppendListBy1X(nil, key, kept, q.Query), AppendListBy1X(nil, key, fresh, q.Query); !bytes.Equal(got, want) || !json.Valid(got) {
							t.Errorf("by 1.X, %+v:\ngot  %s\nwant %s", q, got, want)
						}
					}
				}
			}
		}
	}
}

func TestChecksum(t *testing.T) {
	seen := map[string]string{}
	for what, change := range map[string]func(*naming.Instance, *naming.ServiceMeta){
		"nothing":   func(*naming.Instance, *naming.ServiceMeta) {},
		"health":    func(in *naming.Instance, _ *naming.ServiceMeta) { in.Healthy = false },
		"weight":    func(in *naming.Instance, _ *naming.ServiceMeta) { in.Weight = 2 },
		"cluster":   func(in *naming.Instance, _ *naming.ServiceMeta) { in.Cluster = "c" },
		"threshold": func(_ *naming.Instance, m *naming.ServiceMeta) { m.ProtectThreshold = 1 },
		"checker": func(_ *naming.Instance, m *naming.ServiceMeta) {
			m.Clusters = []naming.ClusterMeta{{Name: "DEFAULT", Checker: naming.HealthChecker{Type: "NONE"}}}
		},
	} {
		in, meta := instance("1.1.1.1", "DEFAULT", true, nil), &naming.ServiceMeta{}
		change(in, meta)
		v := view(in)
		v.Meta = meta
		sum := string(checksum(v))
		if len(sum) != 32 || sum != string(checksum(v)) {
			t.Errorf("%s: %q, then %q", what, sum, checksum(v))
		}
		if other, taken := seen[sum]; taken {
			t.Errorf("%s makes no difference to %s", what, other)
		}
		seen[sum] = what
	}
}

func TestOther1XForms(t *testing.T) {
	golden(t, "beat_unknown_142", AppendBeatUnknown142(nil, 5000))
	v := view(instance("1.1.1.1", "DEFAULT", true, nil))
	v.Meta = &naming.ServiceMeta{Clusters: []naming.ClusterMeta{{Name: "web", CheckPort: 8081, Checker: naming.HealthChecker{Type: "NONE"}}}}
	golden(t, "service_1x", AppendService(nil, key, v, true))
	golden(t, "catalog_service_1x", AppendCatalogService(nil, v, true))
	golden(t, "catalog_instances_1x", AppendCatalogInstances(nil, key, v.Instances, 1, true))
	golden(t, "subscribers_142", AppendSubscribers(nil, []naming.Subscription{{Key: key, Subscriber: naming.Subscriber{
		Addr: netip.MustParseAddrPort("10.0.0.1:54321"), Agent: "Nacos-Go-Client:v1.1.6", App: "unknown",
	}}}, 1, true))
	if !HasCluster(v, "web", true) || HasCluster(v, "web", false) || !HasCluster(v, "DEFAULT", false) {
		t.Error("a cluster that is only described is one in 1.x, and there alone")
	}
}

func TestFilter(t *testing.T) {
	v := view(instance("1.1.1.1", "DEFAULT", true, naming.Metadata{{Key: "zone", Value: "a"}}))
	v.Meta = &naming.ServiceMeta{Metadata: naming.Metadata{{Key: "team", Value: "x"}}}
	for s, want := range map[string]bool{
		"": true, `{"type":"none"}`: true, `{"type":"label"}`: true, `{"type":"label","expression":"OTHER.k='v'"}`: true,
		`{"type":"label","expression":"INSTANCE.metadata.zone = 'a'"}`: true, `{"type":"label","expression":"INSTANCE.metadata.zone = 'b'"}`: false,
		`{"type":"label","expression":"SERVICE.metadata.team='x'"}`: true, `{"type":"label","expression":"SERVICE.metadata.zone='a'"}`: false,
	} {
		if f, err := ParseFilter(s); err != nil || f(v) != want {
			t.Errorf("%s: %v, want %t", s, err, want)
		}
	}
	for s, want := range map[string]naming.Kind{
		"{": naming.KindRejected, "{}": naming.KindRejected, `{"type":"x"}`: naming.KindInvalid, `{"type":"label","expression":"INSTANCE.a"}`: naming.KindRejected,
	} {
		if _, err := ParseFilter(s); naming.KindOf(err) != want {
			t.Errorf("%s: %v", s, err)
		}
	}
}

func BenchmarkListBy1X(b *testing.B) {
	v := ten()
	v.Meta = &naming.ServiceMeta{}
	var dst []byte
	b.Run("kept", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			dst = AppendListBy1X(dst[:0], key, v, query(""))
		}
	})
	b.Run("1.4.2", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			dst = AppendList142(dst[:0], key, v, Query142{Query: query(""), Grouped: true})
		}
	})
}
