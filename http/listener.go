package http

import (
	"errors"
	"net"
	"syscall"
)

// patientListener turns running out of file descriptors into something that passes:
// fasthttp takes it for the end otherwise and stops serving.
type patientListener struct{ net.Listener }

// Accept implements net.Listener.
func (l patientListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ECONNABORTED) {
		return nil, passing{err}
	}
	return c, err
}

// passing is an error that fasthttp waits out.
type passing struct{ error }

func (passing) Timeout() bool   { return true }
func (passing) Temporary() bool { return true }
func (p passing) Unwrap() error { return p.error }
