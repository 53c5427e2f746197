package http

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"
	"go.uber.org/goleak"

	"nactor/naming"
	"nactor/naming/dual"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// A clock for the Date header, one a process.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		// Sleeps 10 s at a time and ends when it wakes up after its server has stopped.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	)
}

// registry is a whole node in a map: services under one lock. It notes every command.
type registry struct {
	mu       sync.Mutex
	layout   dual.Layout // of new services; zero: the 2.0 structure alone
	now      naming.Instant
	services map[naming.Key]*dual.Service
	views    map[naming.Key]*naming.View
	subs     map[naming.Key][]naming.Subscriber
	commands []string
	kept     []func() string // what each command looks like now
	refused  int             // of the commands
	revision uint64
	fail     error
	most     int // instances of a service; 0: no limit
	panics   bool
	block    chan struct{} // Do waits until it is closed
	blocked  atomic.Int32  // calls that wait

	switches   *naming.Switches
	set        []string
	namespaces []naming.Namespace
	status     Status
	actors     []ActorDetail
}

func newRegistry() *registry {
	return &registry{
		now: 1, services: map[naming.Key]*dual.Service{}, views: map[naming.Key]*naming.View{}, subs: map[naming.Key][]naming.Subscriber{},
		switches: naming.DefaultSwitches(), status: Status{State: "UP"},
	}
}

func (f *registry) Do(ctx context.Context, key naming.Key, cmd naming.Command) (naming.Result, error) {
	if _, ok := ctx.(*fasthttp.RequestCtx); ok {
		panic("a RequestCtx left the front")
	}
	if f.block != nil {
		f.blocked.Add(1)
		<-f.block
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.commands = append(f.commands, describe(key, cmd))
	f.kept = append(f.kept, func() string { return describe(key, cmd) })
	if f.panics {
		panic("registry on fire")
	}
	if f.fail != nil {
		return naming.Result{}, f.fail
	}
	s := f.services[key]
	if s == nil {
		s = dual.New(key, f.layout)
	}
	e := f.step(key, s, cmd)
	if e.Err != nil {
		f.refused++
	}
	return e.Result, e.Err
}

func (f *registry) step(key naming.Key, s *dual.Service, cmd naming.Command) naming.Effects {
	rules := naming.DefaultRules()
	rules.BeatInterval = time.Duration(f.switches.ClientBeatInterval) * time.Millisecond
	rules.HealthCheck, rules.MaxInstances = f.switches.HealthCheckEnabled, f.most
	e := s.Step(naming.Env{Now: f.now, Rules: &rules}, cmd)
	if e.Err != nil {
		return naming.Effects{Err: e.Err}
	}
	f.revision++
	delete(f.views, key)
	if !e.Empty {
		f.views[key] = s.View(naming.Revision{Counter: f.revision})
	}
	delete(f.services, key)
	if !e.Empty || s.Repairs() > 0 {
		f.services[key] = s
	}
	return e
}

// pass lets time pass.
func (f *registry) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
	for key, s := range f.services {
		f.step(key, s, naming.Tick{})
	}
}

func (f *registry) ViewIn(_ context.Context, key naming.Key, x naming.Structure) (*naming.View, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return nil, f.fail
	}
	s := f.services[key]
	if s == nil {
		return nil, nil
	}
	return s.Step(naming.Env{}, naming.Show{Structure: x}).Result.Shown, nil
}

func (f *registry) ServicesIn(ctx context.Context, ns string, x naming.Structure) ([]naming.Key, error) {
	f.mu.Lock()
	var all []naming.Key
	for k := range f.services {
		all = append(all, k)
	}
	f.mu.Unlock()
	var out []naming.Key
	for _, k := range all {
		v, err := f.ViewIn(ctx, k, x)
		if err != nil {
			return nil, err
		}
		if v != nil && (ns == "" || ns == k.Namespace) {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, naming.Key.Compare)
	return out, nil
}

// by1X reports whether the 1.x structure serves.
func (f *registry) by1X() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.layout.Serves == dual.V1
}

// describe prints a command with all it points to.
func describe(key naming.Key, cmd naming.Command) string {
	inst := func(in *naming.Instance) string {
		if in == nil {
			return "nil"
		}
		return fmt.Sprintf("{%s %d %s weight=%g enabled=%t healthy=%t ephemeral=%t %v}", in.IP, in.Port, in.Cluster, in.Weight, in.Enabled, in.Healthy, in.Ephemeral, in.Metadata)
	}
	switch c := cmd.(type) {
	case naming.In:
		return fmt.Sprintf("in %v: %s", c.Structure, describe(key, c.Command))
	case naming.Register:
		return fmt.Sprintf("%v Register %s", key, inst(c.Instance))
	case naming.Beat:
		return fmt.Sprintf("%v Beat %v %s", key, c.Addr, inst(c.Instance))
	case naming.Patch:
		s := fmt.Sprintf("%v Patch %v", key, c.Addr)
		if c.Weight != nil {
			s += fmt.Sprintf(" weight=%g", *c.Weight)
		}
		if c.Enabled != nil {
			s += fmt.Sprintf(" enabled=%t", *c.Enabled)
		}
		if c.Metadata != nil {
			s += fmt.Sprintf(" metadata=%v", *c.Metadata)
		}
		return s
	}
	return fmt.Sprintf("%v %T %+v", key, cmd, cmd)
}

func (f *registry) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := f.commands
	f.commands, f.kept = nil, nil
	return out
}

func (f *registry) View(key naming.Key) *naming.View {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.views[key]
}

func (f *registry) Services(ns string) []naming.Key {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []naming.Key
	for k := range f.views {
		if k.Namespace == ns {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, naming.Key.Compare)
	return out
}

func (f *registry) Namespaces() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for k := range f.views {
		if !slices.Contains(out, k.Namespace) {
			out = append(out, k.Namespace)
		}
	}
	slices.Sort(out)
	return out
}

func (f *registry) Counts() naming.Counts {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := naming.Counts{Services: len(f.views)}
	for _, v := range f.views {
		n.Instances += len(v.Instances)
	}
	for _, s := range f.subs {
		n.Subscribers += len(s)
	}
	return n
}

func (f *registry) Subscribe(key naming.Key, s naming.Subscriber) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.subs[key] = append(f.subs[key], s)
}

// elsewhere is who is subscribed on other nodes.
var elsewhere = naming.Subscription{Key: naming.Key{Namespace: "public", Group: "far", Name: "away"}, Subscriber: naming.Subscriber{
	Addr: netip.MustParseAddrPort("10.0.0.7:54321"), Agent: "Nacos-Go-Client:v1.1.6", App: "unknown"}}

func (f *registry) SubscribersLike(_ context.Context, like naming.Key, everywhere bool) []naming.Subscription {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []naming.Subscription
	for key, subs := range f.subs {
		for _, s := range subs {
			if key.Like(like) {
				out = append(out, naming.Subscription{Key: key, Subscriber: s})
			}
		}
	}
	if everywhere && elsewhere.Key.Like(like) {
		out = append(out, elsewhere, elsewhere)
	}
	return out
}

func (f *registry) Subscribers(key naming.Key) []naming.Subscriber {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.subs[key])
}

// rig is a server with a client beside it.
type rig struct {
	t testing.TB
	*registry
	server *Server
	ln     *fasthttputil.InmemoryListener
	logs   *logs
	served chan error
}

// logs keeps what was logged.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start returns a server that serves connections.
func start(t testing.TB, change ...func(*Config)) *rig {
	t.Helper()
	r := unserved(t, change...)
	r.ln, r.served = fasthttputil.NewInmemoryListener(), make(chan error, 1)
	go func() { r.served <- r.server.Serve(r.ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := r.server.Shutdown(ctx); err != nil && !strings.Contains(err.Error(), "cut off") {
			t.Errorf("shut down: %v", err)
		}
		if err := <-r.served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return r
}

// unserved returns a server without connections: requests go to its handler, which is
// quicker by the time that an end takes.
func unserved(t testing.TB, change ...func(*Config)) *rig {
	r := &rig{t: t, registry: newRegistry(), logs: &logs{}}
	cfg := Config{
		Registry: r.registry, Reader: r.registry, Structures: r.registry, Subscriptions: r.registry, Audience: r.registry, Settings: settings{r.registry},
		Members: node{r.registry}, Inspector: node{r.registry}, Upgrade: upgraded{}, Pushes: func() PushStats { return PushStats{Sent: 7, Failed: 2, AvgCost: 3e6, MaxCost: 9e6} },
		Logger:      slog.New(slog.NewTextHandler(r.logs, nil)),
		PushAllowed: func(_, _ netip.Addr) bool { return true },
		By1X:        r.by1X,
	}
	for _, c := range change {
		c(&cfg)
	}
	r.server = New(cfg)
	return r
}

// answer is what came back.
type answer struct {
	code int
	ct   string
	body string
	head *fasthttp.ResponseHeader
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.code, a.body) }

// send sends a request; header lines are "Name: value".
func (r *rig) send(method, path, body string, headers ...string) answer {
	r.t.Helper()
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	req.Header.SetMethod(method)
	req.Header.DisableNormalizing()
	req.SetRequestURI("http://node" + contextPath + path)
	req.URI().DisablePathNormalizing = true
	if body != "" {
		req.Header.SetContentType("application/x-www-form-urlencoded;charset=UTF-8")
		req.SetBodyString(body)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	if r.ln == nil {
		resp = r.handle(req)
	} else if err := r.do(req, resp); err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer{resp.StatusCode(), string(resp.Header.ContentType()), string(resp.Body()), &resp.Header}
}

// handle hands a request to the handler, as it is read from a connection.
func (r *rig) handle(req *fasthttp.Request) *fasthttp.Response {
	r.t.Helper()
	var b bytes.Buffer
	bw := bufio.NewWriter(&b)
	var ctx fasthttp.RequestCtx
	var in fasthttp.Request
	err := errors.Join(req.Write(bw), bw.Flush(), in.Read(bufio.NewReaderSize(&b, r.server.cfg.Limits.Header)))
	if err != nil {
		r.t.Fatal(err)
	}
	ctx.Init(&in, peer, nil)
	ctx.Response.Header.SetNoDefaultContentType(true)
	r.server.fast.Handler(&ctx)
	if in.Header.IsHead() {
		ctx.Response.ResetBody()
	}
	return &ctx.Response
}

// do sends one request over a connection of its own.
func (r *rig) do(req *fasthttp.Request, resp *fasthttp.Response) error {
	c, err := r.ln.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	bw := bufio.NewWriter(c)
	if err := req.Write(bw); err != nil {
		return err
	}
	if err := bw.Flush(); err != nil {
		return err
	}
	resp.SkipBody = req.Header.IsHead()
	resp.Header.SetNoDefaultContentType(true)
	return resp.Read(bufio.NewReader(c))
}

// raw sends bytes and returns what comes back until the connection ends or falls silent.
func (r *rig) raw(b string) string {
	r.t.Helper()
	c, err := r.ln.Dial()
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	go c.Write([]byte(b))
	var out strings.Builder
	br := bufio.NewReader(c)
	for {
		resp := fasthttp.AcquireResponse()
		c.SetReadDeadline(time.Now().Add(3 * time.Second))
		if err := resp.Read(br); err != nil {
			return out.String()
		}
		fmt.Fprintf(&out, "%d %s\n", resp.StatusCode(), resp.Body())
		if resp.ConnectionClose() {
			return out.String()
		}
		if br.Buffered() == 0 {
			return out.String()
		}
	}
}
