package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Usage is what a node holds.
type Usage struct {
	Heap, Stacks, Resident int64 // bytes
	Goroutines             int64
	Files                  int64 // open file descriptors
	Services               int64 // that it shows
	Connections            int64 // clients of 2.x
}

// Metrics of a node in Prometheus's format. Files and Resident are known on Linux only.
const (
	metricHeap        = "go_gc_heap_live_bytes" // what the last collection found in use
	metricStacks      = "go_memstats_stack_inuse_bytes"
	metricResident    = "process_resident_memory_bytes"
	metricGoroutines  = "go_goroutines"
	metricFiles       = "process_open_fds"
	metricCollections = "go_gc_duration_seconds_count"
	metricConnections = "nactor_connections"
	metricServices    = `nacos_monitor{module="naming",name="serviceCount"}`
)

// collected is how many garbage collections it takes until what is gone is not counted any
// more: it may have been in a pool.
const collected = 3

// ReadUsage asks the node at addr what it holds at the moment; Heap is that of its last garbage
// collection.
func ReadUsage(ctx context.Context, addr string) (Usage, error) {
	m, err := readMetrics(ctx, addr)
	return usageOf(m), err
}

// SettledUsage asks the node at addr until it has collected its garbage a few times, and tells
// what it holds then. The answers are the garbage that makes it collect.
func SettledUsage(ctx context.Context, addr string) (Usage, error) {
	for begin := int64(-1); ; {
		m, err := readMetrics(ctx, addr)
		if err != nil {
			return Usage{}, err
		}
		if begin < 0 {
			begin = m[metricCollections]
		}
		if m[metricCollections] >= begin+collected {
			return usageOf(m), nil
		}
	}
}

func usageOf(m map[string]int64) Usage {
	return Usage{
		Heap: m[metricHeap], Stacks: m[metricStacks], Resident: m[metricResident], Goroutines: m[metricGoroutines], Files: m[metricFiles],
		Services: m[metricServices], Connections: m[metricConnections],
	}
}

// readMetrics asks a node for its metrics.
func readMetrics(ctx context.Context, addr string) (map[string]int64, error) {
	body, err := get(ctx, addr, "/actuator/prometheus")
	if err == nil {
		var m map[string]int64
		if m, err = parseMetrics(body); err == nil {
			return m, nil
		}
	}
	return nil, fmt.Errorf("ask %s for its metrics: %w", addr, err)
}

// parseMetrics reads metrics in Prometheus's format, by name and labels as they are written. It
// is an error if one of those that are needed is missing.
func parseMetrics(body []byte) (map[string]int64, error) {
	out := map[string]int64{}
	for lines := bufio.NewScanner(bytes.NewReader(body)); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if f, err := strconv.ParseFloat(value, 64); err == nil {
			out[name] = int64(f)
		}
	}
	for _, name := range []string{metricHeap, metricStacks, metricGoroutines, metricCollections, metricConnections, metricServices} {
		if _, ok := out[name]; !ok {
			return nil, fmt.Errorf("there is no metric %s", name)
		}
	}
	return out, nil
}

// usageTable is what a node held at some moments.
type usageTable struct {
	names []string
	rows  []Usage
}

func (t *usageTable) add(name string, u Usage) {
	t.names, t.rows = append(t.names, name), append(t.rows, u)
}

// print shows the table, and what each of count connections takes.
func (t *usageTable) print(out io.Writer, base, connected, registered Usage, count int) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "the node with the clients\theap MiB\tstacks MiB\tresident MiB\tgoroutines\tfiles\t")
	for i, u := range t.rows {
		fmt.Fprintf(w, "%s\t%.1f\t%.1f\t%.1f\t%d\t%d\t\n", t.names[i], mib(u.Heap), mib(u.Stacks), mib(u.Resident), u.Goroutines, u.Files)
	}
	fmt.Fprintln(w, "for each of them\theap KiB\tstacks KiB\tresident KiB\tgoroutines\tfiles\t")
	share := func(name string, from, to Usage) {
		n := float64(count)
		kib := func(from, to int64) float64 { return float64(to-from) / 1024 / n }
		fmt.Fprintf(w, "%s\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t\n", name, kib(from.Heap, to.Heap), kib(from.Stacks, to.Stacks), kib(from.Resident, to.Resident),
			float64(to.Goroutines-from.Goroutines)/n, float64(to.Files-from.Files)/n)
	}
	share("connected", base, connected)
	share("connected and registered", base, registered)
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out, "heap and stacks: in use after collections; resident: with what the collector has not given back yet")
	return nil
}
