package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Usage is what a node holds, after garbage collections.
type Usage struct {
	Heap, Stacks, Resident int64 // bytes
	Goroutines             int64
	Files                  int64 // open file descriptors
	Services               int64 // that it shows
	Connections            int64 // clients of 2.x
}

// Metrics of a node in Prometheus's format. Files and Resident are known on Linux only.
const (
	metricHeap        = "go_memstats_heap_alloc_bytes"
	metricStacks      = "go_memstats_stack_inuse_bytes"
	metricResident    = "process_resident_memory_bytes"
	metricGoroutines  = "go_goroutines"
	metricFiles       = "process_open_fds"
	metricCollections = "go_gc_duration_seconds_count"
	metricConnections = "nactor_connections"
	metricServices    = `nacos_monitor{module="naming",name="serviceCount"}`
)

// settledReads is how often a node is asked after it has collected its garbage: the least of
// its heap is what is in use, the rest is the garbage of the questions.
const settledReads = 5

// ReadUsage asks the node at addr until it has collected its garbage twice, because what is
// gone may have been in a pool, and tells what it holds then. The answers are the garbage that
// makes it collect.
func ReadUsage(ctx context.Context, addr string) (Usage, error) {
	var u Usage
	begin := int64(-1)
	for settled := 0; settled < settledReads; {
		m, err := readMetrics(ctx, addr)
		if err != nil {
			return u, err
		}
		if begin < 0 {
			begin = m[metricCollections]
		}
		if m[metricCollections] < begin+collected {
			continue
		}
		heap := m[metricHeap]
		if settled > 0 {
			heap = min(heap, u.Heap)
		}
		settled++
		u = Usage{
			Heap: heap, Stacks: m[metricStacks], Resident: m[metricResident], Goroutines: m[metricGoroutines], Files: m[metricFiles],
			Services: m[metricServices], Connections: m[metricConnections],
		}
	}
	return u, nil
}

// readMetrics returns the metrics of a node, by name and labels as they are written.
func readMetrics(ctx context.Context, addr string) (map[string]int64, error) {
	body, err := get(ctx, addr, "/actuator/prometheus")
	if err != nil {
		return nil, fmt.Errorf("ask %s for its metrics: %w", addr, err)
	}
	out := map[string]int64{}
	for lines := bufio.NewScanner(bytes.NewReader(body)); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if f, err := strconv.ParseFloat(value, 64); err == nil {
			out[name] = int64(f)
		}
	}
	for _, name := range []string{metricHeap, metricStacks, metricGoroutines, metricCollections, metricConnections, metricServices} {
		if _, ok := out[name]; !ok {
			return nil, fmt.Errorf("ask %s for its metrics: it does not tell %s", addr, name)
		}
	}
	return out, nil
}
