package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"nactor/actors"
	"nactor/actors/probe"
	"nactor/actors/upgrade"
	"nactor/cluster"
	"nactor/cluster/guard"
	"nactor/cmd/nactor/config"
	"nactor/cmd/nactor/logging"
	"nactor/docs/api"
	"nactor/grpc"
	"nactor/http"
	"nactor/naming"
	"nactor/naming/wire"
	"nactor/persistence"
	"nactor/replica"
)

// Options are what a node is made from.
type Options struct {
	Config *config.Config
	Logs   *logging.Logs
	// Serving is called once, when HTTP is answered, if only to say what the node waits for. An
	// error ends the start. nil: nobody wants to know.
	Serving func(addr string) error
}

// Node is a running node.
type Node struct {
	cfg             *config.Config
	logs            *logging.Logs
	listener        net.Listener
	store           store
	raft            *persistence.Raft // the same; nil: standalone
	settings        *persistence.Settings
	views           *replica.Store
	clock           *actors.SteadyClock
	services        *actors.Services
	upgrade         *upgrade.Upgrade
	cluster         *cluster.Cluster
	push            *actors.Push
	clients         *actors.Clients
	clientsListener net.Listener
	clientFront     atomic.Pointer[grpc.Server] // nil: a node of 1.X
	prober          *probe.Prober
	front           *http.Server

	key          guard.Key
	peers        peers
	running      context.Context // ends when the services stop
	stopServices context.CancelFunc
	status       atomic.Pointer[http.Status]
	live         atomic.Pointer[actors.Services] // once they are there

	stopClients context.CancelFunc
	removed     atomic.Pointer[removedNodes]
	storeWake   chan struct{}        // capacity 1: the members of the store may have to change
	goneSince   map[string]time.Time // members of the store that are not here; keepStore's
	started     time.Time
	limitRule   *limitRule

	wg      sync.WaitGroup
	quit    chan struct{} // closed by Stop: the node's goroutines end
	ended   chan struct{} // closed when the node ended by itself
	endOnce sync.Once
	err     error // valid once ended is closed
}

// Start boots a node and returns when it serves. The error says what an operator can do;
// nothing is left running then.
func Start(ctx context.Context, o Options) (_ *Node, err error) {
	n := &Node{cfg: o.Config, logs: o.Logs, upgrade: upgrade.New(), quit: make(chan struct{}), ended: make(chan struct{}),
		storeWake: make(chan struct{}, 1), goneSince: map[string]time.Time{}, started: time.Now()}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.shutdown(context.WithoutCancel(ctx)))
		}
	}()
	if configured(n.cfg) {
		if err := n.clusterKey(); err != nil {
			return nil, err
		}
	}
	// The port first: it is the cheapest way to find out that another server is there.
	n.listener, err = n.listen("HTTP", n.cfg.Port)
	if err != nil {
		return nil, err
	}
	if err := n.listenForClients(); err != nil {
		return nil, err
	}
	if err := n.openStore(); err != nil {
		return nil, err
	}
	n.clock = actors.NewSteadyClock(nil)
	n.wg.Go(func() { n.every(actors.ObserveEvery, n.clock.Observe) })
	n.views = replica.New(n.clock.Now, func(notice replica.Notice) {
		if n.push != nil {
			n.push.Notify(notice)
		}
		if n.clients != nil && notice.New == nil {
			n.clients.Notify(notice.Key)
		}
	})
	n.settings, err = n.store.Settings(func(sw *naming.Switches) {
		if s := n.live.Load(); s != nil {
			s.SetRules(n.rules(sw))
			n.prober.Retune()
		}
	})
	if err != nil {
		return nil, err
	}
	rules := n.rules(n.settings.Switches())
	n.prober = probe.New(probe.Config{
		Logger: n.logs.Naming, Switches: n.settings.Switches,
		Report: func(ctx context.Context, key naming.Key, cmd naming.SetHealth) error {
			_, err := n.services.Do(ctx, key, cmd)
			return err
		},
	})
	services := actors.Config{
		Logger: n.logs.Naming, Clock: n.clock, Store: n.store, Views: n.views, Rules: &rules, Identity: cluster.Identity,
		Self: n.store.NodeID(), Health: n.prober, Begin: n.beginning(),
	}
	if configured(n.cfg) {
		services.Saved, services.StoreIndex = n.raft.Saved, n.raft.Index
		services.Peers, services.MinAcks, services.Silent = &n.peers, n.cfg.MinAcks, n.peers.doubt
		services.Stood = n.stoodStill
	}
	n.services = actors.NewServices(services)
	n.live.Store(n.services)
	n.services.SetRules(n.rules(n.settings.Switches())) // they may have changed meanwhile
	if configured(n.cfg) {
		// What the store held is shown before anybody asks for it.
		if err := n.services.Load(ctx, n.store.Services()); err != nil {
			return nil, fmt.Errorf("load the persistent services: %w", err)
		}
	}
	if err := n.startActors(); err != nil {
		return nil, err
	}
	n.push, err = actors.StartPush(n.cluster.System(), actors.PushConfig{
		Logger: n.logs.Push, Views: n.views, Subscribers: n.views, Switches: n.settings.Switches,
		Delay: n.cfg.PushDelay, Bind: n.cfg.BindAddress, Packet: packet,
	})
	if err != nil {
		return nil, err
	}
	n.clients = actors.NewClients(n.services)
	served, stop := context.WithCancel(context.Background())
	n.stopClients = stop
	n.wg.Go(func() { n.clients.Run(served) })
	if configured(n.cfg) {
		if err := n.serve(o.Serving); err != nil {
			return nil, err
		}
		return n, n.becomeReady(ctx)
	}
	if err := n.services.Load(ctx, n.store.Services()); err != nil {
		return nil, fmt.Errorf("load the persistent services: %w", err)
	}
	n.setStatus("UP", "")
	return n, n.serve(o.Serving)
}

// startActors starts the actors, alone or among others.
func (n *Node) startActors() (err error) {
	if configured(n.cfg) {
		running, stop := context.WithCancel(context.Background())
		n.stopServices, n.running = stop, running
		n.wg.Go(func() { n.services.Run(running) })
		if err := n.joinCluster(); err != nil {
			return err
		}
		n.configureUpgrade()
		n.wg.Go(func() { n.keepStore(running) })
		return nil
	}
	n.cluster, err = cluster.StartStandalone(cluster.Config{Logger: n.logs.Main, Kinds: n.services.Kinds()})
	if err != nil {
		return err
	}
	n.services.Place(n.cluster)
	return nil
}

// serve starts the front and the housekeeping, and tells serving.
func (n *Node) serve(serving func(addr string) error) error {
	metrics := prometheus.NewRegistry()
	// Live bytes are what a collection found in use: memory in a metric that does not swing.
	live := collectors.WithGoCollectorRuntimeMetrics(collectors.GoRuntimeMetricsRule{Matcher: regexp.MustCompile("^/gc/heap/live:bytes$")})
	metrics.MustRegister(collectors.NewGoCollector(live), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	n.measure(metrics)
	n.front = http.New(http.Config{
		Logger: n.logs.Main, Registry: n.services, Reader: n.views, Structures: n.services, Subscriptions: n.views, Audience: n.services, Settings: n.upgradeSettings(),
		Members: n, Upgrade: n, By1X: n.by1X, Owner: n.owner, SetLogLevel: n.logs.SetLevel, Inspector: n, Loader: loader{n}, Pushes: n.pushes, Checks: n.checks, Metrics: metrics, OpenAPI: api.OpenAPI, Version: n.cfg.AsVersion, Standalone: n.cfg.Mode == config.Standalone,
	})
	n.wg.Go(func() {
		if err := n.front.Serve(n.listener); err != nil {
			n.end(err)
		}
	})
	n.serveClients()
	n.wg.Go(func() {
		n.every(5*time.Second, func() { n.views.ExpireSubscribers(n.settings.Switches().SubscriptionTTL()) })
	})
	if serving == nil {
		return nil
	}
	return serving(n.Addr())
}

// every calls f now and then until the node stops.
func (n *Node) every(pause time.Duration, f func()) {
	t := time.NewTicker(pause)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			f()
		case <-n.quit:
			return
		}
	}
}

// rules joins switches and properties.
func (n *Node) rules(sw *naming.Switches) naming.Rules {
	r := naming.DefaultRules()
	r.BeatInterval = time.Duration(sw.ClientBeatInterval) * time.Millisecond
	r.HealthCheck = sw.HealthCheckEnabled
	r.Expire = n.cfg.ExpireInstance
	r.EmptyService = n.cfg.EmptyService
	r.MaxInstances = n.cfg.MaxInstances
	return r
}

// packet renders what a subscriber is pushed.
func packet(dst []byte, v *naming.View, clusters string, cacheMillis int64, now time.Time, ref int64) []byte {
	return wire.AppendPush(dst, v, wire.Query{Clusters: clusters, CacheMillis: cacheMillis, Now: now}, ref)
}

// Addr returns the address that the front listens on.
func (n *Node) Addr() string { return n.listener.Addr().String() }

// Done is closed when the node has ended by itself; Err then says why. Stop is still to be
// called.
func (n *Node) Done() <-chan struct{} { return n.ended }

// Err returns why the node ended by itself, nil while it has not.
func (n *Node) Err() error {
	select {
	case <-n.ended:
		return n.err
	default:
		return nil
	}
}

// end takes note that the node cannot go on.
func (n *Node) end(err error) {
	n.endOnce.Do(func() {
		n.err = err
		close(n.ended)
	})
}

// Stop ends the node: requests that were accepted are answered, what was promised is
// written. It returns when all is done or ctx ends.
func (n *Node) Stop(ctx context.Context) error { return n.shutdown(ctx) }

// shutdown undoes Start, as far as that came, in reverse.
func (n *Node) shutdown(ctx context.Context) error {
	var errs []error
	note := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	close(n.quit)
	if n.clients != nil {
		n.clients.Leave()
	}
	n.dismissClients(ctx)
	if n.cluster != nil && n.Err() == nil {
		n.leaveCluster(ctx)
	}
	if n.front != nil {
		note(n.front.Shutdown(ctx))
	} else if n.listener != nil {
		note(n.listener.Close())
	}
	if n.stopClients != nil {
		n.stopClients()
	}
	if n.stopServices != nil {
		n.stopServices()
	}
	n.wg.Wait()
	if n.prober != nil {
		n.prober.Stop()
	}
	if n.push != nil {
		note(n.push.Stop(ctx))
	}
	if n.cluster != nil {
		note(n.cluster.Stop(ctx))
	}
	if n.store != nil {
		note(n.store.Close())
	}
	return errors.Join(errs...)
}
