package bench

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"text/tabwriter"
	"time"

	"nactor/naming/upgrade/switchover"
)

// condition is a way for a cluster to keep its services.
type condition struct {
	name   string
	args   []string
	mode   switchover.Mode
	double bool
	closed bool // by an operator, once the cluster goes by the mode
}

// conditions are compared with the first.
var conditions = []condition{
	{name: "off", args: []string{"--set", "nacos.core.support.upgrade.from.1x=false"}, mode: switchover.V2},
	{name: "closed", mode: switchover.V2, double: true, closed: true},
	{name: "on, 2.0 serves", mode: switchover.V2, double: true},
	// Nobody finds itself ready twice in a row while the second check is a day away.
	{name: "on, 1.X serves", args: []string{"--set", "nactor.upgrade.check-interval=86400000"}, mode: switchover.V1, double: true},
}

// The measurements of a turn.
const (
	lightBeat = iota
	fullBeat
	registration
	deregistration
	kinds
)

var kindNames = [kinds]string{"light beat", "beat with instance", "register", "deregister"}

// checkOften has a cluster switch soon.
var checkOften = []string{"--set", "nactor.upgrade.check-interval=500"}

// lead is how long registrations go on before they are measured: longer than what is
// registered waits for its double write, so that as much of that falls into the window as is
// caused in it.
const lead = 1200 * time.Millisecond

// keptPerSecond bounds how many registrations a second are rendered for a window.
const keptPerSecond = 25_000

// asked is what a rate with double write must be of the rate without.
const asked = 0.9

// series are the values of one condition, a value a round.
type series struct {
	rates [kinds][]float64 // a second
	costs [kinds][]float64 // processor time of all nodes in µs a request; of a registration: with its deregistration
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
		g, err := newGroup(c.name, filepath.Join(u.home, "rates"), append(append([]string{}, checkOften...), c.args...)...)
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
	t := newTurns(u)
	for _, g := range clusters {
		if err := u.fill(ctx, g, t.fleet); err != nil {
			return err
		}
	}
	measured := make([]series, len(clusters))
	for round := range u.Rounds {
		for kind := range deregistration { // which comes with the registration
			for turn := range clusters {
				// Each begins as often as the others.
				i := (turn + round) % len(clusters)
				u.say("round %d of %d: %s, %s", round+1, u.Rounds, kindNames[kind], clusters[i].name)
				if err := t.take(ctx, clusters[i], kind, &measured[i]); err != nil {
					return err
				}
			}
		}
	}
	u.say("")
	return u.printRates(measured)
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

// turns are the requests that each cluster gets.
type turns struct {
	*upgradeBench
	fleet                               Fleet
	light, full, registers, deregisters [][]byte
}

func newTurns(u *upgradeBench) *turns {
	t := &turns{upgradeBench: u, fleet: Fleet{Services: u.Services, Instances: u.Instances, Prefix: "bench", Patient: true}}
	for i := range min(t.fleet.Size(), requestsKept) {
		t.light = append(t.light, t.fleet.LightBeat(i))
		t.full = append(t.full, t.fleet.Beat(i))
	}
	// What is registered in a turn are new instances of the same services.
	more := t.fleet
	kept := int(math.Ceil((lead + u.Time).Seconds() * keptPerSecond))
	more.Instances += (kept + u.Services - 1) / u.Services
	for i := range kept {
		t.registers = append(t.registers, more.Register(t.fleet.Size()+i))
		t.deregisters = append(t.deregisters, more.Deregister(t.fleet.Size()+i))
	}
	return t
}

// take sends one kind of load to one cluster.
func (t *turns) take(ctx context.Context, g *group, kind int, s *series) error {
	if kind == registration {
		return t.takeRegistrations(ctx, g, s)
	}
	requests := t.light
	if kind == fullBeat {
		requests = t.full
	}
	before := g.used()
	o, err := t.send(ctx, g, Load{Time: t.Time, Request: func(i int) []byte { return requests[i%len(requests)] }})
	if err != nil {
		return err
	}
	s.rates[kind] = append(s.rates[kind], o.Rate())
	s.costs[kind] = append(s.costs[kind], float64((g.used()-before).Microseconds())/float64(o.Requests))
	return nil
}

// takeRegistrations registers and deregisters. Processor time is that of both, with all
// double writes that they cause.
func (t *turns) takeRegistrations(ctx context.Context, g *group, s *series) error {
	before := g.used()
	first, err := t.send(ctx, g, Load{Time: lead, Count: len(t.registers), Request: func(i int) []byte { return t.registers[i] }})
	if err != nil {
		return err
	}
	done := int(first.Requests)
	if done == len(t.registers) {
		return fmt.Errorf("%d registrations took less than %v: this machine is faster than this benchmark expects", done, lead)
	}
	o, err := t.send(ctx, g, Load{Time: t.Time, Count: len(t.registers) - done, Request: func(i int) []byte { return t.registers[done+i] }})
	if err != nil {
		return err
	}
	done += int(o.Requests)
	back, err := t.send(ctx, g, Load{Count: done, Request: func(i int) []byte { return t.deregisters[i] }})
	if err != nil {
		return err
	}
	if err := g.drained(ctx); err != nil {
		return err
	}
	s.rates[registration] = append(s.rates[registration], o.Rate())
	s.rates[deregistration] = append(s.rates[deregistration], back.Rate())
	s.costs[registration] = append(s.costs[registration], float64((g.used()-before).Microseconds())/float64(done))
	return nil
}

func (u *upgradeBench) printRates(measured []series) error {
	fmt.Fprintf(u.out, "double write, %d nodes, %d services × %d instances, %d turns of %v side by side:\n", nodes, u.Services, u.Instances, u.Rounds, u.Time)
	w := tabwriter.NewWriter(u.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\trate/s\tto off\tspread\tCPU µs\tto off\tspread\tasked\t")
	off := &measured[0]
	for kind := range kinds {
		fmt.Fprintf(w, "%s:\t\t\t\t\t\t\t\t\n", kindNames[kind])
		for i, c := range conditions {
			s := &measured[i]
			rate := ratios(s.rates[kind], off.rates[kind])
			cost := ratios(s.costs[kind], off.costs[kind])
			fmt.Fprintf(w, "%s\t%.0f\t%.2f\t%s\t", c.name, median(s.rates[kind]), median(rate), spread(rate))
			if len(cost) > 0 {
				fmt.Fprintf(w, "%.1f\t%.2f\t%s\t", median(s.costs[kind]), median(cost), spread(cost))
			} else {
				fmt.Fprint(w, "\t\t\t")
			}
			if c.double && !c.closed {
				fmt.Fprintf(w, "≥ %.1f: %s", asked, met(median(rate) >= asked))
			}
			fmt.Fprintln(w, "\t")
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(u.out, "CPU: of all nodes, a request; of a registration with its deregistration and all double writes of both")
	return nil
}
