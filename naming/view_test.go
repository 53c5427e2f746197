package naming

import (
	"math"
	"slices"
	"strings"
	"testing"
)

// view reads "a+ b- DEFAULT+!" as instances 0, 1, 2 in clusters a, b and DEFAULT, healthy
// (+) or not (-), disabled (!).
func view(spec string, meta *ServiceMeta) *View {
	v := &View{Meta: meta}
	for i, f := range strings.Fields(spec) {
		v.Instances = append(v.Instances, &Instance{
			IP: string(rune('0' + i)), Cluster: strings.TrimRight(f, "+-!"), Enabled: !strings.HasSuffix(f, "!"), Healthy: strings.Contains(f, "+"),
		})
	}
	return v
}

func TestSelect(t *testing.T) {
	meta := func(threshold float64) *ServiceMeta { return &ServiceMeta{ProtectThreshold: threshold} }
	for _, tt := range []struct {
		name        string
		spec        string
		meta        *ServiceMeta
		clusters    []string
		healthyOnly bool
		want        string
		protected   bool
		all         bool
	}{
		{"no instances", "", meta(1), nil, true, "", false, true},
		{"no instances in the cluster", "a+", meta(1), []string{"b"}, true, "", false, false},
		{"everything", "a+ b-", nil, nil, false, "01", false, true},
		{"healthy only", "a+ b- c+", nil, nil, true, "02", false, false},
		{"healthy only, and all are", "a+ b+", nil, nil, true, "01", false, true},
		{"one cluster", "a+ b+ a-", nil, []string{"a"}, false, "02", false, false},
		{"two clusters, one unknown", "a+ b+ c+", nil, []string{"a", "x", "c"}, false, "02", false, false},
		{"disabled", "a+! b+ a-! b-", nil, nil, false, "13", false, false},
		{"all disabled", "a+! a+!", meta(1), nil, false, "", false, false},
		{"disabled do not count", "a+! a+! b+ b-", meta(0.5), nil, true, "23", true, false},
		{"at the threshold", "a+ b-", meta(0.5), nil, true, "01", true, false},
		{"above it", "a+ b+ c-", meta(0.5), nil, true, "01", false, false},
		{"threshold 0, one healthy", "a+ b-", meta(0), nil, true, "0", false, false},
		{"threshold 0, none healthy", "a- b-", meta(0), nil, true, "01", true, false},
		{"nobody set metadata", "a- b-", nil, nil, true, "", false, false},
		{"threshold 1, all healthy", "a+ b+", meta(1), nil, false, "01", true, false},
		{"a negative threshold is 0", "a- b-", meta(-1), nil, false, "01", true, false},
		{"a threshold that is no number protects nothing", "a- b-", meta(math.NaN()), nil, true, "", false, false},
		{"protection looks at the clusters asked for", "a+ a+ b-", meta(0.5), []string{"b"}, true, "2", true, false},
		{"thresholds are floats in Java", "a+ a+ a+ a+ a+ a+ a+ b- b- b-", meta(0.7), nil, true, "0123456789", true, false},
	} {
		v := view(tt.spec, tt.meta)
		before := slices.Clone(v.Instances)
		sel := v.Select(tt.clusters, tt.healthyOnly)
		got := ""
		for _, in := range sel.Instances {
			got += in.IP
		}
		if got != tt.want || sel.Protected != tt.protected || sel.All != tt.all {
			t.Errorf("%s: %q, protected %v, all %v; want %q, %v, %v", tt.name, got, sel.Protected, sel.All, tt.want, tt.protected, tt.all)
		}
		if !slices.Equal(v.Instances, before) {
			t.Errorf("%s: the view was changed", tt.name)
		}
	}
}

func TestProtectsIsSafeFromDivisionByZero(t *testing.T) {
	v := view("", &ServiceMeta{ProtectThreshold: 1})
	if v.Protects(0, 0) {
		t.Error("0 of 0 instances are protected")
	}
}

func TestViewLooks(t *testing.T) {
	v := view("b+ a- b+!", nil)
	if got := v.Clusters(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("clusters %v", got)
	}
	if got := v.HealthyCount(); got != 2 {
		t.Errorf("%d are healthy", got)
	}
	for _, tt := range []struct {
		addr Addr
		want *Instance
	}{
		{Addr{IP: "0"}, v.Instances[0]},
		{Addr{IP: "0", Cluster: "b"}, v.Instances[0]},
		{Addr{IP: "0", Cluster: "a"}, nil},
		{Addr{IP: "0", Port: 1}, nil},
		{Addr{IP: "2", Cluster: "b"}, v.Instances[2]},
	} {
		if got := v.Find(tt.addr); got != tt.want {
			t.Errorf("Find(%v) = %v", tt.addr, got)
		}
	}
	if v.Rendering(1) != nil {
		t.Error("something is kept before it is rendered")
	}
	v.KeepRendering(1, []byte("[]"))
	if string(v.Rendering(1)) != "[]" || v.Rendering(0) != nil {
		t.Error("what is kept is lost, or under another number")
	}
}

func TestRevisionOrder(t *testing.T) {
	revs := []Revision{{}, {0, 1}, {1, 0}, {1, 2}, {2, 1}}
	for i, a := range revs {
		for j, b := range revs {
			if got := a.Compare(b); got != min(1, max(-1, i-j)) {
				t.Errorf("%v against %v: %d", a, b, got)
			}
		}
	}
}
