package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// UpgradeOptions are the knobs of the benchmark of the upgrade.
type UpgradeOptions struct {
	Options               // Services: of each of the clusters whose rates are compared
	Large   int           // services of the cluster whose memory is measured
	Moved   int           // services of the cluster that switches
	Flips   int           // switches that are timed
	Limit   time.Duration // of the whole run
}

func upgradeCommand() *cobra.Command {
	o := UpgradeOptions{}
	c := &cobra.Command{
		Use:   "upgrade",
		Short: "Measure what double write costs, what its end saves, and how long a switch takes",
		Long: "Starts clusters of three nodes on loopback in temporary homes and measures, one part after the other:\n" +
			"  rates   heartbeats, registrations and deregistrations with double write on, closed, and never had, under 2.0 and under 1.X,\n" +
			"          in short turns on clusters side by side; each ratio is of values of the same round\n" +
			"  switch  nodes of 1.4.2 are replaced one by one; the time to the last node's flip, as the logs tell\n" +
			"  memory  heap, resident memory and processor time before and after the close of double write",
		SilenceUsage: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return RunUpgrade(ctx, o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := c.Flags()
	f.IntVar(&o.Services, "services", 3000, "number of services in each of the clusters whose rates are compared; 0: no rates")
	f.IntVar(&o.Large, "large", 20_000, "number of services in the cluster whose memory is measured; 0: no memory")
	f.IntVar(&o.Moved, "moved", 300, "number of services in the cluster that switches")
	f.IntVar(&o.Flips, "flips", 3, "switches that are timed; 0: none")
	f.IntVar(&o.Instances, "instances", 5, "instances a service")
	f.IntVar(&o.Connections, "connections", 48, "keep-alive connections, shared among the nodes")
	f.IntVar(&o.Rounds, "rounds", 6, "how often rates are compared; the median ratio counts")
	f.DurationVar(&o.Time, "time", time.Second, "how long each cluster gets each kind of load in a round")
	f.DurationVar(&o.Limit, "limit", 5*time.Minute, "end after this time, come what may")
	return c
}

// RunUpgrade carries out the benchmark of the upgrade and writes its tables to out,
// progress to progress.
func RunUpgrade(ctx context.Context, o UpgradeOptions, out, progress io.Writer) error {
	if o.Services < 0 || o.Large < 0 || o.Flips < 0 || o.Moved < 1 || o.Instances < 1 || o.Connections < nodes || o.Rounds < 1 || o.Time <= 0 || o.Limit <= 0 {
		return fmt.Errorf("moved, instances, rounds, time and limit must be positive, connections at least %d, nothing negative", nodes)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.Limit, fmt.Errorf("the limit of %v is over", o.Limit))
	defer cancel()
	home, err := os.MkdirTemp("", "nactor-bench-")
	if err != nil {
		return fmt.Errorf("make homes for the servers: %w", err)
	}
	defer os.RemoveAll(home)
	u := &upgradeBench{UpgradeOptions: o, home: home, out: out, progress: progress}
	parts := []struct {
		name string
		size int
		run  func(context.Context) error
	}{
		{"rates", o.Services, u.rates}, {"switch", o.Flips, u.flips}, {"memory", o.Large, u.memory},
	}
	for _, p := range parts {
		if p.size == 0 {
			continue
		}
		if err := p.run(ctx); err != nil {
			if ctx.Err() != nil {
				err = errors.Join(context.Cause(ctx), err)
			}
			return fmt.Errorf("measure %s: %w", p.name, err)
		}
	}
	return nil
}

// upgradeBench is one run of the benchmark of the upgrade.
type upgradeBench struct {
	UpgradeOptions
	home          string
	out, progress io.Writer
}

// say shows what is going on, on a line that the next one takes the place of.
func (u *upgradeBench) say(format string, args ...any) {
	fmt.Fprintf(u.progress, "\r\033[K"+format, args...)
}

// send sends a load to all nodes of a group. A request that fails is an error: every rate
// here is one of successes only.
func (u *upgradeBench) send(ctx context.Context, g *group, l Load) (Outcome, error) {
	addrs := g.addrs()
	l.Addr, l.Also, l.Connections = addrs[0], addrs[1:], u.Connections
	o, err := l.Run(ctx)
	switch {
	case err != nil:
		return o, err
	case o.Errors > 0:
		return o, fmt.Errorf("the cluster %q failed %d of %d requests, the first with: %w", g.name, o.Errors, o.Requests, o.FirstError)
	}
	return o, ctx.Err()
}

// fill registers a fleet.
func (u *upgradeBench) fill(ctx context.Context, g *group, f Fleet) error {
	u.say("%s: registering %d instances", g.name, f.Size())
	if _, err := u.send(ctx, g, Load{Count: f.Size(), Request: f.Register}); err != nil {
		return fmt.Errorf("register the fleet: %w", err)
	}
	return g.drained(ctx)
}
