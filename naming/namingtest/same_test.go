package namingtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"nactor/naming"
)

func sameInstance(a, b *naming.Instance) bool {
	return a.Addr() == b.Addr() && a.Ephemeral == b.Ephemeral && a.Weight == b.Weight &&
		a.Enabled == b.Enabled && a.Healthy == b.Healthy && a.Metadata.Equal(b.Metadata) && a.Client.Same(b.Client)
}

// sameView compares all that a view says, what lies below overlays too.
func sameView(a, b *naming.View) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Key == b.Key && a.Ephemeral == b.Ephemeral && sameMeta(a.Meta, b.Meta) &&
		slices.EqualFunc(a.Instances, b.Instances, func(x, y *naming.Instance) bool {
			return sameInstance(x, y) && (x.Registered == nil) == (y.Registered == nil) && sameBase(x.Base(), y.Base())
		}) &&
		maps.EqualFunc(a.Overlays, b.Overlays, func(x, y *naming.Overlay) bool {
			return x.Weight == y.Weight && x.Enabled == y.Enabled && x.Metadata.Equal(y.Metadata)
		})
}

// sameBase compares registrations; the health of one that is covered means nothing.
func sameBase(a, b *naming.Instance) bool {
	x := *a
	x.Healthy = b.Healthy
	return sameInstance(&x, b)
}

func sameMeta(a, b *naming.ServiceMeta) bool {
	if a == b || a == nil || b == nil {
		return a == b
	}
	return fmt.Sprintf("%+v", *a) == fmt.Sprintf("%+v", *b)
}

func describe(v *naming.View) string {
	if v == nil {
		return "no service"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "service (ephemeral %v)", v.Ephemeral)
	if v.Meta != nil {
		fmt.Fprintf(&b, " %+v", *v.Meta)
	}
	for _, in := range v.Instances {
		fmt.Fprintf(&b, "\n  %+v", *in)
		if in.Registered != nil {
			fmt.Fprintf(&b, "\n    over %+v", *in.Registered)
		}
	}
	for addr, o := range v.Overlays {
		fmt.Fprintf(&b, "\n  overlay %+v: %+v", addr, *o)
	}
	return b.String()
}

// unjudged returns v without the health of its persistent instances: what a check found is
// not in the store.
func unjudged(v *naming.View) *naming.View {
	out := &naming.View{Key: v.Key, Revision: v.Revision, Meta: v.Meta, Ephemeral: v.Ephemeral, Overlays: v.Overlays}
	for _, in := range v.Instances {
		if !in.Ephemeral {
			healthy := *in
			healthy.Healthy = true
			in = &healthy
		}
		out.Instances = append(out.Instances, in)
	}
	return out
}
