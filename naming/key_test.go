package naming

import "testing"

func TestNewKey(t *testing.T) {
	const (
		badForm   = "Param 'serviceName' is illegal, it should be format as 'groupName@@serviceName'"
		ambiguous = " is illegal: '@@' separates namespace, group and name, which must not be empty or end with '@'"
	)
	tests := []struct {
		ns, group, name string
		want            Key
		err             string
	}{
		{"", "", "s", Key{"public", "DEFAULT_GROUP", "s"}, ""},
		{" n ", " g ", " s ", Key{"n", "g", "s"}, ""},
		{"", "ignored", "g@@s", Key{"public", "g", "s"}, ""},
		{"", "", "g@@s@@more", Key{"public", "g", "s"}, ""},
		{"", "", "g@@@s", Key{"public", "g", "@s"}, ""},
		{"", "g@@h", "s", Key{"public", "g", "h"}, ""},
		{"", "", "g@@", Key{}, badForm},
		{"", "", "@@", Key{}, badForm},
		{"", "", "@@s", Key{}, "Param 'serviceName' is illegal, groupName can't be empty"},
		{"", "g@", "s", Key{}, `service "public@@g@@@s"` + ambiguous},
		{"n@@m", "", "s", Key{}, `service "n@@m@@DEFAULT_GROUP@@s"` + ambiguous},
		{"n@", "", "s", Key{}, `service "n@@@DEFAULT_GROUP@@s"` + ambiguous},
	}
	for _, tt := range tests {
		k, err := NewKey(tt.ns, tt.group, tt.name)
		switch {
		case tt.err != "":
			if KindOf(err) != KindInvalid || err.Error() != tt.err {
				t.Errorf("NewKey(%q, %q, %q): %v, want %s", tt.ns, tt.group, tt.name, err, tt.err)
			}
		case err != nil || k != tt.want:
			t.Errorf("NewKey(%q, %q, %q) = %v, %v; want %v", tt.ns, tt.group, tt.name, k, err, tt.want)
		default:
			if back, ok := ParseIdentity(k.String()); !ok || back != k {
				t.Errorf("identity %q reads as %v", k, back)
			}
		}
	}
}

func FuzzServiceName(f *testing.F) {
	f.Add("", "", "s")
	f.Add("ns", "g", "g@@s")
	f.Add("@", "g@", "@@s@@")
	f.Fuzz(func(t *testing.T, ns, group, name string) {
		k, err := NewKey(ns, group, name)
		if err != nil {
			return
		}
		if back, ok := ParseIdentity(k.String()); !ok || back != k {
			t.Fatalf("NewKey(%q, %q, %q) = %#v, whose identity reads as %#v", ns, group, name, k, back)
		}
	})
}
