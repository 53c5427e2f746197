package upgrade_test

import (
	"math"
	"testing"

	"nactor/naming"
	"nactor/naming/upgrade"
	"nactor/naming/v1"
	"nactor/naming/v2"
)

func TestMerge(t *testing.T) {
	metadata, instances, both := upgrade.Task{Content: upgrade.Metadata}, upgrade.Task{Content: upgrade.Instances}, upgrade.Task{Content: upgrade.Both}
	remove := upgrade.Task{Action: upgrade.Remove, Content: upgrade.Both}
	for _, tt := range []struct{ first, then, want upgrade.Task }{
		{upgrade.Task{}, upgrade.Task{}, upgrade.Task{}},
		{upgrade.Task{}, instances, instances},
		{metadata, upgrade.Task{}, metadata},
		{metadata, metadata, metadata},
		{metadata, instances, both},
		{both, metadata, both},
		{instances, remove, remove},
		{remove, instances, remove},
		{remove, upgrade.Task{}, remove},
	} {
		if got := tt.first.Merge(tt.then); got != tt.want {
			t.Errorf("%v, then %v: %v, want %v", tt.first, tt.then, got, tt.want)
		}
	}
}

func TestDigest(t *testing.T) {
	key := naming.Key{Namespace: "public", Group: "g", Name: "s"}
	in := func(edit func(*naming.Instance)) *naming.View {
		i := &naming.Instance{IP: "1.1.1.1", Port: 80, Cluster: "c", Weight: 1, Enabled: true, Healthy: true, Ephemeral: true}
		edit(i)
		return &naming.View{Key: key, Instances: []*naming.Instance{i}}
	}
	plain := func(*naming.Instance) {}
	same := []struct {
		name string
		a, b *naming.View
	}{
		{"ephemeral health", in(plain), in(func(i *naming.Instance) { i.Healthy = false })},
		{"NaN", in(func(i *naming.Instance) { i.Weight = math.NaN() }), in(func(i *naming.Instance) { i.Weight = math.Float64frombits(0xfff8000000000001) })},
		{"zeros", in(func(i *naming.Instance) { i.Weight = 0 }), in(func(i *naming.Instance) { i.Weight = math.Copysign(0, -1) })},
		{"empty metadata", in(plain), in(func(i *naming.Instance) { i.Metadata = naming.Metadata{} })},
		{"no service", nil, nil},
	}
	for _, tt := range same {
		if upgrade.Sum(tt.a) != upgrade.Sum(tt.b) || !upgrade.Equal(tt.a, tt.b) {
			t.Errorf("%s: digests or content differ", tt.name)
		}
	}
	seen := map[upgrade.Digest]string{}
	for name, v := range map[string]*naming.View{
		"nothing":       nil,
		"empty":         {Key: key},
		"other key":     {Key: naming.Key{Namespace: "public", Group: "gs", Name: ""}},
		"metadata":      {Key: key, Meta: &naming.ServiceMeta{Selector: naming.Selector{Type: "none"}}},
		"threshold":     {Key: key, Meta: &naming.ServiceMeta{ProtectThreshold: 0.5}},
		"plain":         in(plain),
		"ip":            in(func(i *naming.Instance) { i.IP = "1.1.1.2" }),
		"port":          in(func(i *naming.Instance) { i.Port = 81 }),
		"cluster":       in(func(i *naming.Instance) { i.Cluster = "d" }),
		"weight":        in(func(i *naming.Instance) { i.Weight = 2 }),
		"enabled":       in(func(i *naming.Instance) { i.Enabled = false }),
		"kind":          in(func(i *naming.Instance) { i.Ephemeral = false }),
		"kind, down":    in(func(i *naming.Instance) { i.Ephemeral, i.Healthy = false, false }),
		"one pair":      in(func(i *naming.Instance) { i.Metadata = naming.Metadata{{Key: "ab", Value: "c"}} }),
		"another pair":  in(func(i *naming.Instance) { i.Metadata = naming.Metadata{{Key: "a", Value: "bc"}} }),
		"pair of blank": in(func(i *naming.Instance) { i.Metadata = naming.Metadata{{}} }),
	} {
		d := upgrade.Sum(v)
		if other, ok := seen[d]; ok {
			t.Errorf("%s and %s have the same digest", name, other)
		}
		seen[d] = name
	}
	if d := upgrade.Sum(in(plain)); d != 0xe28c3a3439c98571 {
		t.Errorf("digest %#x: it must stay the same in every build, for nodes compare it", uint64(d))
	}
}

func TestCopiesShareInstancesAndClocks(t *testing.T) {
	one, two := full(10)
	a, b := one.View(naming.Revision{}), two.View(naming.Revision{})
	for i := range a.Instances {
		if a.Instances[i] != b.Instances[i] {
			t.Fatalf("instance %d was copied", i)
		}
		if addr := a.Instances[i].Addr(); one.Clock(addr, true) != two.Clock(addr, true) {
			t.Fatalf("the clock of instance %d is not shared", i)
		}
	}
}

func full(n int) (*v1.Service, *v2.Service) {
	key := naming.Key{Namespace: "public", Group: "g", Name: "s"}
	one, two := v1.New(key), v2.New(key)
	rules := naming.DefaultRules()
	for i := range n {
		one.Step(naming.Env{Rules: &rules}, naming.Register{Instance: &naming.Instance{
			IP: "10.0.0.1", Port: i, Cluster: "DEFAULT", Weight: 1, Enabled: true, Healthy: true, Ephemeral: true,
		}})
	}
	upgrade.ToV2(0, one, two)
	return one, two
}

func BenchmarkCopy(b *testing.B) {
	one, two := full(1000)
	b.ReportAllocs()
	for b.Loop() {
		upgrade.ToV2(0, one, two)
	}
}

func BenchmarkEqual(b *testing.B) {
	one, two := full(1000)
	x, y := one.View(naming.Revision{}), two.View(naming.Revision{})
	b.ReportAllocs()
	for b.Loop() {
		if !upgrade.Equal(x, y) {
			b.Fatal("they differ")
		}
	}
}

func BenchmarkSum(b *testing.B) {
	one, _ := full(1000)
	v := one.View(naming.Revision{})
	b.ReportAllocs()
	for b.Loop() {
		upgrade.Sum(v)
	}
}
