package http

import (
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"syscall"

	"github.com/valyala/fasthttp"
)

// patient is a listener that outlives a shortage: fasthttp takes an error of Accept for
// the end unless it is a time-out, after which it waits a second and accepts again.
type patient struct{ net.Listener }

// Accept implements [net.Listener].
func (l patient) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ECONNABORTED) ||
		errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM) {
		return nil, passing{err}
	}
	return c, err
}

// passing is an error that is worth waiting out.
type passing struct{ error }

func (passing) Timeout() bool   { return true }
func (passing) Temporary() bool { return true }
func (p passing) Unwrap() error { return p.error }

// conns are the open connections.
type conns struct {
	mu   sync.Mutex
	open map[net.Conn]struct{}
}

// state is fasthttp's hook.
func (c *conns) state(nc net.Conn, state fasthttp.ConnState) {
	switch state {
	case fasthttp.StateNew:
		c.mu.Lock()
		if c.open == nil {
			c.open = map[net.Conn]struct{}{}
		}
		c.open[nc] = struct{}{}
		c.mu.Unlock()
	case fasthttp.StateClosed, fasthttp.StateHijacked:
		c.mu.Lock()
		delete(c.open, nc)
		c.mu.Unlock()
	}
}

func (c *conns) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}

func (c *conns) closeAll() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	for nc := range c.open {
		nc.Close()
	}
	return len(c.open)
}

// fastLog passes on what fasthttp reports.
type fastLog struct{ *slog.Logger }

// Printf implements [fasthttp.Logger]. What a client did to its own connection is of no
// interest to an operator and could fill a disk.
func (l fastLog) Printf(format string, args ...any) {
	if strings.HasPrefix(format, "error when serving connection") {
		return
	}
	l.Warn("http: "+format, "args", args)
}
