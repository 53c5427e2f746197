package wire

import "nactor/naming"

// AppendListOfOps appends the answer of GET /upgrade/ops/instance/list: [AppendList]'s, and
// the members of 1.0 that the description of these operations shows besides.
func AppendListOfOps(dst []byte, key naming.Key, v *naming.View, q Query) []byte {
	dst = appendStringField(dst, `{"dom":`, key.Name)
	dst = append(dst, `,"useSpecifiedURL":false,"env":"","name":"`...)
	dst = appendGrouped(dst, key)
	dst = appendStringField(dst, `","groupName":`, key.Group)
	dst = appendInfo(dst, q)
	dst = append(dst, '[')
	var sel naming.Selection
	if v != nil {
		sel = v.Select(SplitClusters(q.Clusters), q.HealthyOnly)
	}
	for i, in := range sel.Instances {
		if i > 0 {
			dst = append(dst, ',')
		}
		healthy := in.Healthy || sel.Protected
		dst = AppendInstance(dst, key, in, healthy)
		dst = appendBoolField(dst[:len(dst)-1], `,"valid":`, healthy)
		dst = append(dst, `,"marked":false}`...)
	}
	dst = append(dst, ']')
	return appendRest(dst, q, sel.Protected)
}
