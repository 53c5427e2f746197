package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"nactor/naming/upgrade/switchover"
)

// watchUpgrade shows the state every second, in place on a terminal.
func watchUpgrade(ctx context.Context, w io.Writer, server *target) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	t := time.NewTicker(time.Second)
	defer t.Stop()
	watch := watcher{server: server}
	for {
		text := watch.look(ctx, time.Now())
		if ctx.Err() != nil {
			return nil
		}
		if _, err := w.Write(frame(w, text)); err != nil {
			return err
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// watcher follows an upgrade from whichever member answers: the server that it began with may be
// the one that is being replaced.
type watcher struct {
	server  *target
	members []string // that were seen
	last    []byte   // state that was shown last, and when
	at      time.Time
}

// look returns what there is to show now.
func (w *watcher) look(ctx context.Context, now time.Time) []byte {
	const clock = time.TimeOnly
	var b bytes.Buffer
	body, err := w.server.get(ctx, explainPath, nil)
	if err == nil {
		fmt.Fprintf(&b, "%s\n", now.Format(clock))
		return w.show(&b, body, now)
	}
	for _, m := range w.members {
		if body, other := newClient(m).get(ctx, explainPath, nil); other == nil {
			fmt.Fprintf(&b, "%s  as %s sees it: %v\n", now.Format(clock), plain(m), err)
			return w.show(&b, body, now)
		}
	}
	fmt.Fprintf(&b, "%s  %v\n", now.Format(clock), err)
	if w.last != nil {
		fmt.Fprintf(&b, "no other member answers; as of %s\n%s", w.at.Format(clock), w.last)
	}
	return b.Bytes()
}

// show appends a state and remembers it, and whom it names.
func (w *watcher) show(b *bytes.Buffer, body []byte, now time.Time) []byte {
	begin := b.Len()
	if err := printUpgrade(b, body); err != nil {
		fmt.Fprintf(b, "%v\n", err)
		return b.Bytes()
	}
	w.last, w.at = bytes.Clone(b.Bytes()[begin:]), now
	var e switchover.Explanation
	if json.Unmarshal(body, &e) == nil {
		for _, m := range e.Members {
			if m.Status == "alive" && !slices.Contains(w.members, m.Address) {
				w.members = append(w.members, m.Address)
			}
		}
	}
	return b.Bytes()
}

// frame returns text as a terminal is to be sent it: in place of what it shows, and no more than
// fits, or the beginning would scroll away. Elsewhere states follow one another.
func frame(w io.Writer, text []byte) []byte {
	f, ok := w.(interface{ Fd() uintptr })
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return append(text, '\n')
	}
	if width, height, err := term.GetSize(int(f.Fd())); err == nil {
		text = fit(text, width, height)
	}
	return append([]byte("\x1b[H\x1b[2J"), text...)
}

// fit cuts text to a width and a height, and says how much is missing below.
func fit(text []byte, width, height int) []byte {
	if width < 1 || height < 2 {
		return text
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if most := height - 1; len(lines) > most { // the cursor has a line
		more := len(lines) - most + 1
		lines = append(lines[:most-1], fmt.Sprintf("… %d more lines: nactor upgrade status", more))
	}
	for i, line := range lines {
		if r := []rune(line); len(r) > width {
			lines[i] = string(r[:width-1]) + "…"
		}
	}
	return []byte(strings.Join(lines, "\n") + "\n")
}
