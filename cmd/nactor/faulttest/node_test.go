package faulttest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nactor/cmd/nactor/proctest"
)

// node is one member of a cluster: a home, an address, and a process now and then.
type node struct {
	id     int
	addr   string // host:port of the HTTP front
	spec   proctest.Spec
	server *proctest.Server // the latest process; nil: none yet
	api    *endpoint
	c      *cluster
	up     bool // it is expected to serve

	old   atomic.Bool // it runs as a node of 1.X
	fault string      // that its process has planted: point=action
}

// oldVersion is what a node of 1.X runs as.
const oldVersion = "1.4.2"

func (n *node) String() string { return fmt.Sprintf("node %d (%s)", n.id, n.addr) }

// launch starts a process and does not wait for it.
func (n *node) launch(more ...string) {
	n.c.t.Helper()
	spec := n.spec
	spec.Args = slices.Concat(spec.Args, n.c.more, more)
	if n.old.Load() {
		spec.Args = append(spec.Args, "--as-version", oldVersion)
	}
	if n.fault != "" {
		spec.Tags, spec.Env = "faultpoints", []string{"NACTOR_FAULT=" + n.fault}
	}
	n.server = spec.Launch(n.c.owner)
}

// ready waits until the node serves, and returns for how long.
func (n *node) ready(within time.Duration) time.Duration {
	n.c.t.Helper()
	begin := time.Now()
	if err := n.server.Ready(within); err != nil {
		n.c.t.Fatalf("%v: %v", n, err)
	}
	n.served()
	return time.Since(begin)
}

// served notes that the node serves.
func (n *node) served() {
	n.up = true
	n.c.history.returns(n.id)
}

// kill ends the process at once. It returns when the process has ended.
func (n *node) kill() {
	n.c.history.leaves(n.id, true)
	n.up = false
	n.server.Kill()
}

// stop asks the process to end, waits, and returns how long it took.
func (n *node) stop(within time.Duration) time.Duration {
	n.c.t.Helper()
	begin := time.Now()
	n.c.history.leaves(n.id, false)
	n.up = false
	if code := n.server.Stop(within); code != 0 {
		n.c.t.Errorf("%v: exit code %d after SIGTERM", n, code)
	}
	return time.Since(begin)
}

// pause stops the process in its tracks; the function that is returned lets it run on.
func (n *node) pause(settle time.Duration) (resume func()) {
	n.c.t.Helper()
	over := n.c.history.begin(trouble{side: map[int]int{n.id: 1}, settle: settle, asleep: true})
	n.c.history.leaves(n.id, false)
	n.server.Pause()
	return func() {
		n.server.Resume()
		over()
		n.c.history.returns(n.id)
	}
}

// resident returns how much memory the process has, in MiB.
func (n *node) resident(t testing.TB) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.server.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	var kb float64
	if _, err := fmt.Sscan(rest, &kb); err != nil {
		t.Fatalf("VmRSS of %v: %v", n, err)
	}
	return kb / 1024
}

// tail returns the end of a log file.
func (n *node) tail(name string, bytes int) string {
	text, err := os.ReadFile(filepath.Join(n.spec.Home, "logs", name))
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-bytes):])
}

// log returns a log file with those put aside before it.
func (n *node) log(name string) string {
	base := strings.TrimSuffix(name, ".log")
	files, _ := filepath.Glob(filepath.Join(n.spec.Home, "logs", base+"*.log")) // the newest sorts last: "." is after "-"
	var b strings.Builder
	for _, f := range files {
		text, _ := os.ReadFile(f)
		b.Write(text)
	}
	return b.String()
}
