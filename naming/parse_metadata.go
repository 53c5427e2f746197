package naming

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxEcho bounds how much of a bad value an error repeats.
const maxEcho = 256

// ParseMetadata reads metadata as Nacos takes it in a request parameter: a JSON object of
// strings, or else k1=v1,k2=v2. Blank is empty. JSON scalars count as their text, null as
// absent; nested values are no metadata. In the second form nothing is trimmed and neither
// key nor value may hold "=" or ","; commas at the end are passed over.
func ParseMetadata(s string) (Metadata, error) {
	if trimmed := strings.TrimSpace(s); trimmed == "" || trimmed == "{}" {
		return nil, nil
	}
	if m, ok := parseFlatObject(s); ok {
		return m, nil
	}
	var pairs []Pair
	for _, piece := range javaSplit(s, ",") {
		kv := javaSplit(piece, "=")
		if len(kv) != 2 {
			return nil, Rejected("metadata format incorrect:%s", cut(s))
		}
		pairs = append(pairs, Pair{kv[0], kv[1]})
	}
	return NewMetadata(pairs), nil
}

// NewMetadata returns pairs as Metadata; of two pairs with one key the later counts. It
// takes pairs over.
func NewMetadata(pairs []Pair) Metadata {
	if len(pairs) == 0 {
		return nil
	}
	slices.SortStableFunc(pairs, comparePairs)
	n := 0
	for i := 1; i < len(pairs); i++ {
		if pairs[i].Key != pairs[n].Key {
			n++
		}
		pairs[n] = pairs[i]
	}
	clear(pairs[n+1:])
	return pairs[: n+1 : n+1]
}

// javaSplit splits as Java's String.split does: empty pieces at the end are dropped, but
// an empty string is one empty piece.
func javaSplit(s, sep string) []string {
	if s == "" {
		return []string{""}
	}
	parts := strings.Split(s, sep)
	for len(parts) > 0 && parts[len(parts)-1] == "" {
		parts = parts[:len(parts)-1]
	}
	return parts
}

// cut shortens s for an error message, at a rune.
func cut(s string) string {
	if len(s) <= maxEcho {
		return s
	}
	n := maxEcho
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// parseFlatObject reads a JSON object of scalars.
func parseFlatObject(s string) (Metadata, bool) {
	p := flatParser{rest: s}
	if !p.take('{') {
		return nil, false
	}
	var pairs []Pair
	for !p.take('}') {
		if len(pairs) > 0 && !p.take(',') {
			return nil, false
		}
		key, ok := p.text()
		if !ok || !p.take(':') {
			return nil, false
		}
		value, null, ok := p.scalar()
		if !ok {
			return nil, false
		}
		if null {
			// Keep a place for it, so that an earlier value of the same key does not shine through.
			value = nullValue
		}
		pairs = append(pairs, Pair{key, value})
	}
	p.space()
	if p.rest != "" {
		return nil, false
	}
	return slices.DeleteFunc(NewMetadata(pairs), func(e Pair) bool { return e.Value == nullValue }), true
}

// nullValue stands for JSON's null while an object is read. No value can be like it: it
// is not UTF-8, which json.Unmarshal would have mended and callers have refused.
const nullValue = "\xff\xffnull"

// flatParser reads the tokens of a JSON text, strictly.
type flatParser struct{ rest string }

func (p *flatParser) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

// take passes over space and one byte c, if that is next.
func (p *flatParser) take(c byte) bool {
	p.space()
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// text reads a string.
func (p *flatParser) text() (string, bool) {
	p.space()
	if p.rest == "" || p.rest[0] != '"' {
		return "", false
	}
	escaped := false
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '\\':
			escaped = true
			i++
		case c < 0x20:
			return "", false
		case c == '"':
			raw := p.rest[:i+1]
			p.rest = p.rest[i+1:]
			if !escaped {
				return raw[1:i], true
			}
			var s string
			err := json.Unmarshal([]byte(raw), &s)
			return s, err == nil
		}
	}
	return "", false
}

// scalar reads a string, number, boolean or null.
func (p *flatParser) scalar() (value string, null, ok bool) {
	p.space()
	if p.rest == "" {
		return "", false, false
	}
	if p.rest[0] == '"' {
		value, ok = p.text()
		return value, false, ok
	}
	end := strings.IndexAny(p.rest, ",} \t\r\n")
	if end < 0 {
		return "", false, false
	}
	value = p.rest[:end]
	switch c := value; {
	case c == "":
		return "", false, false
	case c[0] == '[' || c[0] == '{' || !json.Valid([]byte(c)):
		return "", false, false
	}
	p.rest = p.rest[end:]
	return value, value == "null", true
}
