//go:build faultpoints

package node

import (
	"os"
	"strings"
	"sync"
	"syscall"
)

var (
	faultMutex  sync.Mutex
	faultPoints = parseFaults(os.Getenv("NACTOR_FAULT"))
)

// parseFaults reads "point=action,…".
func parseFaults(text string) map[string]string {
	out := map[string]string{}
	for _, f := range strings.Split(text, ",") {
		if point, action, ok := strings.Cut(f, "="); ok {
			out[point] = action
		}
	}
	return out
}

// faultPoint does what NACTOR_FAULT says of a point, once: exit as if killed, stop until
// SIGCONT, or panic.
func faultPoint(point string) {
	faultMutex.Lock()
	action := faultPoints[point]
	delete(faultPoints, point)
	faultMutex.Unlock()
	switch action {
	case "":
		return
	case "exit":
		os.Exit(137)
	case "stop":
		if err := syscall.Kill(os.Getpid(), syscall.SIGSTOP); err != nil {
			panic(err)
		}
	case "panic":
		panic("fault point " + point)
	default:
		panic("NACTOR_FAULT: " + action + " is neither exit, stop nor panic")
	}
}
