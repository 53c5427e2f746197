package bench

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"
)

// track runs the contests of one benchmark and prints them.
type track struct {
	Options
	addr          string
	pid           int // of a server of our own, else 0
	fleet         Fleet
	out, progress io.Writer
	failed        int64
	first         error
}

// contest is one kind of request, sent to the server and to a bare handler in turns.
type contest struct {
	name    string
	request func(int) []byte
}

// requestsKept bounds how many requests are rendered before a measurement.
const requestsKept = 100_000

// registerAll fills the registry.
func (t *track) registerAll(ctx context.Context) error {
	o, err := Load{
		Addr: t.addr, Connections: t.Connections, Count: t.fleet.Size(), Request: t.fleet.Register,
		Progress: func(done int64, elapsed time.Duration) {
			fmt.Fprintf(t.progress, "\rregistered %d of %d, %.0f/s ", done, t.fleet.Size(), float64(done)/elapsed.Seconds())
		},
	}.Run(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(t.progress, "\r\033[K")
	fmt.Fprintf(t.out, "registered %d services × %d instances in %v\n", t.Services, t.Instances, o.Elapsed.Round(time.Millisecond))
	t.count(o)
	return nil
}

func (t *track) count(o Outcome) {
	t.failed += o.Errors
	if t.first == nil {
		t.first = o.FirstError
	}
}

const row = "%-20s %10s %10s %7s   %8s %8s %8s %8s %7s   %10s %10s\n"

func (t *track) header() {
	fmt.Fprintf(t.out, row, "", "server/s", "bare/s", "ratio", "p50 µs", "p99 µs", "p999 µs", "max µs", "errors", "CPU µs", "bare µs")
}

// compare runs a contest: bare and server in turns, the median of the ratios.
func (t *track) compare(ctx context.Context, c contest) error {
	request := prebuilt(min(t.fleet.Size(), requestsKept), c.request)
	size, err := answerSize(t.addr, request(0))
	if err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	bare, err := startBare(ctx, size)
	if err != nil {
		return err
	}
	defer bare.stop()
	var ratios, rates, bares []float64
	var serverCPU, bareCPU time.Duration
	total, bareTotal := Outcome{Latency: histogram()}, int64(0)
	measure := func(addr, who string) (Outcome, error) {
		return Load{Addr: addr, Connections: t.Connections, Time: t.Time, Request: request,
			Progress: func(done int64, elapsed time.Duration) {
				fmt.Fprintf(t.progress, "\r%s, %s: %.0f/s ", c.name, who, float64(done)/elapsed.Seconds())
			}}.Run(ctx)
	}
	for range t.Rounds {
		serverBefore, bareBefore := cpuTime(t.pid), cpuTime(bare.cmd.Process.Pid)
		b, err := measure(bare.addr, "bare")
		if err != nil {
			return err
		}
		s, err := measure(t.addr, "server")
		if err != nil {
			return err
		}
		ratios, rates, bares = append(ratios, s.Rate()/b.Rate()), append(rates, s.Rate()), append(bares, b.Rate())
		serverCPU += cpuTime(t.pid) - serverBefore
		bareCPU += cpuTime(bare.cmd.Process.Pid) - bareBefore
		bareTotal += b.Requests
		total.Requests += s.Requests
		total.Errors += s.Errors
		total.Latency.Merge(s.Latency)
		t.count(s)
	}
	fmt.Fprintf(t.progress, "\r\033[K")
	h := total.Latency
	fmt.Fprintf(t.out, row, c.name, fmt.Sprintf("%.0f", median(rates)), fmt.Sprintf("%.0f", median(bares)), fmt.Sprintf("%.2f", median(ratios)),
		fmt.Sprint(h.ValueAtQuantile(50)), fmt.Sprint(h.ValueAtQuantile(99)), fmt.Sprint(h.ValueAtQuantile(99.9)), fmt.Sprint(h.Max()), fmt.Sprint(total.Errors), perRequest(serverCPU, total.Requests), perRequest(bareCPU, bareTotal))
	return nil
}

// median returns the value in the middle, or the mean of the two that are there.
func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// perRequest tells the processor time of one request in microseconds, "-" if not known.
func perRequest(used time.Duration, requests int64) string {
	if used == 0 || requests == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", float64(used.Microseconds())/float64(requests))
}
