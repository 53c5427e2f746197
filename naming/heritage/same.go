package heritage

import (
	"slices"

	"nactor/naming"
)

// Same reports whether readers and the store could not tell a from b.
func Same(a, b *naming.Instance) bool {
	if a.Healthy != b.Healthy || !sameFields(a, b) {
		return false
	}
	return (a.Registered == nil) == (b.Registered == nil) && sameFields(a.Base(), b.Base())
}

func sameFields(a, b *naming.Instance) bool {
	return a.IP == b.IP && a.Port == b.Port && a.Cluster == b.Cluster && a.Ephemeral == b.Ephemeral &&
		a.Weight == b.Weight && a.Enabled == b.Enabled && a.Metadata.Equal(b.Metadata) && a.Client.Same(b.Client)
}

func sameOverlay(a, b *naming.Overlay) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Weight == b.Weight && a.Enabled == b.Enabled && a.Metadata.Equal(b.Metadata)
}

// SameMeta reports whether two operators said the same; nil: nothing was said.
func SameMeta(a, b *naming.ServiceMeta) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.ProtectThreshold == b.ProtectThreshold && a.Selector == b.Selector && a.Metadata.Equal(b.Metadata) &&
		slices.EqualFunc(a.Clusters, b.Clusters, func(x, y naming.ClusterMeta) bool {
			return x.Name == y.Name && x.CheckPort == y.CheckPort && x.UseInstancePort == y.UseInstancePort &&
				x.Checker == y.Checker && x.Metadata.Equal(y.Metadata)
		})
}
