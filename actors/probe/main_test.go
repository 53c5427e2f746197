package probe

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nactor/naming"
	"nactor/naming/namingtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestImports(t *testing.T) { namingtest.Imports(t, "nactor/actors/probe", "nactor/naming") }

var key = naming.Key{Namespace: "public", Group: "DEFAULT_GROUP", Name: "s"}

// view shows a service with these instances, which must be in the order of their addresses.
func view(meta *naming.ServiceMeta, instances ...*naming.Instance) *naming.View {
	return &naming.View{Key: key, Meta: meta, Instances: instances}
}

func persistent(ip string, healthy bool) *naming.Instance {
	return &naming.Instance{IP: ip, Port: 80, Cluster: naming.DefaultCluster, Weight: 1, Enabled: true, Healthy: healthy}
}

// withChecker is the metadata of a service whose cluster DEFAULT is checked so.
func withChecker(c naming.HealthChecker) *naming.ServiceMeta {
	return &naming.ServiceMeta{Clusters: []naming.ClusterMeta{{Name: naming.DefaultCluster, CheckPort: 80, UseInstancePort: true, Checker: c}}}
}

// world is what a prober under test checks and reports to: addresses answer as told, and
// an owner shows the changes that are reported.
type world struct {
	*Prober

	switches atomic.Pointer[naming.Switches]

	mu      sync.Mutex
	answer  func(ctx context.Context, address string) (net.Conn, error)
	dialled []string
	reports []naming.SetHealth
	refuse  error        // of reports
	shown   *naming.View // nil: reports are not shown
}

// start starts a prober on a world where every address accepts connections.
func start(t testing.TB, cfg Config) *world {
	w := &world{answer: accept}
	w.switches.Store(naming.DefaultSwitches())
	cfg.Switches = w.switches.Load
	cfg.Report = w.report
	cfg.Dial = func(ctx context.Context, _, address string) (net.Conn, error) {
		w.mu.Lock()
		w.dialled = append(w.dialled, address)
		answer := w.answer
		w.mu.Unlock()
		return answer(ctx, address)
	}
	w.Prober = New(cfg)
	t.Cleanup(w.Stop)
	return w
}

func accept(context.Context, string) (net.Conn, error) { return nobody{}, nil }

// nobody is a connection whose other end says nothing and goes away.
type nobody struct{ net.Conn }

func (nobody) Close() error                    { return nil }
func (nobody) Read([]byte) (int, error)        { return 0, io.EOF }
func (nobody) Write(b []byte) (int, error)     { return len(b), nil }
func (nobody) SetDeadline(time.Time) error     { return nil }
func (nobody) SetReadDeadline(time.Time) error { return nil }

// fails is an answer.
func fails(err error) func(context.Context, string) (net.Conn, error) {
	return func(context.Context, string) (net.Conn, error) { return nil, err }
}

func hangs(ctx context.Context, _ string) (net.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (w *world) report(_ context.Context, k naming.Key, c naming.SetHealth) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if k != key || !c.Probe {
		return errors.New("a report that nobody asked for")
	}
	w.reports = append(w.reports, c)
	if w.refuse != nil || w.shown == nil {
		return w.refuse
	}
	next := view(w.shown.Meta)
	for _, in := range w.shown.Instances {
		if in.Addr() == c.Addr {
			changed := *in
			changed.Healthy = c.Healthy
			in = &changed
		}
		next.Instances = append(next.Instances, in)
	}
	w.shown = next
	w.Watch(next)
	return nil
}

// show shows a view, upon which reports are shown too.
func (w *world) show(v *naming.View) {
	w.mu.Lock()
	w.shown = v
	w.mu.Unlock()
	w.Watch(v)
}

func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// taken returns what was dialled and reported since the last call.
func (w *world) taken() (dialled []string, reports []naming.SetHealth) {
	w.mu.Lock()
	defer w.mu.Unlock()
	dialled, reports = w.dialled, w.reports
	w.dialled, w.reports = nil, nil
	return dialled, reports
}
