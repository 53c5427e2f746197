package probe

import (
	"cmp"
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"nactor/naming"
)

// Config is what a prober needs of its node. Switches and Report must be set.
type Config struct {
	Logger   *slog.Logger // nil: silent
	Switches func() *naming.Switches

	// Report carries out a change of health, and returns once it is carried out or has
	// failed. A change whose report failed is reported again after the next check that finds
	// it; so may be one whose view has not been shown yet. Called by several goroutines.
	Report func(context.Context, naming.Key, naming.SetHealth) error

	Concurrency int // checks under way at once; 0: 64 for each core
	MySQL       int // of these, checks by MYSQL, which take long where a server hangs; 0: a quarter
	Rate        int // checks a second beyond which intervals grow; 0: 1000 for each core

	// Dial opens connections; nil: over the network. Addresses that must not be asked by
	// HTTP are refused before it is called, but names are its own to resolve.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// reportTimeout bounds a report: an owner that does not answer holds up the checks that
// share its slot.
const reportTimeout = 5 * time.Second

// Prober checks the persistent instances of the services it watches and reports changes of
// their health. Its methods may be called by several goroutines; those for one service
// must be called in the order of its views.
type Prober struct {
	cfg      Config
	dialTCP  func(ctx context.Context, network, address string) (net.Conn, error)
	dialHTTP func(ctx context.Context, network, address string) (net.Conn, error)
	began    time.Time

	ctx     context.Context // ends with Stop
	cancel  context.CancelFunc
	running sync.WaitGroup // the scheduler
	checks  sync.WaitGroup // started by the scheduler only
	slots   chan struct{}
	wake    chan struct{} // the first target in due has changed

	mu       sync.Mutex
	services map[naming.Key]*service
	targets  int // of all services
	due      queue
	bySQL    int       // checks by MYSQL under way
	waiting  []*target // due, until there are fewer of these; some may be gone
	bounds   bounds    // as last seen by Retune
	stopped  bool

	watched atomic.Int64 // len(services), for those who have nothing to be watched
	tcp     atomic.Int64
	http    atomic.Int64
	mysql   atomic.Int64

	unreported, unlearnt complaint
}

// service is what is watched of one service.
type service struct {
	targets []*target        // in the order of the view
	plans   map[string]*plan // of clusters with settings of their own
}

// target is one instance to check. Guarded by Prober.mu, except what never changes.
type target struct {
	key  naming.Key  // never changes
	addr naming.Addr // never changes

	plan       *plan
	healthy    bool // as last shown
	gone       bool // not watched any more
	ok, failed int  // in a row, against what is shown

	interval time.Duration // the adapted one; Nacos's checkRtNormalized
	due      time.Duration // since Prober.began
	index    int           // in Prober.due; -1: not in it
}

// New starts a prober that watches nothing. It must be stopped.
func New(cfg Config) *Prober {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Concurrency <= 0 {
		cfg.Concurrency = 64 * runtime.GOMAXPROCS(0)
	}
	if cfg.MySQL <= 0 {
		cfg.MySQL = max(cfg.Concurrency/4, 1)
	}
	if cfg.Rate <= 0 {
		cfg.Rate = 1000 * runtime.GOMAXPROCS(0)
	}
	p := &Prober{
		cfg: cfg, dialTCP: cfg.Dial, dialHTTP: cfg.Dial, began: time.Now(),
		slots: make(chan struct{}, cfg.Concurrency), wake: make(chan struct{}, 1),
		services: make(map[naming.Key]*service), bounds: boundsOf(cfg.Switches()),
	}
	if cfg.Dial == nil {
		p.dialTCP, p.dialHTTP = dialers()
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.running.Go(p.schedule)
	return p
}

// Stop ends all checks and waits for those under way, reports included. It returns within
// a second unless a report ignores its context. Whatever is shown later is not watched.
func (p *Prober) Stop() {
	p.mu.Lock()
	p.stopped = true
	p.mu.Unlock()
	p.cancel()
	p.running.Wait()
	p.checks.Wait()
}

// Watch takes v as the state of its service, in place of what was shown before: instances
// that are new are checked from now on, those that are gone no longer. It never waits for a
// check, keeps nothing of v, and returns at once when there is nothing to check: no
// persistent instance that is enabled, or only in clusters that are not checked.
func (p *Prober) Watch(v *naming.View) {
	n := 0
	for _, in := range v.Instances {
		if checkable(in) {
			n++
		}
	}
	if n == 0 {
		p.Forget(v.Key)
		return
	}
	first := millis(p.cfg.Switches().TCPHealthParams.Max)
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.stopped {
		p.watch(v, n, first)
	}
}

func checkable(in *naming.Instance) bool { return !in.Ephemeral && in.Enabled }

// watch merges the n instances to check of v with the targets there are. Both are sorted by
// address. p.mu is held.
func (p *Prober) watch(v *naming.View, n int, jitter time.Duration) {
	s := p.services[v.Key]
	if s == nil {
		s = &service{}
		p.services[v.Key] = s
	}
	now := time.Since(p.began)
	old, targets, plans := s.targets, make([]*target, 0, n), map[string]*plan(nil)
	cluster, pl, known := "", (*plan)(nil), false
	for _, in := range v.Instances {
		if !checkable(in) {
			continue
		}
		if !known || in.Cluster != cluster {
			cluster, known = in.Cluster, true
			sp := specOf(v.Meta, cluster)
			switch {
			case sp == spec{}:
				pl = plain
			case sp.kind != kindNone:
				if pl = plans[cluster]; pl == nil {
					if pl = s.plans[cluster]; pl == nil || pl.spec != sp {
						pl = newPlan(sp)
					}
					if plans == nil {
						plans = make(map[string]*plan)
					}
					plans[cluster] = pl
				}
			default:
				pl = nil
			}
		}
		if pl == nil {
			continue
		}
		c := -1
		for len(old) > 0 {
			if c = compare(old[0].addr, in); c >= 0 {
				break
			}
			p.drop(old[0])
			old = old[1:]
		}
		if len(old) > 0 && c == 0 {
			old[0].show(pl, in.Healthy)
			targets = append(targets, old[0])
			old = old[1:]
			continue
		}
		t := &target{key: v.Key, addr: in.Addr(), plan: pl, healthy: in.Healthy, index: -1}
		t.interval = firstCheck + rand.N(rand.N(max(jitter, 1))+1)
		p.targets++
		targets = append(targets, t)
		p.enqueue(t, now+t.interval)
	}
	for _, t := range old {
		p.drop(t)
	}
	s.targets, s.plans = targets, plans
	if len(targets) == 0 {
		delete(p.services, v.Key)
	}
	p.watched.Store(int64(len(p.services)))
}

// show takes what a view says of the instance. A streak counts towards a change from what
// is shown, by one kind of check.
func (t *target) show(pl *plan, healthy bool) {
	if t.plan != pl || t.healthy != healthy {
		t.ok, t.failed = 0, 0
	}
	t.plan, t.healthy = pl, healthy
}

// compare orders addresses as a view's instances are ordered.
func compare(a naming.Addr, in *naming.Instance) int {
	if c := strings.Compare(a.IP, in.IP); c != 0 {
		return c
	}
	if c := cmp.Compare(a.Port, in.Port); c != 0 {
		return c
	}
	return strings.Compare(a.Cluster, in.Cluster)
}

// Forget ends the checks of a service. What a check under way finds is not reported, unless
// its report has begun.
func (p *Prober) Forget(key naming.Key) {
	if p.watched.Load() == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.services[key]
	if s == nil {
		return
	}
	for _, t := range s.targets {
		p.drop(t)
	}
	delete(p.services, key)
	p.watched.Store(int64(len(p.services)))
}

// drop ends the checks of one instance. p.mu is held.
func (p *Prober) drop(t *target) {
	t.gone = true
	p.targets--
	p.due.remove(t)
}

// Stats are the work of a prober, for metrics.
type Stats struct {
	Services, Instances int // watched now

	// Checks since the start; Nacos's tcpHealthCheck, httpHealthCheck, mysqlHealthCheck.
	TCP, HTTP, MySQL int64
}

// Stats returns the numbers of now.
func (p *Prober) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Stats{Services: len(p.services), Instances: p.targets, TCP: p.tcp.Load(), HTTP: p.http.Load(), MySQL: p.mysql.Load()}
}
