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
		return naming.Selector{}, naming.Rejected("errCode: 101, errMsg: Nacos deserialize for class [com.fasterxml.jackson.databind.JsonNode] failed.  ;caused: not a selector")
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
	case "unknown", "expression": // the other names of Nacos's enumeration
		return naming.Selector{}, naming.Rejected("not match any type of selector!")
	}
	name := *in.Type
	if len(name) > 64 {
		name = strings.ToValidUTF8(name[:64], "") + "…"
	}
	return naming.Selector{}, naming.Invalid("No enum constant com.alibaba.nacos.api.selector.SelectorType.%s", name)
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
