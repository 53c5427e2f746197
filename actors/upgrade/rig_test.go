package upgrade

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"

	"nactor/actors"
	"nactor/naming"
	"nactor/naming/dual"
	"nactor/naming/upgrade/switchover"
)

const (
	v1x = "1.4.2"
	v2x = "2.0.4"
)

// rig is a cluster whose nodes are nothing but their part in the upgrade.
type rig struct {
	t  *testing.T
	mu sync.Mutex

	names   []string // the first that lives has the coordinator
	nodes   map[string]*testNode
	lives   int
	version uint64 // of the document
	value   []byte
	history []switchover.State
	lie     int                          // how many writes from now on are carried out and not confirmed
	fail    int                          // how many writes from now on are refused
	trap    func(n *testNode, at string) // called at each point; nil: nothing
}

// inRig runs a script with a cluster in virtual time.
func inRig(t *testing.T, script func(*testing.T, *rig)) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, names: []string{"a", "b", "c"}, nodes: map[string]*testNode{}}
		defer func() {
			for _, name := range r.names {
				if r.node(name) != nil {
					r.kill(name)
				}
			}
			time.Sleep(time.Minute) // what waits for a time-out
		}()
		script(t, r)
	})
}

// testNode is one life of a node.
type testNode struct {
	*Upgrade
	r       *rig
	name    string
	version string
	process string
	system  *actor.ActorSystem
	dead    atomic.Bool
	end     context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	lines   []string
	pid     *actor.PID
	ready   *bool
	watch   func(string, []byte, uint64)
	layouts []dual.Layout
	backlog actors.DoubleWrite
	refuse  error // of the services, to follow
}

// start begins a life of a node.
func (r *rig) start(name, version string) *testNode {
	r.t.Helper()
	r.mu.Lock()
	r.lives++
	n := &testNode{r: r, name: name, version: version, process: fmt.Sprint(name, r.lives)}
	r.mu.Unlock()
	n.system = actor.NewActorSystemWithConfig(actor.Configure(
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }),
	))
	n.Upgrade = New()
	r.mu.Lock()
	r.nodes[name] = n
	r.mu.Unlock()
	n.Configure(Config{
		Logger: slog.New(n), Clock: actors.NewClock(), Self: name, Process: n.process, Version: version, Rules: switchover.DefaultRules(),
		Delay: time.Second, Store: n, Services: n, Peers: n, Place: n, Topology: r.topology, Lacks: func() []string { return nil },
		Announce: func(ready *bool, _ bool) { n.mu.Lock(); defer n.mu.Unlock(); n.ready = ready },
		Reached:  n.reached,
	})
	if err := n.Begin(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	n.end = end
	n.running.Go(func() { n.Run(ctx) })
	return n
}

// kill ends a node's life.
func (r *rig) kill(name string) {
	n := r.node(name)
	n.dead.Store(true)
	if n.end == nil {
		return
	}
	n.end()
	n.running.Wait()
	n.mu.Lock()
	pid := n.pid
	n.pid = nil
	n.mu.Unlock()
	if pid != nil {
		n.system.Root.Stop(pid)
	}
	n.system.Shutdown()
}

func (r *rig) node(name string) *testNode {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.nodes[name]
}

// all returns the nodes that live.
func (r *rig) all() []*testNode {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*testNode
	for _, name := range r.names {
		if n := r.nodes[name]; n != nil && !n.dead.Load() {
			out = append(out, n)
		}
	}
	return out
}

// topology returns all nodes; those that do not live are expected back.
func (r *rig) topology() *Topology {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := &Topology{}
	for _, name := range r.names {
		n := r.nodes[name]
		if n == nil {
			continue
		}
		up := !n.dead.Load()
		if up && t.Owner == "" {
			t.Owner = name
		}
		n.mu.Lock()
		t.Members = append(t.Members, Member{Ready: n.ready, Member: switchover.Member{
			ID: name, Address: name, Process: n.process, Version: n.version, Status: map[bool]string{true: "alive", false: "failed"}[up], Up: up,
		}})
		n.mu.Unlock()
	}
	return t
}

// decided returns the decisions in the order in which they were written.
func (r *rig) decided() []switchover.State {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.history)
}

// until waits until cond holds.
func (r *rig) until(limit time.Duration, what string, cond func() bool) {
	r.t.Helper()
	for begun := time.Now(); !cond(); time.Sleep(10 * time.Millisecond) {
		if time.Since(begun) > limit {
			for _, n := range r.all() {
				r.t.Logf("%s:\n  %s", n.name, strings.Join(n.log(), "\n  "))
			}
			r.t.Fatalf("%s: not within %v", what, limit)
		}
	}
}

// follow waits until all that live go by a decision.
func (r *rig) follow(limit time.Duration, epoch uint64, mode switchover.Mode) {
	r.t.Helper()
	r.until(limit, fmt.Sprintf("all go by %v of epoch %d", mode, epoch), func() bool {
		return !slices.ContainsFunc(r.all(), func(n *testNode) bool { return n.State().Epoch != epoch || n.State().Mode != mode })
	})
}

// log returns what the node has written to its log.
func (n *testNode) log() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.lines)
}

// lacking returns the first of these lines that is not in the log after those before it; ""
// when all are.
func (n *testNode) lacking(lines ...string) string {
	log := n.log()
	for _, line := range lines {
		i := slices.Index(log, line)
		if i < 0 {
			return line
		}
		log = log[i+1:]
	}
	return ""
}

// Enabled implements slog.Handler.
func (n *testNode) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (n *testNode) Handle(_ context.Context, r slog.Record) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, r.Message)
	return nil
}

// WithAttrs implements slog.Handler.
func (n *testNode) WithAttrs([]slog.Attr) slog.Handler { return n }

// WithGroup implements slog.Handler.
func (n *testNode) WithGroup(string) slog.Handler { return n }

func (n *testNode) reached(point string) {
	n.r.mu.Lock()
	trap := n.r.trap
	n.r.mu.Unlock()
	if trap != nil && !n.dead.Load() {
		trap(n, point)
	}
}

// Send implements actors.Peers.
func (n *testNode) Send(to, inbox string, message proto.Message) {
	time.AfterFunc(time.Millisecond, func() {
		if target := n.r.node(to); !n.dead.Load() && target != nil && !target.dead.Load() {
			target.Inboxes()[inbox](n.name, proto.Clone(message))
		}
	})
}

// System implements actors.Placement.
func (n *testNode) System() *actor.ActorSystem { return n.system }

// Activate implements actors.Placement.
func (n *testNode) Activate(kind, identity string) *actor.PID {
	owner := n.r.topology().Owner
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.pid == nil && owner == n.name && !n.dead.Load() {
		n.pid = n.system.Root.SpawnPrefix(n.Kinds()[0].Props, kind+":"+url.QueryEscape(identity))
	}
	return n.pid
}

// Retire implements actors.Placement.
func (n *testNode) Retire(_, _ string, pid *actor.PID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if pid.Equal(n.pid) {
		n.pid = nil
	}
}

// coordinates reports whether the coordinator lives here.
func (n *testNode) coordinates() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.pid != nil
}

// Document implements Store.
func (n *testNode) Document(string) ([]byte, uint64, error) {
	n.r.mu.Lock()
	defer n.r.mu.Unlock()
	return n.r.value, n.r.version, nil
}

// OnDocument implements Store.
func (n *testNode) OnDocument(f func(string, []byte, uint64)) { n.watch = f }

var errConflict = errors.New("conflict")

// PutDocument implements Store.
func (n *testNode) PutDocument(ctx context.Context, name string, version uint64, value []byte) (uint64, error) {
	if n.dead.Load() {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	n.r.mu.Lock()
	if n.r.fail > 0 {
		n.r.fail--
		n.r.mu.Unlock()
		return 0, naming.Unavailable("the store has no leader")
	}
	if n.r.version != version {
		n.r.mu.Unlock()
		return 0, errConflict
	}
	n.r.version, n.r.value = version+1, value
	if state, err := switchover.Decode(value); err == nil {
		n.r.history = append(n.r.history, state)
	}
	lie := n.r.lie > 0
	n.r.lie--
	n.r.mu.Unlock()
	time.AfterFunc(time.Millisecond, func() {
		for _, other := range n.r.all() {
			other.watch(name, value, version+1)
		}
	})
	if lie {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	return version + 1, nil
}

// Relayout implements Services.
func (n *testNode) Relayout(_ context.Context, to dual.Layout, halfway func()) error {
	n.mu.Lock()
	err := n.refuse
	if err == nil {
		n.layouts = append(n.layouts, to)
	}
	n.mu.Unlock()
	if halfway != nil {
		halfway()
	}
	return err
}

// DoubleWrite implements Services.
func (n *testNode) DoubleWrite() actors.DoubleWrite {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.backlog
}

// layout returns the last layout that the services were told.
func (n *testNode) told() dual.Layout {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.layouts[len(n.layouts)-1]
}

// edit changes what the node's services do from now on.
func (n *testNode) edit(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f()
}
