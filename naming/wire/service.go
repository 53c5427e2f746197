package wire

import (
	"slices"

	"nactor/naming"
)

// AppendService appends the answer of GET /service; v is nil for a service that is not
// known, which Nacos 2.0.3 describes by its defaults. by1X: as the 1.x structure has it.
func AppendService(dst []byte, key naming.Key, v *naming.View, by1X bool) []byte {
	dst = appendStringField(dst, `{"namespaceId":`, key.Namespace)
	dst = appendStringField(dst, `,"groupName":`, key.Group)
	dst = appendStringField(dst, `,"name":`, key.Name)
	var meta naming.ServiceMeta
	var names []string
	if v != nil {
		meta, names = metaOf(v), clustersOf(v, by1X)
	}
	dst = appendMeta(dst, meta)
	dst = append(dst, `,"clusters":[`...)
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		c := ClusterOf(meta, name)
		dst = appendStringField(dst, `{"name":`, name)
		dst = append(dst, `,"healthChecker":`...)
		dst = AppendChecker(dst, c.Checker)
		dst = append(dst, `,"metadata":`...)
		dst = AppendMetadata(dst, c.Metadata)
		dst = append(dst, '}')
	}
	return append(dst, `]}`...)
}

// appendMeta appends threshold, metadata and selector.
func appendMeta(dst []byte, meta naming.ServiceMeta) []byte {
	dst = append(dst, `,"protectThreshold":`...)
	dst = AppendFloat(dst, meta.ProtectThreshold)
	dst = append(dst, `,"metadata":`...)
	dst = AppendMetadata(dst, meta.Metadata)
	dst = append(dst, `,"selector":`...)
	return AppendSelector(dst, meta.Selector)
}

func metaOf(v *naming.View) naming.ServiceMeta {
	if v.Meta == nil {
		return naming.ServiceMeta{}
	}
	return *v.Meta
}

// clustersOf returns the clusters of a service: those that have instances, in the 1.x
// structure also those that an operator described.
func clustersOf(v *naming.View, by1X bool) []string {
	names := v.Clusters()
	if !by1X || v.Meta == nil {
		return names
	}
	for _, c := range v.Meta.Clusters {
		if i, found := slices.BinarySearch(names, c.Name); !found {
			names = slices.Insert(names, i, c.Name)
		}
	}
	return names
}

// HasCluster reports whether a service has a cluster, by1X as in [AppendService].
func HasCluster(v *naming.View, name string, by1X bool) bool {
	return slices.Contains(clustersOf(v, by1X), name)
}

// ClusterOf returns what an operator said about a cluster, or Nacos's defaults.
func ClusterOf(meta naming.ServiceMeta, name string) naming.ClusterMeta {
	for _, c := range meta.Clusters {
		if c.Name == name {
			return c
		}
	}
	return naming.ClusterMeta{Name: name, CheckPort: 80, UseInstancePort: true, Checker: naming.HealthChecker{Type: "TCP"}}
}

// AppendServiceList appends the answer of GET /service/list.
func AppendServiceList(dst []byte, names []string, count int) []byte {
	dst = append(dst, `{"doms":`...)
	dst = AppendStrings(dst, names)
	dst = appendIntField(dst, `,"count":`, int64(count))
	return append(dst, '}')
}

// AppendSubscribers appends the answer of GET /service/subscribers. Nacos 1.4.2 (as142) tells
// neither port nor clusters.
func AppendSubscribers(dst []byte, list []naming.Subscription, count int, as142 bool) []byte {
	dst = append(dst, `{"subscribers":[`...)
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendStringField(dst, `{"addrStr":`, s.Addr.String())
		dst = appendStringField(dst, `,"agent":`, s.Agent)
		dst = appendStringField(dst, `,"app":`, s.App)
		dst = appendStringField(dst, `,"ip":`, s.Addr.Addr().String())
		if !as142 {
			dst = appendIntField(dst, `,"port":`, int64(s.Addr.Port()))
		}
		dst = appendStringField(dst, `,"namespaceId":`, s.Key.Namespace)
		dst = append(dst, `,"serviceName":"`...)
		dst = appendGrouped(dst, s.Key)
		dst = append(dst, '"')
		if !as142 {
			dst = appendStringField(dst, `,"cluster":`, s.Clusters)
		}
		dst = append(dst, '}')
	}
	dst = appendIntField(dst, `],"count":`, int64(count))
	return append(dst, '}')
}
