package naming

import "testing"

// FuzzIdentity checks that what reads as an identity is one: it is written the same way
// again, so no two identities name one service.
func FuzzIdentity(f *testing.F) {
	for _, s := range []string{"public@@DEFAULT_GROUP@@s", "@@@@", "a@@b", "a@@@b@@@c", "@@@", "a@@b@@c@@d", "é@@\x00@@\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		k, ok := ParseIdentity(s)
		if ok && k.String() != s {
			t.Fatalf("%q reads as %#v, which is written %q", s, k, k.String())
		}
	})
}

// FuzzKeyIsStable checks that a key goes through the parameters of a request unharmed,
// grouped or not.
func FuzzKeyIsStable(f *testing.F) {
	f.Add("", "", "s")
	f.Add("ns", "g", "h@@s")
	f.Add("ns", "@g", "s@")
	f.Add(" ", "g@", "@s")
	f.Fuzz(func(t *testing.T, ns, group, name string) {
		k, err := NewKey(ns, group, name)
		if err != nil {
			return
		}
		if again, err := NewKey(k.Namespace, "", k.Grouped()); err != nil || again != k {
			t.Fatalf("%#v, grouped: %#v, %v", k, again, err)
		}
	})
}
