package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

type fakeNode struct {
	done  chan struct{}
	err   error
	stops int
	stop  func(ctx context.Context) error
}

func (n *fakeNode) Stop(ctx context.Context) error {
	n.stops++
	if n.stop != nil {
		return n.stop(ctx)
	}
	return nil
}
func (n *fakeNode) Done() <-chan struct{} { return n.done }
func (n *fakeNode) Err() error            { return n.err }

// scene runs a process in virtual time and tells what came of it.
type scene struct {
	node    *fakeNode
	signals chan os.Signal
	said    []string
	ready   bool
	err     error
	took    time.Duration
}

func play(t *testing.T, s *scene, start func(context.Context) (runner, error), script func()) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s.node.done = make(chan struct{})
		s.signals = make(chan os.Signal, 2)
		if start == nil {
			start = func(context.Context) (runner, error) { return s.node, nil }
		}
		p := process{
			start:   start,
			signals: s.signals,
			ready:   func() { s.ready = true },
			say:     func(text string) { s.said = append(s.said, text) },
		}
		go func() {
			synctest.Wait()
			script()
		}()
		begin := time.Now()
		s.err = p.run(t.Context())
		s.took = time.Since(begin)
		<-time.After(2 * time.Hour) // virtual: whoever still waits gets to the end
	})
}

func TestGracefulStop(t *testing.T) {
	s := &scene{node: &fakeNode{}}
	play(t, s, nil, func() { s.signals <- syscall.SIGTERM })
	if s.err != nil || !s.ready || s.node.stops != 1 {
		t.Errorf("%+v", s)
	}
	if got := strings.Join(s.said, "; "); got != "Nacos received SIGTERM, stopping; Nacos stopped" {
		t.Error(got)
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	s := &scene{node: &fakeNode{stop: func(ctx context.Context) error { <-ctx.Done(); return nil }}}
	play(t, s, nil, func() { s.signals <- syscall.SIGINT; s.signals <- syscall.SIGTERM })
	if !errors.Is(s.err, errAtOnce) || s.took != 0 || exitCode(s.err) == exitOK {
		t.Error(s.err, s.took)
	}
}

func TestStopIsBounded(t *testing.T) {
	s := &scene{node: &fakeNode{stop: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}}
	play(t, s, nil, func() { s.signals <- syscall.SIGTERM })
	if !errors.Is(s.err, context.DeadlineExceeded) || s.took != stopTime || exitCode(s.err) != exitFailure {
		t.Error(s.err, s.took)
	}
}

func TestNodeEndsByItself(t *testing.T) {
	s := &scene{node: &fakeNode{err: errors.New("fsync: input/output error")}}
	play(t, s, nil, func() { close(s.node.done) })
	if exitCode(s.err) != exitStorage || !strings.Contains(s.err.Error(), "fsync") || s.node.stops != 0 {
		t.Error(s.err, s.node.stops)
	}
}

func TestNodeEndsWithoutAReason(t *testing.T) {
	s := &scene{node: &fakeNode{}}
	play(t, s, nil, func() { close(s.node.done) })
	if exitCode(s.err) != exitStorage || s.err.Error() == "" {
		t.Error(s.err)
	}
}

func TestStartFails(t *testing.T) {
	s := &scene{node: &fakeNode{}}
	play(t, s, func(context.Context) (runner, error) { return nil, syscall.EADDRINUSE }, func() {})
	if exitCode(s.err) != exitBind || s.ready {
		t.Error(s.err, s.ready)
	}
}

func TestSignalWhileStarting(t *testing.T) {
	s := &scene{node: &fakeNode{}}
	play(t, s, func(ctx context.Context) (runner, error) { <-ctx.Done(); return nil, ctx.Err() },
		func() { s.signals <- syscall.SIGTERM })
	if s.err != nil || s.ready {
		t.Error("a start that gives up when asked to is a clean stop:", s.err, s.ready)
	}

	s = &scene{node: &fakeNode{}} // a start that does not notice
	play(t, s, func(context.Context) (runner, error) { <-time.After(time.Second); return s.node, nil },
		func() { s.signals <- syscall.SIGTERM })
	if s.err != nil || s.node.stops != 1 || s.ready {
		t.Error("the node that started all the same was not stopped:", s.err, s.node.stops, s.ready)
	}

	s = &scene{node: &fakeNode{}}
	play(t, s, func(context.Context) (runner, error) { <-time.After(time.Hour); return nil, errors.New("late") },
		func() { s.signals <- syscall.SIGTERM; s.signals <- syscall.SIGTERM })
	if !errors.Is(s.err, errAtOnce) || s.took != 0 {
		t.Error("a second signal waits for the start:", s.err, s.took)
	}
}
