package wire

import (
	"strconv"
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

// AppendList appends the answer of GET /instance/list (Nacos 2.0.3). v is nil for a
// service that is not known.
func AppendList(dst []byte, key naming.Key, v *naming.View, q Query) []byte {
	dst = append(dst, `{"name":`...)
	dst = AppendString(dst, key.Grouped())
	dst = append(dst, `,"groupName":`...)
	dst = AppendString(dst, key.Group)
	return appendInfo(dst, key, v, q)
}

// appendInfo appends the members that list answers and pushes share, and closes the object.
func appendInfo(dst []byte, key naming.Key, v *naming.View, q Query) []byte {
	dst = append(dst, `,"clusters":`...)
	dst = AppendString(dst, q.Clusters)
	dst = append(dst, `,"cacheMillis":`...)
	dst = strconv.AppendInt(dst, q.CacheMillis, 10)
	dst = append(dst, `,"hosts":`...)
	protected := false
	if v == nil {
		dst = append(dst, "[]"...)
	} else {
		dst, protected = appendHosts(dst, key, v, q)
	}
	dst = append(dst, `,"lastRefTime":`...)
	dst = strconv.AppendInt(dst, q.Now.UnixMilli(), 10)
	dst = append(dst, `,"checksum":"","allIPs":false,"reachProtectionThreshold":`...)
	dst = strconv.AppendBool(dst, protected)
	return append(dst, `,"valid":true}`...)
}

func appendHosts(dst []byte, key naming.Key, v *naming.View, q Query) ([]byte, bool) {
	var clusters []string
	if q.Clusters != "" {
		clusters = strings.Split(q.Clusters, ",")
	}
	plain := clusters == nil && !q.HealthyOnly
	if plain {
		if b := v.CachedHosts(); b != nil {
			return append(dst, b...), false
		}
	}
	sel := v.Select(clusters, q.HealthyOnly)
	begin := len(dst)
	dst = append(dst, '[')
	for i, in := range sel.Instances {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendInstance(dst, key, in, in.Healthy || sel.Protected)
	}
	dst = append(dst, ']')
	if plain && !sel.Protected {
		v.CacheHosts(append([]byte(nil), dst[begin:]...))
	}
	return dst, sel.Protected
}

// AppendPush appends a push packet: the state of a service as 1.x clients are told over
// UDP, numbered ref. Protection is judged over all clusters, then the subscriber's
// clusters are picked, as Nacos does.
func AppendPush(dst []byte, v *naming.View, q Query, ref int64) []byte {
	data := append([]byte(nil), `{"name":`...)
	data = AppendString(data, v.Key.Grouped())
	data = appendInfo(data, v.Key, v, q)
	dst = append(dst, `{"type":"dom","data":`...)
	dst = AppendString(dst, string(data))
	dst = append(dst, `,"lastRefTime":`...)
	dst = strconv.AppendInt(dst, ref, 10)
	return append(dst, '}')
}

// AppendBeat appends the answer to a heartbeat.
func AppendBeat(dst []byte, known bool, interval int64, light bool) []byte {
	dst = append(dst, `{"clientBeatInterval":`...)
	dst = strconv.AppendInt(dst, interval, 10)
	code := int64(10200)
	if !known {
		code = 20404
	}
	dst = append(dst, `,"code":`...)
	dst = strconv.AppendInt(dst, code, 10)
	dst = append(dst, `,"lightBeatEnabled":`...)
	dst = strconv.AppendBool(dst, light)
	return append(dst, '}')
}
