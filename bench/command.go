package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/valyala/fasthttp"
)

// Options are the knobs of the benchmark.
type Options struct {
	Server      string // empty: a server of its own, in a temporary home
	Services    int
	Instances   int // a service
	Connections int
	Rounds      int
	Time        time.Duration // of one measurement
	Persistent  bool
}

// Command returns the sub-command "bench".
func Command() *cobra.Command {
	o := Options{}
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure registrations, heartbeats and queries beside a bare handler",
		Long: "Registers services × instances, then sends heartbeats and queries, in turns with a bare fasthttp\n" +
			"handler that answers as many bytes, and prints rates, latencies and the ratio of the two.\n" +
			"Without --server it starts a standalone server of its own in a temporary home.\n" +
			"Load is sent to the given server only; it ends by itself.",
		SilenceUsage: true,
		Args:         cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return Run(cmd.Context(), o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := c.Flags()
	f.StringVar(&o.Server, "server", "", "host:port of a running server")
	f.IntVar(&o.Services, "services", 1000, "number of services")
	f.IntVar(&o.Instances, "instances", 10, "instances a service")
	f.IntVar(&o.Connections, "connections", 64, "keep-alive connections")
	f.IntVar(&o.Rounds, "rounds", 3, "turns; the median ratio counts")
	f.DurationVar(&o.Time, "time", 3*time.Second, "length of one measurement")
	f.BoolVar(&o.Persistent, "persistent", false, "register persistent instances (no heartbeats)")
	c.AddCommand(bareCommand(), clusterCommand(), upgradeCommand(), connectionsCommand())
	return c
}

func bareCommand() *cobra.Command {
	var listen string
	var size int
	c := &cobra.Command{
		Use: "bare", Short: "Serve the bare handler that the benchmark compares with", Hidden: true, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			ln, err := net.Listen("tcp", listen)
			if err != nil {
				return fmt.Errorf("listen: %w", err)
			}
			return ServeBare(ln, size)
		},
	}
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:0", "address")
	c.Flags().IntVar(&size, "size", 2, "bytes of each answer")
	return c
}

// Run carries out the benchmark and writes its table to out, progress to progress. The
// error is about the set-up, or says that requests failed.
func Run(ctx context.Context, o Options, out, progress io.Writer) (err error) {
	if o.Services < 1 || o.Instances < 1 || o.Connections < 1 || o.Rounds < 1 || o.Time <= 0 {
		return errors.New("services, instances, connections, rounds and time must be positive")
	}
	addr, pid := o.Server, 0
	if addr == "" {
		home, err := os.MkdirTemp("", "nactor-bench-")
		if err != nil {
			return fmt.Errorf("make a home for the server: %w", err)
		}
		defer os.RemoveAll(home)
		begin := time.Now()
		server, err := startServer(ctx, home)
		if err != nil {
			return err
		}
		defer server.stop()
		addr, pid = server.addr, server.cmd.Process.Pid
		fmt.Fprintf(out, "server of its own: ready after %v, %d MiB resident\n", time.Since(begin).Round(time.Millisecond), memory(pid)>>20)
	}
	t := track{Options: o, addr: addr, pid: pid, out: out, progress: progress,
		fleet: Fleet{Services: o.Services, Instances: o.Instances, Prefix: fmt.Sprintf("bench-%d", time.Now().UnixMilli()), Persistent: o.Persistent}}
	if err := t.registerAll(ctx); err != nil {
		return err
	}
	if pid != 0 {
		fmt.Fprintf(out, "server holds %d instances in %d MiB resident\n", t.fleet.Size(), memory(pid)>>20)
	}
	t.header()
	again := t.fleet
	again.Prefix += "-again"
	contests := []contest{{name: "register", request: again.Register}}
	if !o.Persistent {
		contests = append(contests,
			contest{name: "beat with instance", request: t.fleet.Beat},
			contest{name: "light beat", request: t.fleet.LightBeat})
	}
	contests = append(contests, contest{name: fmt.Sprintf("list of %d", o.Instances), request: t.fleet.List})
	for _, c := range contests {
		if err := t.compare(ctx, c); err != nil {
			return err
		}
	}
	if t.failed > 0 {
		return fmt.Errorf("%d requests failed, the first with: %w", t.failed, t.first)
	}
	return nil
}

// answerSize asks once and returns how long the answer's body is.
func answerSize(addr string, request []byte) (int, error) {
	size := 0
	o, err := Load{Addr: addr, Connections: 1, Count: 1, Request: func(int) []byte { return request },
		Check: func(r *fasthttp.Response) error {
			size = len(r.Body())
			if code := r.StatusCode(); code != fasthttp.StatusOK {
				return fmt.Errorf("status %d: %.200s", code, r.Body())
			}
			return nil
		}}.Run(context.Background())
	if err == nil {
		err = o.FirstError
	}
	return size, err
}
