package main

import (
	"errors"
	"net"
	"syscall"

	"nactor/cmd/nactor/node"
)

// What the exit codes mean is part of the outside view: scripts and docs/operations.md
// rely on it.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
	exitBind    = 3
	exitData    = 4
	exitStorage = 5
)

const exitCodesHelp = `Exit codes:
  0  stopped as asked, or the question was answered
  1  failure while starting or running; logs/nacos.log says why
  2  usage or configuration: a flag, a property or cluster.conf
  3  cannot listen: the port is taken or the address is not one of this machine
  4  the data directory was refused: in use, damaged, lost, copied, of another mode, of a newer
     version, or of a removed node
  5  fatal storage error while running: a write or sync to the disk failed`

// coded is an error that decides the exit code.
type coded struct {
	code int
	err  error
}

func (e *coded) Error() string { return e.err.Error() }
func (e *coded) Unwrap() error { return e.err }

// errSilent ends a command that has already said what there is to say.
var errSilent = errors.New("")

// exitCode returns the code that err ends the process with.
func exitCode(err error) int {
	var c *coded
	var settings *node.SettingsError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &c):
		return c.code
	case errors.As(err, &settings):
		return exitUsage
	case isBind(err):
		return exitBind
	case isData(err):
		return exitData
	}
	return exitFailure
}

// isBind reports whether err is a failure to listen.
func isBind(err error) bool {
	var op *net.OpError
	return errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EADDRNOTAVAIL) ||
		errors.As(err, &op) && op.Op == "listen"
}
