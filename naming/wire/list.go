package wire

import (
	"slices"
	"strings"
	"time"

	"nactor/naming"
)

// Query is what a client asks of a service's instances.
type Query struct {
	Clusters    string // comma list, echoed verbatim
	HealthyOnly bool
	CacheMillis int64
	Now         time.Time
}

// What is kept beside a view ([naming.View.KeepRendering]).
const (
	keptHosts    = iota // the unfiltered list
	keptBy1X            // the same by the logic of 1.X
	kept142             // the same of Nacos 1.4.2
	kept142Short        // for clients that it shows no groups
	keptChecksum
)

// AppendList appends the answer of GET /instance/list. v is nil for a service that is not
// known: that is an empty list, not an error.
func AppendList(dst []byte, key naming.Key, v *naming.View, q Query) []byte {
	dst = append(dst, `{"name":"`...)
	dst = appendGrouped(dst, key)
	dst = appendStringField(dst, `","groupName":`, key.Group)
	dst = appendInfo(dst, q)
	protected := false
	if v == nil {
		dst = append(dst, `[]`...)
	} else {
		dst, protected = appendSelected(dst, v, q)
	}
	return appendRest(dst, q, protected)
}

// AppendServiceInfo appends what clients of 2.x are told of a service, asked or pushed: a list
// whose name is without the group.
func AppendServiceInfo(dst []byte, key naming.Key, v *naming.View, q Query) []byte {
	dst = appendStringField(dst, `{"name":`, key.Name)
	dst = appendStringField(dst, `,"groupName":`, key.Group)
	dst = appendInfo(dst, q)
	protected := false
	if v == nil {
		dst = append(dst, `[]`...)
	} else {
		dst, protected = appendSelected(dst, v, q)
	}
	return appendRest(dst, q, protected)
}

// appendInfo appends the members that lists and pushes share, up to the hosts.
func appendInfo(dst []byte, q Query) []byte {
	dst = appendStringField(dst, `,"clusters":`, q.Clusters)
	dst = appendIntField(dst, `,"cacheMillis":`, q.CacheMillis)
	return append(dst, `,"hosts":`...)
}

// appendRest appends what follows the hosts.
func appendRest(dst []byte, q Query, protected bool) []byte {
	dst = appendIntField(dst, `,"lastRefTime":`, q.Now.UnixMilli())
	dst = appendBoolField(dst, `,"checksum":"","allIPs":false,"reachProtectionThreshold":`, protected)
	return append(dst, `,"valid":true}`...)
}

// appendSelected appends the hosts that a query shows. What most queries ask for, the
// unfiltered list, is rendered once a revision and kept beside the view.
func appendSelected(dst []byte, v *naming.View, q Query) ([]byte, bool) {
	clusters := SplitClusters(q.Clusters)
	unfiltered := len(clusters) == 0 && !q.HealthyOnly
	if unfiltered {
		if b := v.Rendering(keptHosts); b != nil {
			return append(dst, b...), false
		}
	}
	sel := v.Select(clusters, q.HealthyOnly)
	if sel.All {
		// The filters left everything in, so this is the unfiltered list.
		if b := v.Rendering(keptHosts); b != nil {
			return append(dst, b...), false
		}
	}
	begin := len(dst)
	dst = appendHosts(dst, v.Key, sel.Instances, sel.Protected)
	if !sel.Protected && (unfiltered || sel.All) {
		v.KeepRendering(keptHosts, slices.Clone(dst[begin:]))
	}
	return dst, sel.Protected
}

func appendHosts(dst []byte, key naming.Key, list []*naming.Instance, protected bool) []byte {
	dst = append(dst, '[')
	for i, in := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendInstance(dst, key, in, in.Healthy || protected)
	}
	return append(dst, ']')
}

// SplitClusters splits a list of clusters as Java does: pieces are not trimmed, empty ones
// at the end are dropped. nil means all clusters.
func SplitClusters(s string) []string {
	s = strings.TrimRight(s, ",")
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}
