package bench

import (
	"bytes"
	"os"
	"strconv"
	"time"
)

// machine is the processor time of a machine, as Linux counts it: of all processors, since
// its start.
type machine struct{ busy, all time.Duration }

// readMachine returns zeros where that is not known.
func readMachine() machine {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return machine{}
	}
	return parseMachine(stat)
}

// parseMachine reads the first line: user, nice, system, idle, waiting for a disk, … in
// ticks of 10 ms. Guests, the 9th and 10th, are in user and nice already.
func parseMachine(stat []byte) machine {
	line, _, _ := bytes.Cut(stat, []byte("\n"))
	f := bytes.Fields(line)
	if len(f) < 9 || string(f[0]) != "cpu" {
		return machine{}
	}
	var m machine
	for i, field := range f[1:9] {
		ticks, err := strconv.Atoi(string(field))
		if err != nil {
			return machine{}
		}
		t := time.Duration(ticks) * 10 * time.Millisecond
		m.all += t
		if i != 3 && i != 4 {
			m.busy += t
		}
	}
	return m
}

// observer tells what others than this benchmark do on the machine.
type observer struct {
	clusters []*group
	begin    machine
	own      time.Duration
}

// observe begins to look. The nodes of the clusters must not be replaced until the end.
func observe(clusters []*group) *observer {
	o := &observer{clusters: clusters}
	o.begin, o.own = readMachine(), o.used()
	return o
}

// used returns the processor time of the benchmark and its nodes.
func (o *observer) used() time.Duration {
	sum := cpuTime(os.Getpid())
	for _, g := range o.clusters {
		sum += g.used()
	}
	return sum
}

// share returns what part of the machine's time went to others since then.
func (o *observer) share() float64 {
	now, own := readMachine(), o.used()-o.own
	all := now.all - o.begin.all
	if all <= 0 {
		return 0
	}
	return max(0, float64(now.busy-o.begin.busy-own)/float64(all))
}
