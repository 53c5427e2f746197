package bench

import (
	"context"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"nactor/naming/upgrade/switchover"
)

// footprint is what a cluster takes.
type footprint struct {
	heap, resident int64   // bytes, of all nodes
	cost           float64 // processor seconds of all nodes for 100,000 heartbeats
}

const beatPasses = 2 // over the fleet, at least

// memory measures a cluster before and after double write is closed, each time beside one
// that never had it.
func (u *upgradeBench) memory(ctx context.Context) error {
	fleet := Fleet{Services: u.Large, Instances: u.Instances, Prefix: "bench", Patient: true}
	var clusters []*group
	defer func() {
		for _, g := range clusters {
			g.end()
		}
	}()
	compared := []condition{{name: "memory", mode: switchover.V2, double: true}, {name: "memory, off", args: without1X, mode: switchover.V2}}
	for _, c := range compared {
		g, err := newGroup(c.name, u.home, slices.Concat(checkOften, c.args)...)
		if err != nil {
			return err
		}
		clusters = append(clusters, g)
		u.say("%s: starting a cluster", c.name)
		if err := g.launchAll(); err != nil {
			return err
		}
		if err := c.await(ctx, g); err != nil {
			return err
		}
		if err := u.fill(ctx, g, fleet); err != nil {
			return err
		}
	}
	on, err := u.footprints(ctx, clusters, fleet)
	if err != nil {
		return err
	}
	if err := clusters[0].close(ctx); err != nil {
		return err
	}
	closed, err := u.footprints(ctx, clusters, fleet)
	if err != nil {
		return err
	}
	u.say("")
	return u.printMemory(on, closed, fleet)
}

// footprints sends heartbeats to clusters in turns until each node has collected its
// garbage, and measures.
func (u *upgradeBench) footprints(ctx context.Context, clusters []*group, fleet Fleet) ([]footprint, error) {
	out, used := make([]footprint, len(clusters)), make([]time.Duration, len(clusters))
	begin := make([][]heap, len(clusters))
	for i, g := range clusters {
		h, err := g.heaps(ctx)
		if err != nil {
			return nil, err
		}
		begin[i] = h
	}
	request := prebuilt(min(fleet.Size(), requestsKept), fleet.LightBeat)
	beats := int64(0)
	for pass, clean := 0, false; pass < beatPasses || !clean; pass++ {
		u.say("memory: heartbeats, pass %d", pass+1)
		clean = true
		for i, g := range clusters {
			before := g.used()
			o, err := u.send(ctx, g, Load{Count: fleet.Size(), Request: request})
			if err != nil {
				return nil, err
			}
			used[i] += g.used() - before
			now, err := g.heaps(ctx)
			if err != nil {
				return nil, err
			}
			out[i].heap = 0
			for n, h := range now {
				out[i].heap += h.live
				clean = clean && h.collections >= begin[i][n].collections+collected
			}
			beats = o.Requests * int64(pass+1)
		}
	}
	for i, g := range clusters {
		out[i].resident = g.resident()
		out[i].cost = used[i].Seconds() * 100_000 / float64(beats)
	}
	return out, nil
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
		v, err := readMetrics(ctx, m.addr)
		if err != nil {
			return nil, err
		}
		out = append(out, heap{live: v[metricHeap], collections: v[metricCollections]})
	}
	return out, nil
}

// printMemory takes footprints of the cluster that closes and of the one beside it.
func (u *upgradeBench) printMemory(on, closed []footprint, fleet Fleet) error {
	fmt.Fprintf(u.out, "\nthe end of double write, %d nodes, %d services × %d instances:\n", nodes, fleet.Services, fleet.Instances)
	w := tabwriter.NewWriter(u.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\theap MiB\tto off\tresident MiB\tCPU s per 100,000 beats\tto off\t")
	for _, row := range []struct {
		name string
		footprint
		off footprint
	}{{"off", on[1], on[1]}, {"on", on[0], on[1]}, {"off", closed[1], closed[1]}, {"closed", closed[0], closed[1]}} {
		fmt.Fprintf(w, "%s\t%.1f\t%.3f\t%.1f\t%.2f\t%.2f\t\n", row.name, mib(row.heap), float64(row.heap)/float64(row.off.heap), mib(row.resident), row.cost, row.cost/row.off.cost)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	gone := float64(on[0].heap - closed[0].heap)
	fmt.Fprintf(u.out, "heap: in use after a collection, all nodes; gone with the close: %.0f bytes a service\n", gone/float64(fleet.Services))
	return nil
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }
