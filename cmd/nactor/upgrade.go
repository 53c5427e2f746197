package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"nactor/naming/upgrade/switchover"
)

func upgradeCommand() *cobra.Command {
	c := &cobra.Command{Use: "upgrade", Short: "Follow a cluster on its way from 1.X to 2.0"}
	c.AddCommand(upgradeStatusCommand())
	return c
}

func upgradeStatusCommand() *cobra.Command {
	var server string
	var asJSON, watch bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Show how far the upgrade is, what it waits for, and why",
		Example: "  nactor upgrade status --server 10.0.0.1:8848\n" +
			"  nactor upgrade status --watch",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			show := func(ctx context.Context) ([]byte, error) {
				body, err := newClient(server).get(ctx, "/v1/ns/upgrade/ops/explain", nil)
				if err != nil {
					return nil, err
				}
				var b bytes.Buffer
				if asJSON {
					return b.Bytes(), printJSON(&b, body)
				}
				err = printUpgrade(&b, body)
				return b.Bytes(), err
			}
			if watch {
				return watchUpgrade(cmd.Context(), cmd.OutOrStdout(), show)
			}
			text, err := show(cmd.Context())
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&server, "server", "127.0.0.1:8848", "`host:port` of a running server")
	f.BoolVar(&watch, "watch", false, "show it anew every second until Ctrl-C")
	f.BoolVar(&asJSON, "json", false, "print the answer as JSON")
	c.MarkFlagsMutuallyExclusive("watch", "json")
	return c
}

// watchUpgrade shows the state every second, in place on a terminal. A server that does not
// answer is shown as such: it may be the one that is being replaced.
func watchUpgrade(ctx context.Context, w io.Writer, show func(context.Context) ([]byte, error)) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		text, err := show(ctx)
		if err != nil {
			text = fmt.Appendf(nil, "%v\n", err)
		}
		if ctx.Err() != nil {
			return nil
		}
		if f, ok := w.(interface{ Fd() uintptr }); ok && term.IsTerminal(int(f.Fd())) {
			text = append([]byte("\x1b[H\x1b[2J"), text...)
		} else {
			text = append(text, '\n')
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil
		}
	}
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
		return fmt.Errorf("the answer is not the state of an upgrade: %w", err)
	}
	ready := 0
	for _, m := range e.Members {
		if m.Ready != nil && *m.Ready {
			ready++
		}
	}
	fmt.Fprintf(w, "%s  %d of %d members ready\n\n", bar(ready, len(e.Members)), ready, len(e.Members))
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
		vote := "-"
		if m.Ready != nil {
			vote = map[bool]string{true: "yes", false: "no"}[*m.Ready]
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\t%s\n", plain(m.Address), plain(or(m.Version, "-")), plain(or(m.Status, "-")), vote,
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
