package wire

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"nactor/naming"
)

// FuzzSelector reads anything as a selector. What is taken is written as JSON that reads as
// the same selector, and names the labels that its expression does.
func FuzzSelector(f *testing.F) {
	for _, s := range []string{
		"", " ", `{"type":"none"}`, `{"type":"none","contextType":"NONE"}`, `{"type":"label"}`, `{"type":"label","expression":null}`,
		`{"type":"label","expression":"CONSUMER.label.A = PROVIDER.label.A"}`,
		`{"type":"label","expression":"CONSUMER.label.A=PROVIDER.label.A & CONSUMER.label.B = PROVIDER.label.B"}`,
		`{"type":"label","expression":"CONSUMER.label.A = PROVIDER.label.B"}`, `{"type":"label","expression":"CONSUMER.label.A == PROVIDER.label.A"}`,
		`{"type":"label","expression":"CONSUMER.label. = PROVIDER.label."}`, `{"type":"label","expression":"&"}`,
		`{"type":"label","expression":"CONSUMER.label.A = PROVIDER.label.A &"}`, `{"type":"label","expression":"INSTANCE.metadata.k = 'v'"}`,
		`{"TYPE":"label","type":"none"}`, `{"type":"label","expression":"\ud800\u0000"}`, `{"type":"expression"}`, `{"type":"x"}`, `{"type":1}`, `[]`, `null`, `{"type":"label"`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		sel, err := ParseSelector(s)
		if err != nil {
			if kind := naming.KindOf(err); sel != (naming.Selector{}) || kind != naming.KindRejected && kind != naming.KindInvalid {
				t.Fatalf("%q: %+v and an error of kind %v", s, sel, kind)
			}
			if text := err.Error(); len(text) > 512 || utf8.ValidString(s) && !utf8.ValidString(text) {
				t.Fatalf("%q: an error of %d bytes: %q", s, len(text), text)
			}
			return
		}
		written := AppendSelector(nil, sel)
		var shown struct {
			Type, Expression string
			Labels           []string
		}
		if err := json.Unmarshal(written, &shown); err != nil || shown.Type != sel.Type || shown.Expression != sel.Expression {
			t.Fatalf("%q is %+v, written %s: %v", s, sel, written, err)
		}
		if again, err := ParseSelector(string(written)); err != nil || again != sel {
			t.Fatalf("%q is %+v, written %s, which reads as %+v, %v", s, sel, written, again, err)
		}
		var terms []string
		for i, label := range shown.Labels {
			if label == "" || strings.ContainsAny(label, "&=") || slices.Contains(shown.Labels[:i], label) {
				t.Fatalf("%q: labels %q", s, shown.Labels)
			}
			terms = append(terms, "CONSUMER.label."+label+" = PROVIDER.label."+label)
		}
		if same, ok := parseLabels(strings.Join(terms, " & ")); !ok || !slices.Equal(same, shown.Labels) {
			t.Fatalf("%q: labels %q, as terms: %q, %v", s, shown.Labels, same, ok)
		}
		if n := strings.Count(sel.Expression, "PROVIDER.label."); len(shown.Labels) > n || n > 0 && len(shown.Labels) == 0 {
			t.Fatalf("%q: %d labels for %d terms", s, len(shown.Labels), n)
		}
	})
}
