//go:build !linux

package proctest

import "os/exec"

// startChild starts a process; a test that is killed leaves it behind.
func startChild(cmd *exec.Cmd) error { return cmd.Start() }
