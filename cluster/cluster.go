package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	pacluster "github.com/asynkron/protoactor-go/cluster"
	"github.com/asynkron/protoactor-go/remote"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// Config describes this node to the cluster.
type Config struct {
	Logger *slog.Logger
	Kinds  []*pacluster.Kind // what can be activated here; Props must not need a cluster identity in their context

	// The rest is not needed standalone.

	// Partition returns the share that an identity belongs to, below [Partitions].
	Partition func(identity string) int
	Gossip    Gossip
	// Remote are the options of the port between the actors: who may connect, what is let
	// through.
	Remote []remote.ConfigOption
	// Inboxes take the messages that other nodes send here, by name, each on a goroutine of
	// its own, one message at a time. They must not block. The sender is named by its id; it
	// need not be known to this node's membership yet.
	Inboxes map[string]func(from string, message proto.Message)
}

// Cluster is this node's membership and its part in the placement of grains.
type Cluster struct {
	pa         *pacluster.Cluster
	lookup     *lookup
	membership atomic.Pointer[Membership] // nil: standalone, or not joined yet
	started    chan struct{}              // closed when the framework's start routine has returned
	self       string
	lost       atomic.Pointer[func(string)]
}

// restarts is how often a grain may fail within restartWindow before it is stopped. The
// next request activates it anew.
const (
	restarts      = 10
	restartWindow = 10 * time.Second
)

// StartStandalone starts a cluster of one.
//
// Proto.Actor starts its remote in any case. Here it listens on a loopback port of the
// kernel's choice and refuses every call: unguarded, one stray call ends the process.
func StartStandalone(cfg Config) (*Cluster, error) {
	refuse := []grpc.ServerOption{
		grpc.UnaryInterceptor(func(context.Context, any, *grpc.UnaryServerInfo, grpc.UnaryHandler) (any, error) {
			return nil, errStandalone
		}),
		grpc.StreamInterceptor(func(any, grpc.ServerStream, *grpc.StreamServerInfo, grpc.StreamHandler) error {
			return errStandalone
		}),
	}
	c := &Cluster{}
	everything := func(string) bool { return true }
	return c, c.start(cfg, remote.Configure("127.0.0.1", 0, remote.WithServerOptions(refuse...)), everything)
}

var errStandalone = status.Error(codes.PermissionDenied, "this node is standalone: it has no peers")

// Start starts this node's actors and joins the others. The node is [Joining]; it owns
// nothing before Announce makes it [Ready].
func Start(cfg Config) (_ *Cluster, err error) {
	self := cfg.Gossip.Self
	bind := cmp.Or(cfg.Gossip.Bind, "0.0.0.0")
	// The framework panics when it cannot listen; this says why.
	probe, err := net.Listen("tcp", net.JoinHostPort(bind, strconv.Itoa(self.RemotePort)))
	if err != nil {
		return nil, fmt.Errorf("listen for the actors of other nodes: %w", err)
	}
	if err := probe.Close(); err != nil {
		return nil, fmt.Errorf("listen for the actors of other nodes: %w", err)
	}
	rc := remote.Configure(bind, self.RemotePort, append([]remote.ConfigOption{
		remote.WithAdvertisedHost(self.RemoteAddr()),
		// The writer's ring is allocated in full for each peer; senders here wait for
		// acknowledgements long before it is.
		remote.WithEndpointWriterQueueSize(1024), remote.WithEndpointWriterBatchSize(64),
	}, cfg.Remote...)...)
	rc.MaxRetryCount = 1 // it sleeps between attempts, with the actor's messages waiting
	c := &Cluster{self: self.ID}
	owned := func(identity string) bool {
		m := c.Membership()
		return m != nil && m.Members().Ring().Owner(cfg.Partition(identity)) == self.ID
	}
	if err := c.start(cfg, rc, owned); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.stopActors())
		}
	}()
	for name, receive := range cfg.Inboxes {
		if err := c.open(name, receive); err != nil {
			return nil, err
		}
	}
	// A connection that ends is the first sign of a process that has died.
	c.System().EventStream.Subscribe(func(event any) {
		if e, ok := event.(*remote.EndpointTerminatedEvent); ok {
			c.connectionLost(e.Address)
		}
	})
	if cfg.Gossip.Refused == nil {
		cfg.Gossip.Refused = refuses
	}
	m, err := Join(cfg.Gossip)
	if err != nil {
		return nil, err
	}
	c.membership.Store(m)
	return c, nil
}

// start starts the framework.
func (c *Cluster) start(cfg Config, rc *remote.Config, owned func(string) bool) error {
	log := slog.New(warnings{cfg.Logger.Handler()})
	system := actor.NewActorSystemWithConfig(actor.Configure(
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return log }),
	))
	strategy := actor.NewOneForOneStrategy(restarts, restartWindow, func(any) actor.Directive { return actor.RestartDirective })
	c.lookup = &lookup{spawn: system.Root.Copy().WithGuardian(strategy), kinds: map[string]*actor.Props{}, owned: owned}
	p := &provider{up: make(chan struct{})}
	var opts []pacluster.ConfigOption
	for _, k := range cfg.Kinds {
		opts = append(opts, pacluster.WithKinds(k))
		c.lookup.kinds[k.Kind] = k.Props
	}
	c.started = make(chan struct{})
	c.pa = pacluster.New(system, pacluster.Configure("nactor", p, c.lookup, rc, opts...))
	// StartMember ends with a sleep of a second, long after everything is up: the provider
	// says when that is.
	failed := make(chan error, 1)
	go func() {
		defer close(c.started)
		defer func() {
			if r := recover(); r != nil {
				failed <- fmt.Errorf("start the actor cluster: %v", r)
			}
		}()
		c.pa.StartMember()
	}()
	select {
	case <-p.up:
		return nil
	case err := <-failed:
		return err
	}
}

// System returns the actor system, for actors that are not grains.
func (c *Cluster) System() *actor.ActorSystem { return c.pa.ActorSystem }

// Membership tells who is here; nil standalone.
func (c *Cluster) Membership() *Membership { return c.membership.Load() }

// Activate returns the grain of an identity that this node owns, and brings it to life if
// it is not. Nil: it is another node's.
func (c *Cluster) Activate(kind, identity string) *actor.PID { return c.pa.Get(identity, kind) }

// Retire tells that the activation pid of an identity is about to stop: the next Activate
// makes another. To be called before the actor stops.
func (c *Cluster) Retire(kind, identity string, pid *actor.PID) { c.lookup.forget(kind, identity, pid) }

// Stop ends all grains and leaves the cluster. Grains get no further messages.
func (c *Cluster) Stop(ctx context.Context) error {
	var err error
	if m := c.Membership(); m != nil {
		err = m.Leave(ctx)
	}
	return errors.Join(err, c.stopActors())
}

func (c *Cluster) stopActors() error {
	<-c.started
	// Not graceful: that would sleep for two seconds to hand over what our own hand-over has
	// already moved.
	c.pa.Shutdown(false)
	c.pa.Gossip.Shutdown()
	return nil
}
