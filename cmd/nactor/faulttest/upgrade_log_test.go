package faulttest

import (
	"fmt"
	"strings"
	"time"
)

// The lines that operators look for in naming-server.log and nacos.log.
const (
	lineNotReady = "upgrade check result false"
	lineReady    = "upgrade check result true"
	lineWatches  = "Check whether close double write"
	lineUpgraded = "Upgrade to 2.0.X"
	lineClosed   = "Disable Double write, stop and clean v1.x cache and features"
	lineDecided  = "INFO decided mode="
	lineStarted  = "Nacos started successfully in cluster mode. use embedded storage"
)

const (
	namingLog  = "naming-server.log"
	logTime    = "2006-01-02 15:04:05,000"
	logGranule = time.Millisecond // of the times in logs
)

// logged returns when a log got lines with a text, in a time or after it.
func (n *node) logged(log, text string, since time.Time) []time.Time {
	var out []time.Time
	for line := range strings.Lines(n.log(log)) {
		if !strings.Contains(line, text) || len(line) < len(logTime) {
			continue
		}
		at, err := time.ParseInLocation(logTime, line[:len(logTime)], time.Local)
		if err == nil && !at.Before(since.Truncate(logGranule)) {
			out = append(out, at)
		}
	}
	return out
}

// awaitLine waits for a line that was written since, and returns when that was.
func (n *node) awaitLine(text string, since time.Time, within time.Duration) time.Time {
	n.c.t.Helper()
	log := namingLog
	if text == lineStarted {
		log = "nacos.log"
	}
	var at []time.Time
	eventually(n.c.t, within, fmt.Sprintf("%v logs %q", n, text), func() error {
		if at = n.logged(log, text, since); len(at) == 0 {
			return fmt.Errorf("end of %s:\n%s", log, n.tail(log, 1000))
		}
		return nil
	})
	return at[0]
}
