package wire

import (
	"slices"

	"nactor/naming"
)

// AppendCatalogService appends the answer of GET /catalog/service. by1X: as the 1.x structure
// has it, whose clusters tell more.
func AppendCatalogService(dst []byte, v *naming.View, by1X bool) []byte {
	meta := metaOf(v)
	dst = appendStringField(dst, `{"service":{"name":`, v.Key.Name)
	dst = appendStringField(dst, `,"groupName":`, v.Key.Group)
	dst = appendMeta(dst, meta)
	dst = append(dst, `},"clusters":[`...)
	for i, name := range clustersOf(v, by1X) {
		if i > 0 {
			dst = append(dst, ',')
		}
		c := ClusterOf(meta, name)
		dst = append(dst, `{"serviceName":"`...)
		dst = appendGrouped(dst, v.Key)
		dst = appendStringField(dst, `","name":`, name)
		dst = append(dst, `,"healthChecker":`...)
		dst = AppendChecker(dst, c.Checker)
		dst = appendIntField(dst, `,"defaultPort":80,"defaultCheckPort":`, int64(c.CheckPort))
		dst = appendBoolField(dst, `,"useIPPort4Check":`, c.UseInstancePort)
		dst = append(dst, `,"metadata":`...)
		dst = AppendMetadata(dst, c.Metadata)
		if by1X {
			// One port has two names: nothing sets the second.
			dst = appendIntField(dst, `,"sitegroup":"","defCkport":`, int64(c.CheckPort))
			dst = appendIntField(dst, `,"defIPPort":`, int64(c.CheckPort))
			occupied := slices.ContainsFunc(v.Instances, func(in *naming.Instance) bool { return in.Cluster == name })
			dst = appendBoolField(dst, `,"empty":`, !occupied)
		}
		dst = append(dst, '}')
	}
	return append(dst, `]}`...)
}

// AppendCatalogInstances appends the answer of GET /catalog/instances: a page of the
// instances of one cluster with their real health, and how many there are in all. by1X: as
// the 1.x structure has them.
func AppendCatalogInstances(dst []byte, key naming.Key, page []*naming.Instance, count int, by1X bool) []byte {
	dst = append(dst, `{"list":`...)
	if by1X {
		dst = appendCoreHosts(dst, key, page)
	} else {
		dst = appendHosts(dst, key, page, false)
	}
	dst = appendIntField(dst, `,"count":`, int64(count))
	return append(dst, '}')
}

// AppendCatalogServices appends the answer of GET /catalog/services: a page, and how many
// services match in all. by1X: as the 1.x structure has them.
func AppendCatalogServices(dst []byte, page []*naming.View, count int, by1X bool) []byte {
	dst = appendIntField(dst, `{"count":`, int64(count))
	dst = append(dst, `,"serviceList":[`...)
	for i, v := range page {
		if i > 0 {
			dst = append(dst, ',')
		}
		healthy, total := v.HealthyCount(), len(v.Instances)
		dst = appendStringField(dst, `{"name":`, v.Key.Name)
		dst = appendStringField(dst, `,"groupName":`, v.Key.Group)
		dst = appendIntField(dst, `,"clusterCount":`, int64(len(clustersOf(v, by1X))))
		dst = appendIntField(dst, `,"ipCount":`, int64(total))
		dst = appendIntField(dst, `,"healthyInstanceCount":`, int64(healthy))
		// A string in Nacos. Unlike lists it does not ask whether the service has metadata.
		triggered := total > 0 && float32(healthy)/float32(total) <= float32(metaOf(v).ProtectThreshold)
		dst = appendBoolField(dst, `,"triggerFlag":"`, triggered)
		dst = append(dst, `"}`...)
	}
	return append(dst, `]}`...)
}

// AppendCatalogDetails appends the answer of GET /catalog/services with instances.
func AppendCatalogDetails(dst []byte, page []*naming.View, by1X bool) []byte {
	dst = append(dst, '[')
	for i, v := range page {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendStringField(dst, `{"serviceName":`, v.Key.Name)
		dst = appendStringField(dst, `,"groupName":`, v.Key.Group)
		dst = append(dst, `,"clusterMap":{`...)
		for j, name := range clustersOf(v, by1X) {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = AppendString(dst, name)
			dst = append(dst, `:{"hosts":[`...)
			first := true
			for _, in := range v.Instances {
				if in.Cluster != name {
					continue
				}
				if !first {
					dst = append(dst, ',')
				}
				first = false
				dst = appendBoolField(dst, `{"valid":`, in.Healthy)
				dst = append(dst, `,"metadata":`...)
				dst = AppendMetadata(dst, in.Metadata)
				dst = appendIntField(dst, `,"port":`, int64(in.Port))
				dst = appendStringField(dst, `,"ip":`, in.IP)
				dst = append(dst, `,"weight":`...)
				dst = AppendDouble(dst, in.Weight)
				dst = appendBoolField(dst, `,"enabled":`, in.Enabled)
				dst = append(dst, '}')
			}
			dst = append(dst, `]}`...)
		}
		dst = append(dst, `},"metadata":`...)
		dst = AppendMetadata(dst, metaOf(v).Metadata)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}
