package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/spf13/cobra"
	"github.com/valyala/fasthttp"
)

// nodes is the size of the cluster that the benchmark starts.
const nodes = 3

func clusterCommand() *cobra.Command {
	o := Options{}
	c := &cobra.Command{
		Use:   "cluster",
		Short: "Measure what a cluster of three costs: heartbeats at the owner and elsewhere, registrations, how soon others see one",
		Long: "Starts three nodes on loopback in temporary homes, fills them, and compares in turns the heartbeats of\n" +
			"services that the node which takes them owns with those of services that another one owns.",
		SilenceUsage: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return RunCluster(cmd.Context(), o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := c.Flags()
	f.IntVar(&o.Services, "services", 1000, "number of services")
	f.IntVar(&o.Instances, "instances", 10, "instances a service")
	f.IntVar(&o.Connections, "connections", 64, "keep-alive connections")
	f.IntVar(&o.Rounds, "rounds", 3, "turns; the median ratio counts")
	f.DurationVar(&o.Time, "time", 3*time.Second, "length of one measurement")
	return c
}

// RunCluster carries out the benchmark of a cluster.
func RunCluster(ctx context.Context, o Options, out, progress io.Writer) error {
	home, err := os.MkdirTemp("", "nactor-bench-")
	if err != nil {
		return fmt.Errorf("make homes for the servers: %w", err)
	}
	defer os.RemoveAll(home)
	begin := time.Now()
	servers, err := startCluster(ctx, home)
	for _, s := range servers {
		defer s.kill()
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d nodes ready after %v\n", nodes, time.Since(begin).Round(time.Millisecond))
	fleet := Fleet{Services: o.Services, Instances: o.Instances, Prefix: "bench"}
	t := track{Options: o, addr: servers[0].addr, fleet: fleet, out: out, progress: progress}
	if err := t.registerAll(ctx); err != nil {
		return err
	}
	for i, s := range servers {
		fmt.Fprintf(out, "node %d: %d MiB resident\n", i+1, memory(s.cmd.Process.Pid)>>20)
	}
	own, err := owned(ctx, servers[0].addr, fleet)
	if err != nil {
		return err
	}
	if len(own) == 0 || len(own) == fleet.Services {
		return fmt.Errorf("node 1 owns %d of %d services: use more services", len(own), fleet.Services)
	}
	var here, elsewhere []int
	for i := range min(fleet.Size(), requestsKept) {
		if service, _, _ := fleet.address(i); own[service] {
			here = append(here, i)
		} else {
			elsewhere = append(elsewhere, i)
		}
	}
	fmt.Fprintf(out, "%-26s %10s %10s %7s\n", "", "owner's/s", "other's/s", "ratio")
	if err := t.contrast(ctx, "beat with instance", pick(here, fleet.Beat), pick(elsewhere, fleet.Beat)); err != nil {
		return err
	}
	if err := t.contrast(ctx, "light beat", pick(here, fleet.LightBeat), pick(elsewhere, fleet.LightBeat)); err != nil {
		return err
	}
	again := fleet
	again.Prefix += "-again"
	if err := t.contrast(ctx, "register (all, twice)", prebuilt(min(fleet.Size(), requestsKept), again.Register), pick(elsewhere, fleet.Register)); err != nil {
		return err
	}
	seen, err := visibility(ctx, servers[0].addr, servers[1].addr, 500)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "registered on node 1, listed by node 2: p50 %d µs, p99 %d µs, max %d µs, after the answer\n",
		seen.ValueAtQuantile(50), seen.ValueAtQuantile(99), seen.Max())
	if t.failed > 0 {
		return fmt.Errorf("%d requests failed, the first with: %w", t.failed, t.first)
	}
	return nil
}

// pick returns a request maker over some instances.
func pick(instances []int, request func(int) []byte) func(int) []byte {
	made := make([][]byte, len(instances))
	for i, n := range instances {
		made[i] = request(n)
	}
	return func(i int) []byte { return made[i%len(made)] }
}

// contrast measures two loads on the same node in turns.
func (t *track) contrast(ctx context.Context, name string, owners, others func(int) []byte) error {
	var ratios, as, bs []float64
	for range t.Rounds {
		a, err := Load{Addr: t.addr, Connections: t.Connections, Time: t.Time, Request: owners}.Run(ctx)
		if err != nil {
			return err
		}
		b, err := Load{Addr: t.addr, Connections: t.Connections, Time: t.Time, Request: others}.Run(ctx)
		if err != nil {
			return err
		}
		t.count(a)
		t.count(b)
		as, bs, ratios = append(as, a.Rate()), append(bs, b.Rate()), append(ratios, b.Rate()/a.Rate())
	}
	fmt.Fprintf(t.out, "%-26s %10.0f %10.0f %7.2f\n", name, median(as), median(bs), median(ratios))
	return nil
}

// startCluster starts the nodes and waits until all are ready.
func startCluster(ctx context.Context, home string) ([]*child, error) {
	var addrs []string
	for range nodes {
		port, err := freeBlock()
		if err != nil {
			return nil, err
		}
		addrs = append(addrs, fmt.Sprintf("127.0.0.1:%d", port))
	}
	var servers []*child
	for i, addr := range addrs {
		dir := fmt.Sprintf("%s/%d", home, i+1)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return servers, fmt.Errorf("make a home for node %d: %w", i+1, err)
		}
		s, err := startChild(addr, "server", "-m", "cluster", "-p", "embedded", "--home", dir, "-c", strings.Join(addrs, ","),
			"--set", "server.address=127.0.0.1", "--set", "server.port="+addr[strings.LastIndexByte(addr, ':')+1:])
		if err != nil {
			return servers, err
		}
		servers = append(servers, s)
	}
	for _, s := range servers {
		if err := s.ready(ctx, "http://"+s.addr+"/nacos/v1/console/health/readiness"); err != nil {
			return servers, err
		}
	}
	return servers, nil
}

// kill ends the child at once.
func (c *child) kill() {
	c.cmd.Process.Kill()
	<-c.done
}

// freeBlock returns an HTTP port whose derived ports are free too.
func freeBlock() (int, error) {
	for range 100 {
		port, err := freePort()
		if err != nil {
			return 0, err
		}
		if port > 2000 && port < 64000 && free(port-1000) && free(port+1001) && free(port+1002) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("find free ports for a node: none in a hundred tries")
}

// owned returns the services of the fleet that a node owns.
func owned(ctx context.Context, addr string, fleet Fleet) (map[string]bool, error) {
	out := map[string]bool{}
	const size = 1000
	for page := 1; ; page++ {
		query := url.Values{"node": {addr}, "name": {"@@" + fleet.Prefix + "-"}, "pageNo": {fmt.Sprint(page)}, "pageSize": {fmt.Sprint(size)}}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/nacos/v1/core/ops/actors?"+query.Encode(), nil)
		if err != nil {
			return nil, err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return nil, fmt.Errorf("ask %s for its actors: %w", addr, err)
		}
		var body struct {
			Data struct {
				Actors []struct{ Identity string }
			}
		}
		err = json.NewDecoder(resp.Body).Decode(&body)
		resp.Body.Close()
		if err != nil {
			return nil, fmt.Errorf("ask %s for its actors: %w", addr, err)
		}
		for _, a := range body.Data.Actors {
			out[a.Identity[strings.LastIndex(a.Identity, "@@")+2:]] = true
		}
		if len(body.Data.Actors) < size {
			return out, nil
		}
	}
}

// visibility registers instances on one node and measures how long after each answer
// another node lists it.
func visibility(ctx context.Context, on, at string, count int) (*hdrhistogram.Histogram, error) {
	fleet := Fleet{Services: count, Instances: 1, Prefix: fmt.Sprintf("seen-%d", time.Now().UnixMilli())}
	seen := histogram()
	for i := range count {
		if o, err := (Load{Addr: on, Connections: 1, Count: 1, Request: func(int) []byte { return fleet.Register(i) }}).Run(ctx); err != nil || o.FirstError != nil {
			return nil, fmt.Errorf("register on %s: %w", on, first(err, o.FirstError))
		}
		begin := time.Now()
		for listed := false; !listed; {
			o, err := Load{Addr: at, Connections: 1, Count: 1, Request: func(int) []byte { return fleet.List(i) },
				Check: func(r *fasthttp.Response) error {
					listed = strings.Contains(string(r.Body()), `"10.0.0.0"`)
					return nil
				}}.Run(ctx)
			if err != nil || o.FirstError != nil {
				return nil, fmt.Errorf("list on %s: %w", at, first(err, o.FirstError))
			}
			if time.Since(begin) > 10*time.Second {
				return nil, fmt.Errorf("%s does not list what was registered on %s", at, on)
			}
		}
		seen.RecordValue(max(1, time.Since(begin).Microseconds()))
	}
	return seen, nil
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
