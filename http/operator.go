package http

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"nactor/naming/wire"
)

func (r *request) switches() error {
	b, err := json.Marshal(r.s.cfg.Settings.Switches())
	if err != nil {
		return fmt.Errorf("render the switches: %w", err)
	}
	r.json(b)
	return nil
}

func (r *request) setSwitch() error {
	entry, err := r.spring("entry", "String")
	if err != nil {
		return err
	}
	value, err := r.spring("value", "String")
	if err != nil {
		return err
	}
	debug, err := r.springBool("debug", false)
	if err != nil {
		return err
	}
	ctx, cancel := r.within()
	defer cancel()
	if err := r.s.cfg.Settings.SetSwitch(ctx, entry, value, debug); err != nil {
		return err
	}
	r.text(fasthttp.StatusOK, "ok")
	return nil
}

func (r *request) operatorMetrics() error {
	only, err := r.optional("onlyStatus", "true")
	if err != nil {
		return err
	}
	status, _ := r.s.status(r.s.cfg.Settings.Switches())
	b := wire.AppendString([]byte(`{"status":`), status)
	if !strict(only) {
		c := r.s.cfg.Reader.Counts()
		b = fmt.Appendf(b, `,"serviceCount":%d,"instanceCount":%d,"subscribeCount":%d,"raftNotifyTaskCount":0,"responsibleServiceCount":0,"responsibleInstanceCount":0,"cpu":-1.0,"load":`,
			c.Services, c.Instances, c.Subscribers)
		b = wire.AppendDouble(b, loadAverage())
		b = wire.AppendDouble(append(b, `,"mem":`...), memoryUsed())
	}
	r.json(append(b, '}'))
	return nil
}

// loadAverage returns the machine's load of the last minute, -1 where it cannot be read.
func loadAverage() float64 {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return -1
	}
	first, _, _ := strings.Cut(string(b), " ")
	f, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return -1
	}
	return f
}

// memoryUsed returns the share of the machine's memory in use, -1 where it cannot be read.
func memoryUsed() float64 {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return -1
	}
	var total, available float64
	for line := range strings.Lines(string(b)) {
		fmt.Sscanf(line, "MemTotal: %f", &total)
		fmt.Sscanf(line, "MemAvailable: %f", &available)
	}
	if total == 0 {
		return -1
	}
	return 1 - available/total
}

func (r *request) servers() error {
	healthy, err := r.springBool("healthy", false)
	if err != nil {
		return err
	}
	members := r.s.cfg.Node.Members()
	b := []byte(`{"servers":[`)
	n := 0
	for _, m := range members {
		if healthy && m.State != "UP" {
			continue
		}
		if n++; n > 1 {
			b = append(b, ',')
		}
		b = m.append(b)
	}
	r.json(append(b, "]}"...))
	return nil
}
