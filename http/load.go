package http

import (
	"bytes"
	"os"
	"strconv"
)

// load is what the host is doing; -1 where that is not known.
type load struct{ cpu, load, mem float64 }

// readLoad reads the load of the last minute and the share of memory in use. The load of
// the processors is not measured.
func readLoad() load {
	l := load{-1, -1, -1}
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		first, _, _ := bytes.Cut(b, []byte(" "))
		if f, err := strconv.ParseFloat(string(first), 64); err == nil {
			l.load = f
		}
	}
	total, free := -1.0, -1.0
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		for line := range bytes.Lines(b) {
			fields := bytes.Fields(line)
			if len(fields) < 2 {
				continue
			}
			f, err := strconv.ParseFloat(string(fields[1]), 64)
			if err != nil {
				continue
			}
			switch string(fields[0]) {
			case "MemTotal:":
				total = f
			case "MemAvailable:":
				free = f
			}
		}
	}
	if total > 0 && free >= 0 {
		l.mem = 1 - free/total
	}
	return l
}
