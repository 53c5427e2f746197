package wire

import (
	"strconv"

	"nactor/naming"
)

// AppendInstance appends an instance as Nacos lists it, the derived members of its
// Instance class included. healthy is what is shown as its health: true for all of a
// protected service.
func AppendInstance(dst []byte, key naming.Key, in *naming.Instance, healthy bool) []byte {
	dst = append(dst, `{"instanceId":`...)
	dst = appendInstanceID(dst, key, in)
	dst = appendStringField(dst, `,"ip":`, in.IP)
	dst = appendIntField(dst, `,"port":`, int64(in.Port))
	dst = append(dst, `,"weight":`...)
	dst = AppendDouble(dst, in.Weight)
	dst = appendBoolField(dst, `,"healthy":`, healthy)
	dst = appendBoolField(dst, `,"enabled":`, in.Enabled)
	dst = appendBoolField(dst, `,"ephemeral":`, in.Ephemeral)
	dst = appendStringField(dst, `,"clusterName":`, in.Cluster)
	dst = append(dst, `,"serviceName":"`...)
	dst = appendGrouped(dst, key)
	dst = append(dst, `","metadata":`...)
	dst = AppendMetadata(dst, in.Metadata)
	dst = appendIntField(dst, `,"instanceHeartBeatInterval":`, derived(in.Metadata, naming.MetaBeatInterval, naming.DefaultBeatInterval.Milliseconds()))
	dst = appendIntField(dst, `,"instanceHeartBeatTimeOut":`, derived(in.Metadata, naming.MetaBeatTimeout, naming.DefaultBeatTimeout.Milliseconds()))
	dst = appendIntField(dst, `,"ipDeleteTimeout":`, derived(in.Metadata, naming.MetaDeleteTimeout, naming.DefaultDeleteTimeout.Milliseconds()))
	if len(in.Metadata) == 0 {
		dst = append(dst, `,"instanceIdGenerator":"simple"`...)
	} else if g, ok := in.Metadata.Get(naming.MetaIDGenerator); ok {
		dst = appendStringField(dst, `,"instanceIdGenerator":`, g)
	}
	return append(dst, '}')
}

// appendInstanceID appends "ip#port#cluster#group@@service". It must not depend on
// anything that changes: clients take another id for another instance.
func appendInstanceID(dst []byte, key naming.Key, in *naming.Instance) []byte {
	dst = append(dst, '"')
	dst = appendEscaped(dst, in.IP)
	dst = append(dst, '#')
	dst = strconv.AppendInt(dst, int64(in.Port), 10)
	dst = append(dst, '#')
	dst = appendEscaped(dst, in.Cluster)
	dst = append(dst, '#')
	dst = appendGrouped(dst, key)
	return append(dst, '"')
}

// appendGrouped appends group@@service, escaped.
func appendGrouped(dst []byte, key naming.Key) []byte {
	dst = appendEscaped(dst, key.Group)
	dst = append(dst, '@', '@')
	return appendEscaped(dst, key.Name)
}

// derived returns a setting as Nacos's Instance shows it: the metadata value if that is
// all digits, else the default.
func derived(m naming.Metadata, key string, def int64) int64 {
	if len(m) == 0 {
		return def
	}
	v, _ := m.Get(key)
	n, err := strconv.ParseUint(v, 10, 63)
	if err != nil {
		return def
	}
	return int64(n)
}

// AppendDetail appends the answer of GET /instance.
func AppendDetail(dst []byte, key naming.Key, in *naming.Instance) []byte {
	dst = append(dst, `{"service":"`...)
	dst = appendGrouped(dst, key)
	dst = appendStringField(dst, `","ip":`, in.IP)
	dst = appendIntField(dst, `,"port":`, int64(in.Port))
	dst = appendStringField(dst, `,"clusterName":`, in.Cluster)
	dst = append(dst, `,"weight":`...)
	dst = AppendDouble(dst, in.Weight)
	dst = appendBoolField(dst, `,"healthy":`, in.Healthy)
	dst = append(dst, `,"instanceId":`...)
	dst = appendInstanceID(dst, key, in)
	dst = append(dst, `,"metadata":`...)
	dst = AppendMetadata(dst, in.Metadata)
	return append(dst, '}')
}

// AppendStatuses appends the answer of GET /instance/statuses; v may be nil.
func AppendStatuses(dst []byte, v *naming.View) []byte {
	dst = append(dst, `{"ips":[`...)
	if v != nil {
		for i, in := range v.Instances {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, '"')
			dst = appendEscaped(dst, in.IP)
			dst = append(dst, ':')
			dst = strconv.AppendInt(dst, int64(in.Port), 10)
			dst = append(dst, '_')
			dst = strconv.AppendBool(dst, in.Healthy)
			dst = append(dst, '"')
		}
	}
	return append(dst, `]}`...)
}

// AppendUpdated appends the answer of /instance/metadata/batch: the instances touched.
func AppendUpdated(dst []byte, updated []*naming.Instance) []byte {
	dst = append(dst, `{"updated":[`...)
	for i, in := range updated {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '"')
		dst = appendEscaped(dst, in.IP)
		dst = append(dst, ':')
		dst = strconv.AppendInt(dst, int64(in.Port), 10)
		dst = append(dst, ":unknown:"...)
		dst = appendEscaped(dst, in.Cluster)
		if in.Ephemeral {
			dst = append(dst, `:ephemeral"`...)
		} else {
			dst = append(dst, `:persist"`...)
		}
	}
	return append(dst, `]}`...)
}
