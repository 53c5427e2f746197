package bench

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"nactor/naming/dual"
	"nactor/naming/upgrade/switchover"
)

// condition is a way for a cluster to keep its services.
type condition struct {
	name   string
	args   []string
	mode   switchover.Mode
	double bool // as decided; a node of 1.X has one structure all the same
	closed bool // by an operator, once the cluster goes by the mode
	base   int  // the condition to compare with
	asked  bool // of it, the ratios that are asked for
}

// conditions are what is compared: for each structure that serves, with the other and
// without.
var conditions = []condition{
	{name: "2.0, off", args: without1X, mode: switchover.V2},
	{name: "2.0, closed", mode: switchover.V2, double: true, closed: true},
	{name: "2.0, on", mode: switchover.V2, double: true, asked: true},
	{name: "1.X, off", args: asOld, mode: switchover.V1, double: true},
	// Nobody finds itself ready twice in a row while the second check is a day away.
	{name: "1.X, on", args: []string{"--set", "nactor.upgrade.check-interval=86400000"}, mode: switchover.V1, double: true, base: 3, asked: true},
}

// Arguments of nodes.
var (
	without1X  = []string{"--set", "nacos.core.support.upgrade.from.1x=false"}
	asOld      = []string{"--as-version", oldVersion}
	checkOften = []string{"--set", "nactor.upgrade.check-interval=500"} // so that a cluster switches soon
)

// The kinds of load.
const (
	lightBeat = iota
	fullBeat
	registration
	kinds
)

var kindNames = [kinds]string{"light beat", "beat with instance", "register"}

// cycle is how long it takes until it is a cluster's turn again. It is the delay of the
// double write: what is written again because of the registrations of one turn falls into
// the next turn of the same cluster, and into nobody else's. And what else the machine does
// seldom changes as quickly as that, so it hits all alike.
const cycle = dual.DefaultDelay

// quiet is what others may take of a machine before rates are doubtful.
const quiet = 0.1

// What is asked for: of a rate with double write, by that without; and of processor time.
const (
	askedRate = 0.9
	askedCost = 1.1
)

// series are the values of one condition.
type series struct {
	rates [kinds][]float64 // a second; one for each turn
	costs [kinds][]float64 // processor time of all nodes in µs a request; one for each round
}

// rates compares the clusters under their conditions, in turns.
func (u *upgradeBench) rates(ctx context.Context) error {
	var clusters []*group
	defer func() {
		for _, g := range clusters {
			g.end()
		}
	}()
	for _, c := range conditions {
		g, err := newGroup(c.name, filepath.Join(u.home, "rates"), slices.Concat(checkOften, c.args)...)
		if err != nil {
			return err
		}
		clusters = append(clusters, g)
	}
	u.say("starting %d clusters", len(clusters))
	for _, g := range clusters {
		if err := g.launchAll(); err != nil {
			return err
		}
	}
	for i, g := range clusters {
		if err := conditions[i].await(ctx, g); err != nil {
			return err
		}
	}
	t := newTurns(u, clusters)
	for _, g := range clusters {
		if err := u.fill(ctx, g, t.fleet); err != nil {
			return err
		}
	}
	others := observe(clusters)
	for round := range u.Rounds {
		for kind := range kinds {
			u.say("round %d of %d: %s", round+1, u.Rounds, kindNames[kind])
			if err := t.compare(ctx, kind, round); err != nil {
				return err
			}
		}
	}
	u.say("")
	return u.printRates(t.measured, others.share())
}

// await waits until a cluster that has been started serves under the condition.
func (c condition) await(ctx context.Context, g *group) error {
	if err := g.serve(ctx); err != nil {
		return err
	}
	if _, err := g.goes(ctx, c.mode, c.double); err != nil {
		return err
	}
	if c.closed {
		return g.close(ctx)
	}
	return nil
}

// turns loads clusters in turns.
type turns struct {
	*upgradeBench
	clusters []*group
	measured []series
	fleet    Fleet // that all have
	grown    []int // instances that each cluster has been given beside it
	beats    [registration][][]byte
}

func newTurns(u *upgradeBench, clusters []*group) *turns {
	t := &turns{upgradeBench: u, clusters: clusters, measured: make([]series, len(clusters)), grown: make([]int, len(clusters))}
	t.fleet = Fleet{Services: u.Services, Instances: u.Instances, Prefix: "bench", Patient: true}
	for i := range min(t.fleet.Size(), requestsKept) {
		t.beats[lightBeat] = append(t.beats[lightBeat], t.fleet.LightBeat(i))
		t.beats[fullBeat] = append(t.beats[fullBeat], t.fleet.Beat(i))
	}
	return t
}

// compare measures one kind of load on all clusters, cycle by cycle.
func (t *turns) compare(ctx context.Context, kind, round int) error {
	turn := cycle / time.Duration(len(t.clusters))
	requests := make([]int64, len(t.clusters))
	used := make([]time.Duration, len(t.clusters))
	begin := time.Now()
	for c := range 1 + int(max(1, t.Time/turn)) {
		for n := range t.clusters {
			i := (n + round) % len(t.clusters)
			// Turns end when they should, even if they began late: cycles have to come out even.
			end := begin.Add(time.Duration(c*len(t.clusters)+n+1) * turn)
			before := t.clusters[i].used()
			o, err := t.load(ctx, i, kind, max(turn/2, time.Until(end)))
			if err != nil {
				return err
			}
			if c == 0 {
				continue // nothing is there yet to be written again
			}
			used[i] += t.clusters[i].used() - before
			requests[i] += o.Requests
			t.measured[i].rates[kind] = append(t.measured[i].rates[kind], o.Rate())
		}
	}
	for i := range t.clusters {
		t.measured[i].costs[kind] = append(t.measured[i].costs[kind], float64(used[i].Microseconds())/float64(requests[i]))
	}
	return nil
}

// load sends one kind of load to one cluster.
func (t *turns) load(ctx context.Context, i, kind int, d time.Duration) (Outcome, error) {
	if kind != registration {
		beats := t.beats[kind]
		return t.send(ctx, t.clusters[i], Load{Time: d, Request: func(n int) []byte { return beats[n%len(beats)] }})
	}
	begin := t.grown[i]
	o, err := t.send(ctx, t.clusters[i], Load{Time: d, Request: func(n int) []byte { return t.register(begin + n) }})
	t.grown[i] += int(o.Requests)
	return o, err
}

// register returns the n-th registration: of one fleet like the first after the other, so
// that services do not grow from round to round.
func (t *turns) register(n int) []byte {
	another := t.fleet
	another.Prefix = fmt.Sprintf("%s-%d", t.fleet.Prefix, n/t.fleet.Size())
	return another.Register(n % t.fleet.Size())
}

func (u *upgradeBench) printRates(measured []series, others float64) error {
	fmt.Fprintf(u.out, "double write, %d nodes, %d services × %d instances, side by side, %d turns:\n", nodes, u.Services, u.Instances, len(measured[0].rates[lightBeat]))
	w := tabwriter.NewWriter(u.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\trate/s\tto off\thalf of them\tasked\tCPU µs\tto off\thalf of them\tasked\t")
	for kind := range kinds {
		fmt.Fprintf(w, "%s:\t\t\t\t\t\t\t\t\t\n", kindNames[kind])
		for i, c := range conditions {
			s, off := &measured[i], &measured[c.base]
			rate := ratios(s.rates[kind], off.rates[kind])
			cost := ratios(s.costs[kind], off.costs[kind])
			fmt.Fprintf(w, "%s\t%.0f\t%.2f\t%s\t", c.name, median(s.rates[kind]), median(rate), spread(rate))
			if c.asked {
				fmt.Fprintf(w, "≥ %.1f: %s", askedRate, met(median(rate) >= askedRate))
			}
			fmt.Fprintf(w, "\t%.1f\t%.2f\t%s\t", median(s.costs[kind]), median(cost), spread(cost))
			if c.asked {
				fmt.Fprintf(w, "≤ %.1f: %s", askedCost, met(median(cost) <= askedCost))
			}
			fmt.Fprintln(w, "\t")
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(u.out, "CPU: of all nodes, a request")
	fmt.Fprintf(u.out, "other processes took %.0f %% of this machine", 100*others)
	if others > quiet {
		fmt.Fprint(u.out, ": the rates suffer from that, CPU does not so much")
	}
	fmt.Fprintln(u.out)
	return nil
}
