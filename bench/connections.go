package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"nactor/naming/upgrade/switchover"
)

// ConnectionsOptions are the knobs of the benchmark of connections.
type ConnectionsOptions struct {
	Connections int           // clients of 2.x on one node, each with a service of its own
	Subscribers int           // more clients there, each with a service that it subscribes to
	Changes     int           // that each measurement of pushes takes
	Rate        int           // changes a second
	Limit       time.Duration // of the whole run
}

func connectionsCommand() *cobra.Command {
	o := ConnectionsOptions{}
	c := &cobra.Command{
		Use:   "connections",
		Short: "Measure what thousands of clients of 2.x cost a node, and how soon subscribers are pushed",
		Long: "Starts three nodes on loopback in temporary homes, connects clients of 2.x to one of them, measures the\n" +
			"memory that it takes for each, and the time from a registration on another node to the subscriber; then\n" +
			"all go, half of them without a word, and what is left is compared with what was before.",
		SilenceUsage: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return RunConnections(ctx, o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := c.Flags()
	f.IntVar(&o.Connections, "connections", 5000, "clients on one node, each with an instance of a service of its own")
	f.IntVar(&o.Subscribers, "subscribers", 500, "more clients on the same node, each with a service that it is subscribed to")
	f.IntVar(&o.Changes, "changes", 2000, "registrations in each measurement of pushes")
	f.IntVar(&o.Rate, "rate", 200, "registrations a second in these")
	f.DurationVar(&o.Limit, "limit", 3*time.Minute, "end after this time, come what may")
	return c
}

const (
	workers     = 64              // clients that connect or register at the same time
	publishers  = 20              // clients on another node whose registrations are pushed
	healthEvery = 5 * time.Second // SDKs say that they are there when they were silent for so long
	askedPush   = 50 * time.Millisecond

	// What may be left of each client that came and went a second time, bytes: the feed of changes
	// and the table of actors' names have not reached their full size. (An actor that is left takes
	// 4.5 KiB.) And of goroutines and files, which nodes also need for each other.
	allowedHeap   = 2048
	unevenHeap    = 1 << 20 // what a node does anyway
	allowedOthers = 20
)

// emptyTime makes services without instances go after this time, not after Nacos's minute.
const emptyTime = 2 * time.Second

// RunConnections carries out the benchmark of connections.
func RunConnections(ctx context.Context, o ConnectionsOptions, out, progress io.Writer) error {
	if o.Connections < 1 || o.Subscribers < 1 || o.Changes < 1 || o.Rate < 1 || o.Limit <= 0 {
		return errors.New("connections, subscribers, changes, rate and limit must be positive")
	}
	if err := descriptors(o.Connections + o.Subscribers); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.Limit, fmt.Errorf("the limit of %v is over", o.Limit))
	defer cancel()
	home, err := os.MkdirTemp("", "nactor-bench-")
	if err != nil {
		return fmt.Errorf("make homes for the servers: %w", err)
	}
	defer os.RemoveAll(home)
	g, err := newGroup("connections", home, append([]string{
		"--set", "nacos.naming.clean.empty-service.expired-time=" + strconv.FormatInt(emptyTime.Milliseconds(), 10)}, without1X...)...)
	if err != nil {
		return err
	}
	defer g.end()
	b := &connectionsBench{ConnectionsOptions: o, group: g, out: out, progress: progress, pushes: &pushes{}}
	defer b.dismiss()
	if err := b.run(ctx); err != nil {
		if ctx.Err() != nil {
			err = errors.Join(context.Cause(ctx), err)
		}
		return fmt.Errorf("measure connections: %w", err)
	}
	return nil
}

// descriptors checks that this process, and a node, may have so many connections. Go has
// raised the limit as far as it may.
func descriptors(connections int) error {
	const others = 500
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("ask for the limit of file descriptors: %w", err)
	}
	if need := uint64(connections + others); limit.Cur < need {
		return fmt.Errorf("%d connections need %d file descriptors, %d are allowed: raise the limit (ulimit -n %d, as root ulimit -Hn first) or use fewer --connections", connections, need, limit.Cur, need)
	}
	return nil
}

// connectionsBench is one run of the benchmark of connections. The first node registers, the
// second has the clients.
type connectionsBench struct {
	ConnectionsOptions
	group         *group
	out, progress io.Writer
	pushes        *pushes
	publishers    []*Client

	mu      sync.Mutex
	clients []*Client // all that are open
	missed  []string  // what was asked for and is not there
}

func (b *connectionsBench) say(format string, args ...any) {
	fmt.Fprintf(b.progress, "\r\033[K"+format, args...)
}

// node returns where a node takes requests, and where clients of 2.x connect.
func (b *connectionsBench) node(i int) (http, grpc string) {
	http = b.group.members[i].addr
	host, port, _ := net.SplitHostPort(http)
	n, _ := strconv.Atoi(port)
	return http, net.JoinHostPort(host, strconv.Itoa(n+1000))
}

func (b *connectionsBench) run(ctx context.Context) error {
	b.say("starting a cluster")
	if err := b.group.launchAll(); err != nil {
		return err
	}
	if err := b.group.serve(ctx); err != nil {
		return err
	}
	if _, err := b.group.goes(ctx, switchover.V2, false); err != nil {
		return err
	}
	there, _ := b.node(1)
	before, err := SettledUsage(ctx, there)
	if err != nil {
		return err
	}
	bare, err := startBare(ctx, 2)
	if err != nil {
		return err
	}
	defer bare.kill()
	b.pushes.bare = bare.addr
	if err := b.subscribe(ctx); err != nil {
		return err
	}
	table := &usageTable{}
	table.add("at the start", before)
	subscribed, err := SettledUsage(ctx, there)
	if err != nil {
		return err
	}
	table.add(fmt.Sprintf("%d subscribers", b.Subscribers), subscribed)
	if err := b.measure(ctx, "no other clients"); err != nil {
		return err
	}
	base, err := SettledUsage(ctx, there)
	if err != nil {
		return err
	}
	begin := time.Now()
	many, err := b.connect(ctx, 1, b.Connections, "connecting")
	if err != nil {
		return err
	}
	connectTime := time.Since(begin)
	var alive sync.WaitGroup
	living, die := context.WithCancel(ctx)
	defer alive.Wait()
	defer die()
	alive.Go(func() { b.live(living, many) })
	connected, err := SettledUsage(ctx, there)
	if err != nil {
		return err
	}
	table.add(fmt.Sprintf("%d connected", b.Connections), connected)
	if err := b.measure(ctx, fmt.Sprintf("%d idle", b.Connections)); err != nil {
		return err
	}
	begin = time.Now()
	if err := b.register(ctx, many); err != nil {
		return err
	}
	registerTime := time.Since(begin)
	registered, err := SettledUsage(ctx, there)
	if err != nil {
		return err
	}
	table.add(fmt.Sprintf("%d registered", b.Connections), registered)
	if err := b.measure(ctx, fmt.Sprintf("%d registered", b.Connections)); err != nil {
		return err
	}
	if err := b.fanOut(ctx); err != nil {
		return err
	}
	if err := b.overUDP(ctx); err != nil {
		return err
	}
	die()
	alive.Wait()
	left, err := b.leave(ctx, there, before)
	if err != nil {
		return err
	}
	table.add("all gone", left)
	again, err := b.again(ctx, there, before)
	if err != nil {
		return err
	}
	table.add("come and gone again", again)
	b.say("")
	fmt.Fprintf(b.out, "%d nodes; %d clients connected in %v (%.0f/s), registered in %v (%.0f/s)\n\n", nodes,
		b.Connections, connectTime.Round(time.Millisecond), float64(b.Connections)/connectTime.Seconds(),
		registerTime.Round(time.Millisecond), float64(b.Connections)/registerTime.Seconds())
	if err := table.print(b.out, base, connected, registered, b.Connections); err != nil {
		return err
	}
	if err := b.pushes.print(b.out); err != nil {
		return err
	}
	b.judge(before, left, again)
	return nil
}

// judge compares with what was asked for. Maps, pools and the runtime's records of goroutines
// stay as large as they were needed once; what is left by clients that come and go a second time
// would go on growing.
func (b *connectionsBench) judge(before, left, again Usage) {
	for _, p := range b.pushes.done {
		p99 := time.Duration(p.latency.ValueAtQuantile(99)) * time.Microsecond
		if !p.asked {
			continue
		}
		if p.lost > 0 {
			b.miss("%d pushes were lost with %s", p.lost, p.name)
		}
		if p99 > askedPush {
			b.miss("push p99 of %v with %s: %v are asked for", p99.Round(100*time.Microsecond), p.name, askedPush)
		}
	}
	clients := int64(b.Connections + b.Subscribers)
	if more := (again.Heap - left.Heap - unevenHeap) / clients; more > allowedHeap {
		b.miss("%d bytes of heap are left for each client that came and went a second time: %d are allowed", more, allowedHeap)
	}
	if more := again.Goroutines - before.Goroutines; more > allowedOthers {
		b.miss("%d goroutines are left", more)
	}
	if more := again.Files - before.Files; more > allowedOthers {
		b.miss("%d file descriptors are left", more)
	}
	for _, m := range b.missed {
		fmt.Fprintln(b.out, "MISSED:", m)
	}
	if len(b.missed) == 0 {
		fmt.Fprintf(b.out, "met: pushed within %v (p99), nothing left\n", askedPush)
	}
}
