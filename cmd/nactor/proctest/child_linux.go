package proctest

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// children starts processes on a thread that lives as long as this process: the kernel ends
// a child with the thread that started it.
var children = sync.OnceValue(func() chan<- func() {
	c := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range c {
			f()
		}
	}()
	return c
})

// startChild starts a process that does not outlive this one, even if this one is killed.
func startChild(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err := make(chan error)
	children() <- func() { err <- cmd.Start() }
	return <-err
}
