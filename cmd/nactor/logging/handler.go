package logging

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// Handler is a [slog.Handler] that writes lines for operators. Each record is one Write.
type Handler struct {
	level  slog.Leveler
	out    *output
	attrs  []byte // already rendered
	prefix string // of attribute keys, from groups
}

// output is shared by all handlers that were derived from one.
type output struct {
	mu sync.Mutex
	w  io.Writer
}

// NewHandler returns a handler that writes records of level and above to w.
func NewHandler(w io.Writer, level slog.Leveler) *Handler {
	return &Handler{level: level, out: &output{w: w}}
}

// Enabled implements [slog.Handler].
func (h *Handler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// Handle implements [slog.Handler].
func (h *Handler) Handle(_ context.Context, r slog.Record) error {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	b := (*buf)[:0]
	if !r.Time.IsZero() {
		b = r.Time.AppendFormat(b, "2006-01-02 15:04:05,000 ")
	}
	b = append(b, r.Level.String()...)
	b = append(b, ' ')
	b = appendLine(b, r.Message)
	b = append(b, h.attrs...)
	r.Attrs(func(a slog.Attr) bool {
		b = appendAttr(b, h.prefix, a)
		return true
	})
	b = append(b, '\n')
	*buf = b
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	_, err := h.out.w.Write(b)
	return err
}

// WithAttrs implements [slog.Handler].
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.attrs = append([]byte(nil), h.attrs...)
	for _, a := range attrs {
		c.attrs = appendAttr(c.attrs, h.prefix, a)
	}
	return &c
}

// WithGroup implements [slog.Handler].
func (h *Handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	c := *h
	c.prefix += name + "."
	return &c
}

func appendAttr(b []byte, prefix string, a slog.Attr) []byte {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, m := range v.Group() {
			b = appendAttr(b, prefix, m)
		}
		return b
	}
	if a.Key == "" {
		return b
	}
	b = append(b, ' ')
	b = appendWord(b, prefix+a.Key)
	b = append(b, '=')
	switch v.Kind() {
	case slog.KindString:
		return appendWord(b, v.String())
	case slog.KindTime:
		return v.Time().AppendFormat(b, time.RFC3339Nano)
	case slog.KindAny:
		return appendWord(b, fmt.Sprintf("%+v", v.Any()))
	default:
		return append(b, v.String()...)
	}
}

// appendWord appends s, in quotes when a reader could not tell where it ends.
func appendWord(b []byte, s string) []byte {
	if s == "" {
		return append(b, `""`...)
	}
	for _, r := range s {
		if r == ' ' || r == '"' || r == '=' || !printable(r) {
			return strconv.AppendQuote(b, s)
		}
	}
	return append(b, s...)
}

// appendLine appends s as it is, save that what would break the line is escaped: a
// message with a stranger's text in it must not be able to forge another line.
func appendLine(b []byte, s string) []byte {
	for _, r := range s {
		if printable(r) || r == '\t' {
			b = utf8.AppendRune(b, r)
			continue
		}
		q := strconv.AppendQuoteRune(nil, r)
		b = append(b, q[1:len(q)-1]...)
	}
	return b
}

func printable(r rune) bool { return unicode.IsPrint(r) && r != utf8.RuneError }
