package wire

import (
	"strconv"

	"nactor/naming"
)

// AppendInstanceID appends ip#port#cluster#group@@service, unquoted.
func AppendInstanceID(dst []byte, key naming.Key, in *naming.Instance) []byte {
	dst = append(dst, in.IP...)
	dst = append(dst, '#')
	dst = strconv.AppendInt(dst, int64(in.Port), 10)
	dst = append(dst, '#')
	dst = append(dst, in.Cluster...)
	dst = append(dst, '#')
	return append(dst, key.Grouped()...)
}

// AppendInstance appends an instance as Nacos 2.0.3 lists it, with the derived fields of
// its Instance class. healthy overrides the instance's own health.
func AppendInstance(dst []byte, key naming.Key, in *naming.Instance, healthy bool) []byte {
	grouped := key.Grouped()
	dst = append(dst, `{"instanceId":`...)
	dst = AppendString(dst, string(AppendInstanceID(nil, key, in)))
	dst = append(dst, `,"ip":`...)
	dst = AppendString(dst, in.IP)
	dst = append(dst, `,"port":`...)
	dst = strconv.AppendInt(dst, int64(in.Port), 10)
	dst = append(dst, `,"weight":`...)
	dst = AppendDouble(dst, in.Weight)
	dst = append(dst, `,"healthy":`...)
	dst = strconv.AppendBool(dst, healthy)
	dst = append(dst, `,"enabled":`...)
	dst = strconv.AppendBool(dst, in.Enabled)
	dst = append(dst, `,"ephemeral":`...)
	dst = strconv.AppendBool(dst, in.Ephemeral)
	dst = append(dst, `,"clusterName":`...)
	dst = AppendString(dst, in.Cluster)
	dst = append(dst, `,"serviceName":`...)
	dst = AppendString(dst, grouped)
	dst = append(dst, `,"metadata":`...)
	dst = AppendMetadata(dst, in.Metadata)
	dst = append(dst, `,"instanceHeartBeatInterval":`...)
	dst = appendMillis(dst, in.Metadata, naming.MetaBeatInterval, naming.DefaultBeatInterval.Milliseconds())
	dst = append(dst, `,"instanceHeartBeatTimeOut":`...)
	dst = appendMillis(dst, in.Metadata, naming.MetaBeatTimeout, naming.DefaultBeatTimeout.Milliseconds())
	dst = append(dst, `,"ipDeleteTimeout":`...)
	dst = appendMillis(dst, in.Metadata, naming.MetaDeleteTimeout, naming.DefaultDeleteTimeout.Milliseconds())
	if len(in.Metadata) == 0 {
		dst = append(dst, `,"instanceIdGenerator":"simple"`...)
	} else if g, ok := in.Metadata.Get(naming.MetaIDGenerator); ok {
		dst = append(dst, `,"instanceIdGenerator":`...)
		dst = AppendString(dst, g)
	}
	return append(dst, '}')
}

// appendMillis appends a derived setting: the metadata value if it is all digits, else def.
func appendMillis(dst []byte, m naming.Metadata, key string, def int64) []byte {
	if v, ok := m.Get(key); ok && v != "" {
		if n, err := strconv.ParseInt(v, 10, 64); err == nil && n >= 0 && v[0] != '+' {
			return strconv.AppendInt(dst, n, 10)
		}
	}
	return strconv.AppendInt(dst, def, 10)
}
