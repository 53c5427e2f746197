package simtest

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
)

// tracer is a log handler that writes to the trace of a world.
type tracer struct {
	w    *world
	name string
}

// Enabled implements slog.Handler.
func (t tracer) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (t tracer) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprintf(&b, " %s=%v", a.Key, a.Value)
		return true
	})
	t.w.trace("%s %v %s%s", t.name, r.Level, r.Message, b.String())
	if r.Level >= slog.LevelError {
		t.w.t.Errorf("%s: %s%s", t.name, r.Message, b.String())
	}
	return nil
}

// WithAttrs implements slog.Handler.
func (t tracer) WithAttrs([]slog.Attr) slog.Handler { return t }

// WithGroup implements slog.Handler.
func (t tracer) WithGroup(string) slog.Handler { return t }
