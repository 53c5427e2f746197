package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"nactor/naming/upgrade/switchover"
)

// oldVersion is what a node of 1.X is started as.
const oldVersion = "1.4.2"

// askedSwitch is how long a cluster may take from the last vote to the last node's flip.
const askedSwitch = time.Second

// flips takes a cluster from 1.X to 2.0 node by node, and then back and up again.
func (u *upgradeBench) flips(ctx context.Context) error {
	g, err := newGroup("switch", filepath.Join(u.home, "switch"), checkOften...)
	if err != nil {
		return err
	}
	defer g.end()
	u.say("switch: starting a cluster of %s", oldVersion)
	if err := g.launchAll(asOld...); err != nil {
		return err
	}
	if err := g.serve(ctx); err != nil {
		return err
	}
	fleet := Fleet{Services: u.Moved, Instances: u.Instances, Prefix: "bench", Patient: true}
	if _, err := u.send(ctx, g, Load{Count: fleet.Size(), Request: fleet.Register}); err != nil {
		return fmt.Errorf("register the fleet: %w", err)
	}
	replaced := g.members
	var all []flip
	for n := range u.Flips {
		if n > 0 {
			u.say("switch %d of %d: back to 1.X", n+1, u.Flips)
			replaced = g.members[n%nodes:][:1]
			if err := g.replace(ctx, replaced[0], asOld...); err != nil {
				return fmt.Errorf("take the cluster back: %w", err)
			}
		}
		for _, m := range replaced {
			u.say("switch %d of %d: replacing %s", n+1, u.Flips, m.addr)
			if err := g.replace(ctx, m); err != nil {
				return fmt.Errorf("replace a node: %w", err)
			}
		}
		s, err := g.goes(ctx, switchover.V2, true)
		if err != nil {
			return err
		}
		f, err := g.flip(s.Epoch)
		if err != nil {
			return err
		}
		all = append(all, f)
	}
	u.say("")
	return u.printFlips(all)
}

// flip is a switch as the logs of the nodes tell.
type flip struct {
	check   time.Time // the last node's last check before the decision
	decided time.Time // all votes were there
	first   time.Time // when the first node and
	last    time.Time // the last one went by 2.0
}

// flip reads the logs of all nodes.
func (g *group) flip(epoch uint64) (flip, error) {
	var logs []string
	for _, m := range g.members {
		b, err := os.ReadFile(filepath.Join(m.home, "logs", "naming-server.log"))
		if err != nil {
			return flip{}, fmt.Errorf("read what a node has logged: %w", err)
		}
		logs = append(logs, string(b))
	}
	return parseFlip(logs, epoch)
}

// The lines of naming-server.log.
const (
	lineCheck   = "INFO upgrade check result "
	lineDecided = "INFO decided mode=v2 epoch=%d "
	lineFollows = "INFO follows a decision of the cluster mode=v2 epoch=%d "
)

// parseFlip finds a switch in the logs of all nodes.
func parseFlip(logs []string, epoch uint64) (f flip, err error) {
	decided, follows := fmt.Sprintf(lineDecided, epoch), fmt.Sprintf(lineFollows, epoch)
	for _, log := range logs {
		for line := range strings.Lines(log) {
			if strings.Contains(line, decided) {
				if f.decided, err = logTime(line); err != nil {
					return f, err
				}
			}
		}
	}
	if f.decided.IsZero() {
		return f, fmt.Errorf("no node has logged the decision of epoch %d", epoch)
	}
	for i, log := range logs {
		followed := time.Time{}
		for line := range strings.Lines(log) {
			isCheck, isFlip := strings.Contains(line, lineCheck), strings.Contains(line, follows)
			if !isCheck && !isFlip {
				continue
			}
			at, err := logTime(line)
			switch {
			case err != nil:
				return f, err
			case isFlip:
				followed = at
			case at.After(f.check) && !at.After(f.decided):
				f.check = at
			}
		}
		if followed.IsZero() {
			return f, fmt.Errorf("node %d has not logged that it follows the decision of epoch %d", i+1, epoch)
		}
		if f.first.IsZero() || followed.Before(f.first) {
			f.first = followed
		}
		if followed.After(f.last) {
			f.last = followed
		}
	}
	if f.check.IsZero() {
		return f, errors.New("no node has logged a check before the decision")
	}
	return f, nil
}

// logLayout is how lines of a log begin.
const logLayout = "2006-01-02 15:04:05,000"

func logTime(line string) (time.Time, error) {
	at, err := time.ParseInLocation(logLayout, line[:min(len(line), len(logLayout))], time.Local)
	if err != nil {
		return at, fmt.Errorf("the time of the line %q: %w", line, err)
	}
	return at, nil
}

func (u *upgradeBench) printFlips(all []flip) error {
	fmt.Fprintf(u.out, "\nthe switch to 2.0, %d nodes, %d services × %d instances, in ms:\n", nodes, u.Moved, u.Instances)
	w := tabwriter.NewWriter(u.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tlast check → last flip\tdecision → last flip\tfirst → last flip\tasked\t")
	for i, f := range all {
		from := fmt.Sprintf("%d, one node again", i+1)
		if i == 0 {
			from = "1, node by node"
		}
		whole := f.last.Sub(f.check)
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t≤ %d: %s\t\n", from, whole.Milliseconds(), f.last.Sub(f.decided).Milliseconds(), f.last.Sub(f.first).Milliseconds(),
			askedSwitch.Milliseconds(), met(whole <= askedSwitch))
	}
	return w.Flush()
}
