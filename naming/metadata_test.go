package naming

import (
	"maps"
	"math/rand/v2"
	"testing"
	"time"
)

// Metadata does what a map does.
func TestMetadataAgainstMaps(t *testing.T) {
	random := func() map[string]string {
		m := map[string]string{}
		for range rand.IntN(6) {
			m[string(rune('a'+rand.IntN(6)))] = string(rune('0' + rand.IntN(3)))
		}
		return m
	}
	for range 2000 {
		a, b := random(), random()
		x, y := MetadataOf(a), MetadataOf(b)
		if !maps.Equal(x.Map(), a) {
			t.Fatalf("%v became %v", a, x)
		}
		for i := range x {
			if i > 0 && x[i-1].Key >= x[i].Key {
				t.Fatalf("not sorted: %v", x)
			}
			if v, ok := x.Get(x[i].Key); !ok || v != x[i].Value {
				t.Fatalf("Get(%q) of %v: %q, %v", x[i].Key, x, v, ok)
			}
		}
		if x.Equal(y) != maps.Equal(a, b) {
			t.Fatalf("%v equals %v: %v", x, y, x.Equal(y))
		}
		merged, without := maps.Clone(a), maps.Clone(a)
		maps.Copy(merged, b)
		maps.DeleteFunc(without, func(k, _ string) bool { _, ok := b[k]; return ok })
		if got := x.Merge(y); !got.Equal(MetadataOf(merged)) {
			t.Fatalf("%v with %v over it: %v", x, y, got)
		}
		if got := x.Without(y); !got.Equal(MetadataOf(without)) {
			t.Fatalf("%v without %v: %v", x, y, got)
		}
		if !maps.Equal(x.Map(), a) || !maps.Equal(y.Map(), b) {
			t.Fatal("an operand was changed")
		}
	}
}

func TestBeatSettings(t *testing.T) {
	for _, tt := range []struct {
		value string
		want  time.Duration
	}{
		{"3000", 3 * time.Second},
		{"1500", 1500 * time.Millisecond},
		{"abc", DefaultBeatTimeout}, // Nacos reads 0 and removes the instance
		{"", DefaultBeatTimeout},
		{"3000.5", DefaultBeatTimeout},
		{" 3000", DefaultBeatTimeout},
		{"99999999999999999999", DefaultBeatTimeout},
		{"0", time.Second},
		{"-1", time.Second},
		{"-9223372036854775808", time.Second},
		{"999", time.Second},
		{"86400000", 24 * time.Hour},
		{"86400001", 24 * time.Hour},
		{"9223372036854775807", 24 * time.Hour},
	} {
		md := MetadataOf(map[string]string{MetaBeatTimeout: tt.value, MetaDeleteTimeout: tt.value, MetaBeatInterval: tt.value})
		if got := BeatTimeout(md); got != tt.want {
			t.Errorf("beat time-out %q: %v, want %v", tt.value, got, tt.want)
		}
		want := tt.want
		if want == DefaultBeatTimeout {
			want = DefaultDeleteTimeout
		}
		if got := DeleteTimeout(md); got != want {
			t.Errorf("delete time-out %q: %v, want %v", tt.value, got, want)
		}
		if want == DefaultDeleteTimeout {
			want = 7 * time.Second
		}
		if got := BeatInterval(md, 7*time.Second); got != want {
			t.Errorf("interval %q: %v, want %v", tt.value, got, want)
		}
	}
	if BeatTimeout(nil) != 15*time.Second || DeleteTimeout(nil) != 30*time.Second || BeatInterval(nil, time.Second) != time.Second {
		t.Error("defaults")
	}
}

func TestCover(t *testing.T) {
	base := &Instance{IP: "1.1.1.1", Weight: 1, Enabled: true, Healthy: true, Metadata: MetadataOf(map[string]string{"a": "1", "b": "1"})}
	if got := (*Overlay)(nil).Cover(base); got != base || got.Base() != base {
		t.Errorf("without an overlay: %+v", got)
	}
	got := (&Overlay{Weight: 2, Metadata: MetadataOf(map[string]string{"b": "2"})}).Cover(base)
	if got.Weight != 2 || got.Enabled || !got.Healthy || !got.Metadata.Equal(MetadataOf(map[string]string{"a": "1", "b": "2"})) || got.Base() != base {
		t.Errorf("covered: %+v", got)
	}
	if base.Weight != 1 || !base.Enabled {
		t.Errorf("the base was changed: %+v", base)
	}
}
