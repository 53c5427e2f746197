package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"

	"nactor/naming/upgrade/switchover"
)

// footprint is what a cluster takes.
type footprint struct {
	heap, resident int64   // bytes, of all nodes
	cost           float64 // processor seconds of all nodes for 100,000 heartbeats
}

const (
	beatPasses = 3 // over the fleet, at least
	collected  = 2 // garbage collections after which what is gone is not counted any more
)

// memory measures a cluster before and after double write is closed.
func (u *upgradeBench) memory(ctx context.Context) error {
	g, err := newGroup("memory", filepath.Join(u.home, "memory"), checkOften...)
	if err != nil {
		return err
	}
	defer g.end()
	if err := g.launchAll(); err != nil {
		return err
	}
	if err := g.serve(ctx); err != nil {
		return err
	}
	if _, err := g.goes(ctx, switchover.V2, true); err != nil {
		return err
	}
	fleet := Fleet{Services: u.Large, Instances: u.Instances, Prefix: "bench", Patient: true}
	if err := u.fill(ctx, g, fleet); err != nil {
		return err
	}
	on, err := u.footprint(ctx, g, fleet)
	if err != nil {
		return err
	}
	if err := g.close(ctx); err != nil {
		return err
	}
	closed, err := u.footprint(ctx, g, fleet)
	if err != nil {
		return err
	}
	u.say("")
	return u.printMemory(on, closed, fleet)
}

// footprint sends heartbeats until each node has collected its garbage, and measures.
func (u *upgradeBench) footprint(ctx context.Context, g *group, fleet Fleet) (f footprint, err error) {
	first, err := g.heaps(ctx)
	if err != nil {
		return f, err
	}
	request := prebuilt(min(fleet.Size(), requestsKept), fleet.LightBeat)
	beats, before := int64(0), g.used()
	for pass := 0; ; pass++ {
		now, err := g.heaps(ctx)
		if err != nil {
			return f, err
		}
		done := pass >= beatPasses
		for i, h := range now {
			done = done && h.collections >= first[i].collections+collected
		}
		if done {
			for _, h := range now {
				f.heap += h.live
			}
			f.resident = g.resident()
			f.cost = (g.used() - before).Seconds() * 100_000 / float64(beats)
			return f, nil
		}
		u.say("memory: heartbeats, pass %d", pass+1)
		o, err := u.send(ctx, g, Load{Count: fleet.Size(), Request: request})
		if err != nil {
			return f, err
		}
		beats += o.Requests
	}
}

// heap is what a node tells of its heap.
type heap struct {
	live        int64 // bytes that the last garbage collection found in use
	collections int64
}

// heaps asks all nodes.
func (g *group) heaps(ctx context.Context) ([]heap, error) {
	var out []heap
	for _, m := range g.members {
		body, err := get(ctx, m.addr, "/actuator/prometheus")
		if err != nil {
			return nil, fmt.Errorf("ask %s for its memory: %w", m.addr, err)
		}
		h, err := parseHeap(body)
		if err != nil {
			return nil, fmt.Errorf("ask %s for its memory: %w", m.addr, err)
		}
		out = append(out, h)
	}
	return out, nil
}

// parseHeap reads metrics in Prometheus's format. What is in use follows from the size of
// the heap at which the next collection begins.
func parseHeap(metrics []byte) (heap, error) {
	v := map[string]float64{"go_memstats_next_gc_bytes": -1, "go_gc_gogc_percent": -1, "go_gc_duration_seconds_count": -1}
	for lines := bufio.NewScanner(bytes.NewReader(metrics)); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if _, wanted := v[name]; wanted {
			f, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return heap{}, fmt.Errorf("metric %s: %w", name, err)
			}
			v[name] = f
		}
	}
	for name, f := range v {
		if f < 0 {
			return heap{}, fmt.Errorf("metric %s: none", name)
		}
	}
	return heap{
		live:        int64(v["go_memstats_next_gc_bytes"] / (1 + v["go_gc_gogc_percent"]/100)),
		collections: int64(v["go_gc_duration_seconds_count"]),
	}, nil
}

func (u *upgradeBench) printMemory(on, closed footprint, fleet Fleet) error {
	fmt.Fprintf(u.out, "\nthe end of double write, %d nodes, %d services × %d instances:\n", nodes, fleet.Services, fleet.Instances)
	w := tabwriter.NewWriter(u.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\theap MiB\tresident MiB\tCPU s per 100,000 beats\t")
	for _, row := range []struct {
		name string
		footprint
	}{{"double write on", on}, {"closed", closed}} {
		fmt.Fprintf(w, "%s\t%.1f\t%.1f\t%.2f\t\n", row.name, mib(row.heap), mib(row.resident), row.cost)
	}
	fmt.Fprintf(w, "closed to on\t%.2f\t%.2f\t%.2f\t\n", float64(closed.heap)/float64(on.heap), float64(closed.resident)/float64(on.resident), closed.cost/on.cost)
	if err := w.Flush(); err != nil {
		return err
	}
	gone := float64(on.heap - closed.heap)
	fmt.Fprintf(u.out, "heap: in use after a collection, all nodes; gone: %.0f bytes a service, %.0f bytes an instance\n", gone/float64(fleet.Services), gone/float64(fleet.Size()))
	return nil
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }
