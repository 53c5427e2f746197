package wire

import (
	"slices"
	"strconv"
	"sync"

	"nactor/naming"
)

// AppendPushData appends the state of a service as 1.x subscribers are told: a list
// without groupName. Protection is judged over all clusters, then the subscriber's are
// picked, as Nacos does; a push never leaves out unhealthy instances.
func AppendPushData(dst []byte, v *naming.View, q Query) []byte {
	dst = append(dst, `{"name":"`...)
	dst = appendGrouped(dst, v.Key)
	dst = append(dst, '"')
	dst = appendInfo(dst, q)
	clusters := SplitClusters(q.Clusters)
	if len(clusters) == 0 {
		q.HealthyOnly = false
		var protected bool
		dst, protected = appendSelected(dst, v, q)
		return appendRest(dst, q, protected)
	}
	sel := v.Select(nil, false)
	list := slices.DeleteFunc(slices.Clone(sel.Instances), func(in *naming.Instance) bool { return !slices.Contains(clusters, in.Cluster) })
	dst = appendHosts(dst, v.Key, list, sel.Protected)
	return appendRest(dst, q, sel.Protected)
}

var pushData = sync.Pool{New: func() any { return new([]byte) }}

// AppendPush appends a push packet. ref numbers it; clients acknowledge it by that number.
// Some read it as a double: keep it below 2^53.
func AppendPush(dst []byte, v *naming.View, q Query, ref int64) []byte {
	buf := pushData.Get().(*[]byte)
	data := AppendPushData((*buf)[:0], v, q)
	dst = append(dst, `{"type":"dom","data":`...)
	dst = AppendString(dst, string(data))
	dst = append(dst, `,"lastRefTime":`...)
	dst = strconv.AppendInt(dst, ref, 10)
	if cap(data) <= 1<<20 {
		*buf = data
		pushData.Put(buf)
	}
	return append(dst, '}')
}
