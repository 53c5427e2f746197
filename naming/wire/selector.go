package wire

import (
	"encoding/json"
	"slices"
	"strings"

	"nactor/naming"
)

// AppendSelector appends a service's selector; the zero value is {"type":"none"}.
func AppendSelector(dst []byte, s naming.Selector) []byte {
	if s.Type != "label" {
		return append(dst, `{"type":"none"}`...)
	}
	labels, _ := parseLabels(s.Expression)
	dst = appendStringField(dst, `{"type":"label","expression":`, s.Expression)
	dst = append(dst, `,"labels":`...)
	dst = AppendStrings(dst, labels)
	return append(dst, '}')
}

// ParseSelector reads the selector parameter. Blank is no selector.
func ParseSelector(s string) (naming.Selector, error) {
	if strings.TrimSpace(s) == "" {
		return naming.Selector{Type: "none"}, nil
	}
	var in struct{ Type, Expression *string }
	if err := json.Unmarshal([]byte(s), &in); err != nil || in.Type == nil {
		return naming.Selector{}, notSelector()
	}
	switch *in.Type {
	case "none":
		return naming.Selector{Type: "none"}, nil
	case "label":
		out := naming.Selector{Type: "label"}
		if in.Expression != nil {
			out.Expression = *in.Expression
		}
		if _, ok := parseLabels(out.Expression); !ok {
			return naming.Selector{}, naming.Rejected("parse expression failed!")
		}
		return out, nil
	case "unknown", "cluster", "health", "enable": // the other names of Nacos's enumeration
		return naming.Selector{}, naming.Rejected("not match any type of selector!")
	}
	return naming.Selector{}, unknownSelector(*in.Type)
}

func notSelector() error {
	return naming.Rejected("errCode: 101, errMsg: Nacos deserialize for class [com.fasterxml.jackson.databind.JsonNode] failed.  ;caused: not a selector")
}

func unknownSelector(name string) error {
	if len(name) > 64 {
		name = strings.ToValidUTF8(name[:64], "") + "…"
	}
	return naming.Invalid("No enum constant com.alibaba.nacos.api.selector.SelectorType.%s", name)
}

// ParseFilter reads the selector of GET /service/list in 1.x, {"type":"label","expression":"E"},
// where E is INSTANCE.metadata.k = 'v' (some instance has it) or SERVICE.metadata.k = 'v'. Blank
// and all else that it can read let every service pass. Errors are those of [ParseSelector].
func ParseFilter(s string) (func(*naming.View) bool, error) {
	all := func(*naming.View) bool { return true }
	if strings.TrimSpace(s) == "" {
		return all, nil
	}
	var in struct{ Type, Expression *string }
	if err := json.Unmarshal([]byte(s), &in); err != nil || in.Type == nil {
		return nil, notSelector()
	}
	switch *in.Type {
	case "label":
	case "none", "unknown", "cluster", "health", "enable":
		return all, nil
	default:
		return nil, unknownSelector(*in.Type)
	}
	if in.Expression == nil || strings.TrimSpace(*in.Expression) == "" {
		return all, nil
	}
	path, value, ok := strings.Cut(strings.Join(strings.Fields(*in.Expression), ""), "=")
	if !ok {
		return nil, naming.Rejected("parse expression failed!")
	}
	value = strings.ReplaceAll(value, "'", "")
	key := path[strings.LastIndexByte(path, '.')+1:]
	has := func(m naming.Metadata) bool {
		v, ok := m.Get(key)
		return ok && v == value
	}
	switch whose, _, _ := strings.Cut(path, "."); whose {
	case "INSTANCE":
		return func(v *naming.View) bool {
			return slices.ContainsFunc(v.Instances, func(in *naming.Instance) bool { return has(in.Metadata) })
		}, nil
	case "SERVICE":
		return func(v *naming.View) bool { return has(metaOf(v).Metadata) }, nil
	}
	return all, nil
}

// parseLabels reads a label expression, "CONSUMER.label.A = PROVIDER.label.A & …": each
// term names one label on both sides.
func parseLabels(expression string) ([]string, bool) {
	labels := []string{}
	if strings.TrimSpace(expression) == "" {
		return labels, true
	}
	for term := range strings.SplitSeq(expression, "&") {
		left, right, ok := strings.Cut(term, "=")
		if !ok || strings.Contains(right, "=") {
			return nil, false
		}
		a, okA := strings.CutPrefix(strings.TrimSpace(left), "CONSUMER.label.")
		b, okB := strings.CutPrefix(strings.TrimSpace(right), "PROVIDER.label.")
		if !okA || !okB || a != b || a == "" {
			return nil, false
		}
		if !slices.Contains(labels, a) {
			labels = append(labels, a)
		}
	}
	return labels, true
}
