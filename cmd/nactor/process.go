package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stopTime is how long a graceful stop may take.
const stopTime = 30 * time.Second

// runner is a node that has been started.
type runner interface {
	Stop(ctx context.Context) error
	Done() <-chan struct{} // closed when the node ended by itself
	Err() error            // why
}

// process starts a node, waits for its end or a signal, and stops it.
type process struct {
	start   func(ctx context.Context) (runner, error)
	signals <-chan os.Signal
	ready   func() // called once, when the node serves
	say     func(text string)
}

// errAtOnce ends the process without waiting for anything.
var errAtOnce = errors.New("stopped at once by a second signal")

func (p *process) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type started struct {
		node runner
		err  error
	}
	begun := make(chan started, 1)
	go func() {
		node, err := p.start(ctx)
		begun <- started{node, err}
	}()

	var node runner
	stopping := false
	for node == nil {
		select {
		case s := <-begun:
			if s.err != nil {
				if stopping && errors.Is(s.err, context.Canceled) {
					return nil
				}
				return s.err
			}
			node = s.node
		case sig := <-p.signals:
			if stopping {
				return errAtOnce
			}
			stopping = true
			p.say(fmt.Sprintf("Nacos received %s while starting, stopping", signalName(sig)))
			cancel()
		}
	}
	if !stopping {
		p.ready()
		select {
		case <-node.Done():
			err := endedBy(node)
			if isData(err) {
				return err
			}
			return &coded{exitStorage, err}
		case sig := <-p.signals:
			p.say(fmt.Sprintf("Nacos received %s, stopping", signalName(sig)))
		}
	}
	return p.stop(node)
}

func endedBy(node runner) error {
	if err := node.Err(); err != nil {
		return err
	}
	return errors.New("the node ended by itself and did not say why")
}

// stop stops the node, unless a further signal comes first.
func (p *process) stop(node runner) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- node.Stop(ctx) }()
	select {
	case err := <-stopped:
		if err == nil {
			p.say("Nacos stopped")
		}
		return err
	case <-p.signals:
		return errAtOnce
	}
}

// stopSignals returns the signals that ask for the end. SIGINT stays ignored when the
// process was started with it ignored, as the background jobs of a script are.
func stopSignals() (<-chan os.Signal, func()) {
	c := make(chan os.Signal, 2)
	signal.Notify(c, syscall.SIGTERM)
	if !signal.Ignored(os.Interrupt) {
		signal.Notify(c, os.Interrupt)
	}
	return c, func() { signal.Stop(c) }
}

// signalName returns SIGTERM where String would say "terminated".
func signalName(s os.Signal) string {
	if n, ok := s.(syscall.Signal); ok && unix.SignalName(n) != "" {
		return unix.SignalName(n)
	}
	return s.String()
}
