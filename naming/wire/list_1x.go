package wire

import (
	"crypto/md5"
	"encoding/hex"
	"slices"
	"strconv"
	"time"

	"nactor/naming"
)

// AppendListBy1X appends the answer of GET /instance/list by a Nacos 2.0.3 in which the logic
// of 1.X is in force: a list without groupName, with a checksum, its hosts as the 1.x
// structure has them. v is nil for a service that is not known.
func AppendListBy1X(dst []byte, key naming.Key, v *naming.View, q Query) []byte {
	dst = append(dst, `{"name":"`...)
	dst = appendGrouped(dst, key)
	dst = append(dst, '"')
	dst = appendInfo(dst, q)
	if v == nil {
		q.Now = time.UnixMilli(0)
		return appendRest(append(dst, `[]`...), q, false)
	}
	clusters := SplitClusters(q.Clusters)
	unfiltered := len(clusters) == 0 && !q.HealthyOnly
	kept := v.Rendering(keptBy1X)
	protected := false
	if unfiltered && kept != nil {
		dst = append(dst, kept...)
	} else {
		sel := v.Select(clusters, q.HealthyOnly)
		protected = sel.Protected
		begin := len(dst)
		if protected {
			dst = appendHosts(dst, key, sel.Instances, true) // copies of Nacos's plain Instance
		} else {
			dst = appendCoreHosts(dst, key, sel.Instances)
		}
		if unfiltered && !protected {
			v.KeepRendering(keptBy1X, slices.Clone(dst[begin:]))
		}
	}
	dst = appendIntField(dst, `,"lastRefTime":`, q.Now.UnixMilli())
	dst = append(append(dst, `,"checksum":"`...), checksum(v)...)
	dst = appendBoolField(dst, `","allIPs":false,"reachProtectionThreshold":`, protected)
	return append(dst, `,"valid":true}`...)
}

// appendCoreHosts appends instances as the 1.x structure has them, the time of the last beat
// apart: Nacos's naming.core.Instance adds what follows to what clients know as Instance.
func appendCoreHosts(dst []byte, key naming.Key, list []*naming.Instance) []byte {
	dst = append(dst, '[')
	for i, in := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendInstance(dst, key, in, in.Healthy)
		dst = append(dst[:len(dst)-1], `,"marked":false,"app":`...)
		app, ok := in.Metadata.Get("app")
		if !ok {
			app = "DEFAULT"
		}
		dst = append(AppendString(dst, app), '}')
	}
	return append(dst, ']')
}

// Query142 is what a client asks of a Nacos 1.4.2.
type Query142 struct {
	Query
	Grouped bool   // the client is shown services with their groups (Java from 1.0.0 on)
	Env     string // echoed
}

// AppendList142 appends the answer of GET /instance/list by Nacos 1.4.2. v is nil for a
// service that is not known.
func AppendList142(dst []byte, key naming.Key, v *naming.View, q Query142) []byte {
	if v == nil {
		dst = append(dst, `{"name":"`...)
		dst = appendGrouped(dst, key)
		dst = append(dst, '"')
		return append(appendInfo(dst, q.Query), `[]}`...)
	}
	dst = append(dst, `{"hosts":`...)
	dst = append142Hosts(dst, key, v, q)
	dst = append142Name(append(dst, `,"dom":"`...), key, q.Grouped)
	dst = append(dst, `","name":"`...)
	dst = appendGrouped(dst, key)
	dst = appendIntField(dst, `","cacheMillis":`, q.CacheMillis)
	dst = appendIntField(dst, `,"lastRefTime":`, q.Now.UnixMilli())
	dst = append(append(dst, `,"checksum":"`...), checksum(v)...)
	dst = appendStringField(dst, `","useSpecifiedURL":false,"clusters":`, q.Clusters)
	dst = appendStringField(dst, `,"env":`, q.Env)
	dst = append(dst, `,"metadata":`...)
	dst = AppendMetadata(dst, metaOf(v).Metadata)
	return append(dst, '}')
}

// append142Hosts appends the hosts that a query shows. The unfiltered list is kept.
func append142Hosts(dst []byte, key naming.Key, v *naming.View, q Query142) []byte {
	clusters := SplitClusters(q.Clusters)
	number := kept142Short
	if q.Grouped {
		number = kept142
	}
	unfiltered := len(clusters) == 0 && !q.HealthyOnly
	if kept := v.Rendering(number); unfiltered && kept != nil {
		return append(dst, kept...)
	}
	begin := len(dst)
	// 1.4.2 judges the threshold with the disabled instances, which it leaves out afterwards, and
	// 2.0.3 without: here nodes of one cluster do not differ.
	sel := v.Select(clusters, q.HealthyOnly)
	dst = append(dst, '[')
	for i, in := range sel.Instances {
		if i > 0 {
			dst = append(dst, ',')
		}
		healthy := in.Healthy || sel.Protected
		dst = appendStringField(dst, `{"ip":`, in.IP)
		dst = appendIntField(dst, `,"port":`, int64(in.Port))
		dst = appendBoolField(dst, `,"valid":`, healthy)
		dst = appendBoolField(dst, `,"healthy":`, healthy)
		dst = append(dst, `,"marked":false,"instanceId":`...)
		dst = appendInstanceID(dst, key, in)
		dst = append(dst, `,"metadata":`...)
		dst = AppendMetadata(dst, in.Metadata)
		dst = append(dst, `,"enabled":true,"weight":`...)
		dst = AppendDouble(dst, in.Weight)
		dst = appendStringField(dst, `,"clusterName":`, in.Cluster)
		dst = append142Name(append(dst, `,"serviceName":"`...), key, q.Grouped)
		dst = appendBoolField(dst, `","ephemeral":`, in.Ephemeral)
		dst = append(dst, '}')
	}
	dst = append(dst, ']')
	if unfiltered {
		v.KeepRendering(number, slices.Clone(dst[begin:]))
	}
	return dst
}

func append142Name(dst []byte, key naming.Key, grouped bool) []byte {
	if grouped {
		return appendGrouped(dst, key)
	}
	return appendEscaped(dst, key.Name)
}

// checksum returns the MD5 of what makes up a 1.x service, in hexadecimal digits. It differs
// when a service does, as Nacos's; the digits are others, for those depend on the order of a
// hash map there. No client does more than compare them.
func checksum(v *naming.View) []byte {
	if kept := v.Rendering(keptChecksum); kept != nil {
		return kept
	}
	b := AppendService(nil, v.Key, v, true)
	for _, in := range v.Instances {
		b = append(append(b, in.IP...), ':')
		b = append(strconv.AppendInt(b, int64(in.Port), 10), '_')
		b = append(AppendDouble(b, in.Weight), '_')
		b = append(strconv.AppendBool(b, in.Healthy), '_')
		b = append(append(b, in.Cluster...), ',')
	}
	sum := md5.Sum(b)
	digits := hex.AppendEncode(nil, sum[:])
	v.KeepRendering(keptChecksum, digits)
	return digits
}
