package main

import (
	"fmt"
	"io"

	"nactor/cmd/nactor/config"
)

// banner prints what is about to run.
func banner(w io.Writer, cfg *config.Config, pid int) {
	fmt.Fprintf(w, `
Nactor %s, as Nacos %s
Running in %s mode, Naming function module
Port: %d
Pid: %d
Home: %s
Logs: %s
`, version, cfg.AsVersion, modeName(cfg.Mode), cfg.Port, pid, cfg.Home, cfg.LogDir())
}

// startedLine is the line that operators and scripts of Nacos wait for, to the letter.
func startedLine(cfg *config.Config) string {
	return fmt.Sprintf("Nacos started successfully in %s mode. use %s storage", modeName(cfg.Mode), cfg.Storage)
}

func modeName(m config.Mode) string {
	if m == config.Standalone {
		return "stand alone"
	}
	return string(m)
}
