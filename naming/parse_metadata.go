package naming

import (
	"encoding/json"
	"strings"
)

// Bounds of one set of metadata.
const (
	MaxMetadataKeys  = 64
	MaxMetadataBytes = 8 << 10
)

// ParseMetadata reads metadata as Nacos's UtilsAndCommons does: a JSON object of scalars,
// or, when it is not JSON, "k1=v1,k2=v2" where each piece has exactly one "=" with
// something on both sides. Blank is empty. Errors: kind [KindRejected] with Nacos's text
// for what is neither, [KindInvalid] for what is too large.
func ParseMetadata(s string) (Metadata, error) {
	if strings.TrimSpace(s) == "" {
		return nil, nil
	}
	m, ok := parseJSONMetadata(s)
	if !ok {
		if m, ok = parsePairs(s); !ok {
			return nil, Rejected("metadata format incorrect:%.200s", s)
		}
	}
	md := MetadataOf(m)
	return md, CheckMetadata(md)
}

// CheckMetadata refuses metadata that is too large.
func CheckMetadata(md Metadata) error {
	size := 0
	for _, p := range md {
		size += len(p.Key) + len(p.Value)
	}
	switch {
	case len(md) > MaxMetadataKeys:
		return Invalid("metadata has %d keys, at most %d are allowed", len(md), MaxMetadataKeys)
	case size > MaxMetadataBytes:
		return Invalid("metadata has %d bytes, at most %d are allowed", size, MaxMetadataBytes)
	}
	return nil
}

func parseJSONMetadata(s string) (map[string]string, bool) {
	var raw map[string]any
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	if d.Decode(&raw) != nil || d.More() {
		return nil, false
	}
	m := make(map[string]string, len(raw))
	for k, v := range raw {
		switch v := v.(type) {
		case string:
			m[k] = v
		case json.Number:
			m[k] = v.String()
		case bool:
			m[k] = "false"
			if v {
				m[k] = "true"
			}
		case nil: // Java keeps a null; no client can tell it from an absent key
		default:
			return nil, false
		}
	}
	return m, true
}

func parsePairs(s string) (map[string]string, bool) {
	m := map[string]string{}
	for piece := range strings.SplitSeq(strings.TrimRight(s, ","), ",") {
		k, v, ok := strings.Cut(piece, "=")
		if !ok || v == "" || strings.Contains(v, "=") {
			return nil, false
		}
		m[k] = v
	}
	return m, true
}
