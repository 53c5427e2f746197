package wire

import (
	"strconv"
	"strings"

	"nactor/naming"
)

// AppendService appends the answer of GET /service: clusters are those that have
// instances. A service without metadata has defaults.
func AppendService(dst []byte, v *naming.View) []byte {
	var meta naming.ServiceMeta
	if v.Meta != nil {
		meta = *v.Meta
	}
	dst = AppendString(append(dst, `{"namespaceId":`...), v.Key.Namespace)
	dst = AppendString(append(dst, `,"groupName":`...), v.Key.Group)
	dst = AppendString(append(dst, `,"name":`...), v.Key.Name)
	dst = AppendDouble(append(dst, `,"protectThreshold":`...), meta.ProtectThreshold)
	dst = AppendMetadata(append(dst, `,"metadata":`...), meta.Metadata)
	dst = AppendSelector(append(dst, `,"selector":`...), meta.Selector)
	dst = append(dst, `,"clusters":[`...)
	for i, name := range v.Clusters() {
		if i > 0 {
			dst = append(dst, ',')
		}
		c := naming.ClusterMeta{Name: name, Checker: naming.HealthChecker{Type: "TCP"}}
		for _, m := range meta.Clusters {
			if m.Name == name {
				c = m
			}
		}
		dst = AppendString(append(dst, `{"name":`...), c.Name)
		dst = AppendChecker(append(dst, `,"healthChecker":`...), c.Checker)
		dst = AppendMetadata(append(dst, `,"metadata":`...), c.Metadata)
		dst = append(dst, '}')
	}
	return append(dst, "]}"...)
}

// AppendSelector appends a selector.
func AppendSelector(dst []byte, s naming.Selector) []byte {
	if s.Type != "label" {
		return append(dst, `{"type":"none"}`...)
	}
	dst = AppendString(append(dst, `{"type":"label","expression":`...), s.Expression)
	dst = append(dst, `,"labels":[`...)
	first := true
	for term := range strings.SplitSeq(s.Expression, "&") {
		left, _, _ := strings.Cut(term, "=")
		label, ok := strings.CutPrefix(strings.TrimSpace(left), "CONSUMER.label.")
		if !ok {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = AppendString(dst, label)
	}
	return append(dst, "]}"...)
}

// AppendChecker appends a health checker with the fields of its type.
func AppendChecker(dst []byte, h naming.HealthChecker) []byte {
	dst = AppendString(append(dst, `{"type":`...), h.Type)
	switch h.Type {
	case "HTTP":
		dst = AppendString(append(dst, `,"path":`...), h.Path)
		dst = AppendString(append(dst, `,"headers":`...), h.Headers)
		dst = strconv.AppendInt(append(dst, `,"expectedResponseCode":`...), int64(h.ExpectedResponseCode), 10)
	case "MYSQL":
		dst = AppendString(append(dst, `,"user":`...), h.User)
		dst = AppendString(append(dst, `,"pwd":`...), h.Password)
		dst = AppendString(append(dst, `,"cmd":`...), h.Command)
	}
	return append(dst, '}')
}
