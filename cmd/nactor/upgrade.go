package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"nactor/naming/upgrade/switchover"
)

func upgradeCommand() *cobra.Command {
	c := &cobra.Command{Use: "upgrade", Short: "Follow a cluster on its way from 1.X to 2.0", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	c.AddCommand(upgradeStatusCommand())
	return c
}

func upgradeStatusCommand() *cobra.Command {
	var server target
	var asJSON, watch bool
	var wait string
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "status",
		Short: "Show how far the upgrade is, what it waits for, and why",
		Example: "  nactor upgrade status --server 10.0.0.1:8848\n" +
			"  nactor upgrade status --watch\n" +
			"  nactor upgrade status --wait v2 --timeout 60s",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case wait != "" && wait != "v1" && wait != "v2":
				return &coded{exitUsage, fmt.Errorf("--wait: %q is not a mode: v1 or v2", wait)}
			case watch:
				return watchUpgrade(cmd.Context(), cmd.OutOrStdout(), &server)
			}
			body, err := waitUpgrade(cmd.Context(), &server, wait, timeout)
			if body == nil {
				return err
			}
			show := printUpgrade
			if asJSON {
				show = printJSON
			}
			return cmp.Or(show(cmd.OutOrStdout(), body), err)
		},
	}
	server.flag(c)
	f := c.Flags()
	f.BoolVar(&watch, "watch", false, "show it anew every second until Ctrl-C; other members are asked while the server is away")
	f.BoolVar(&asJSON, "json", false, "print the answer as JSON")
	f.StringVar(&wait, "wait", "", "wait until the whole cluster goes by this `mode`, v1 or v2; exit code 1 when it does not")
	f.DurationVar(&timeout, "timeout", time.Minute, "for how long --wait waits")
	c.MarkFlagsMutuallyExclusive("watch", "json")
	c.MarkFlagsMutuallyExclusive("watch", "wait")
	return c
}

const explainPath = "/v1/ns/upgrade/ops/explain"

// waitUpgrade returns where the upgrade stands, and when a mode is given not before the cluster
// goes by it. An error may come with the state that it is about.
func waitUpgrade(ctx context.Context, server *target, mode string, timeout time.Duration) (body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if mode == "" {
		ctx = context.WithoutCancel(ctx) // each question has its own time-out
	}
	t := time.NewTicker(waitInterval)
	defer t.Stop()
	for {
		answer, err := server.get(ctx, explainPath, nil)
		if mode == "" {
			return answer, err
		}
		if err == nil {
			body = answer
			var e switchover.Explanation
			if err := json.Unmarshal(body, &e); err != nil {
				return nil, notExplained(err)
			}
			if goesBy(&e, mode) {
				return body, nil
			}
			err = errors.New("see what it waits for")
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return body, fmt.Errorf("the cluster does not go by %s after %v: %w", mode, timeout, err)
		}
	}
}

const waitInterval = 200 * time.Millisecond

func notExplained(err error) error {
	return fmt.Errorf("the answer is not the state of an upgrade: %w", err)
}

// goesBy reports whether a mode is decided and all members that are here follow it.
func goesBy(e *switchover.Explanation, mode string) bool {
	return e.Mode.String() == mode && e.Phase != switchover.Committing && e.Phase != switchover.Switching
}

// phases says what each phase means.
var phases = map[switchover.Phase]string{
	switchover.Waiting:    "serves by the logic of 1.X and waits to switch to 2.0",
	switchover.Confirming: "all members are ready and are asked once more",
	switchover.Committing: "a decision is being written",
	switchover.Switching:  "decided; members are following",
	switchover.Done:       "serves by 2.0; double write is on, so a downgrade is possible",
	switchover.Closed:     "serves by 2.0 for good; there is nothing to do",
}

// printUpgrade prints where the upgrade stands: the decision, a bar over the members, what
// it waits for, and a line for each member.
func printUpgrade(w io.Writer, body []byte) error {
	var e switchover.Explanation
	if err := json.Unmarshal(body, &e); err != nil {
		return notExplained(err)
	}
	if e.Phase != switchover.Closed { // else nobody votes any more
		ready := 0
		for _, m := range e.Members {
			if vote(m) == "yes" {
				ready++
			}
		}
		fmt.Fprintf(w, "%s  %d of %d members ready\n\n", bar(ready, len(e.Members)), ready, len(e.Members))
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "mode\t%s\tepoch %d\n", e.Mode, e.Epoch)
	fmt.Fprintf(tw, "phase\t%s\t%s\n", plain(string(e.Phase)), phases[e.Phase])
	fmt.Fprintf(tw, "double write\t%s\t\n", onOff(e.DoubleWrite))
	since := ""
	if !e.DecidedAt.IsZero() {
		since = "since " + e.DecidedAt.Local().Format(time.DateTime)
	}
	fmt.Fprintf(tw, "cause\t%s\t%s\n", plain(or(e.Cause, "-")), since)
	if err := tw.Flush(); err != nil {
		return err
	}
	if len(e.WaitsFor) > 0 {
		fmt.Fprintln(w, "\nwaits for")
		for _, s := range e.WaitsFor {
			fmt.Fprintf(w, "  %s\n", plain(s))
		}
	}
	fmt.Fprintln(w)
	fmt.Fprintln(tw, "ADDRESS\tVERSION\tSTATUS\tREADY\tMODE\tEPOCH\tSERVICES\tPENDING\tOLDEST\tHEARD")
	for _, m := range e.Members {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\t%s\n", plain(m.Address), plain(or(m.Version, "-")), plain(or(m.Status, "-")), vote(m),
			plain(or(m.Mode, "-")), m.Epoch, m.Services, m.Pending, plain(or(m.Oldest, "-")), plain(or(m.ReportAge, "-")))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, m := range e.Members {
		for _, d := range m.Differing {
			fmt.Fprintf(w, "\n%s on %s differs:\n", plain(d.Service), plain(m.Address))
			for _, s := range d.Differences {
				fmt.Fprintf(w, "  %s\n", plain(s))
			}
		}
	}
	return nil
}

// vote returns what a member said last; of one that is away it tells nothing any more.
func vote(m switchover.MemberExplanation) string {
	switch {
	case m.Ready == nil || m.Status != "alive":
		return "-"
	case *m.Ready:
		return "yes"
	}
	return "no"
}

// barWidth is the length of a progress bar in characters.
const barWidth = 30

func bar(done, all int) string {
	full := 0
	if all > 0 {
		full = barWidth * done / all
	}
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", barWidth-full) + "]"
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}
