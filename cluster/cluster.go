package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	pacluster "github.com/asynkron/protoactor-go/cluster"
	"github.com/asynkron/protoactor-go/remote"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Config describes this node to the cluster.
type Config struct {
	Logger *slog.Logger
	Kinds  []*pacluster.Kind // what can be activated here; Props must not need a cluster identity in their context
}

// Cluster is this node's membership and its part in the placement of grains.
type Cluster struct {
	pa      *pacluster.Cluster
	lookup  *lookup
	started chan struct{} // closed when the framework's start routine has returned
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
	log := slog.New(warnings{cfg.Logger.Handler()})
	system := actor.NewActorSystemWithConfig(actor.Configure(
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return log }),
	))
	strategy := actor.NewOneForOneStrategy(restarts, restartWindow, func(any) actor.Directive { return actor.RestartDirective })
	l := &lookup{spawn: system.Root.Copy().WithGuardian(strategy), kinds: map[string]*actor.Props{}}
	p := &solo{up: make(chan struct{})}
	refuse := []grpc.ServerOption{
		grpc.UnaryInterceptor(func(context.Context, any, *grpc.UnaryServerInfo, grpc.UnaryHandler) (any, error) {
			return nil, errStandalone
		}),
		grpc.StreamInterceptor(func(any, grpc.ServerStream, *grpc.StreamServerInfo, grpc.StreamHandler) error {
			return errStandalone
		}),
	}
	var opts []pacluster.ConfigOption
	for _, k := range cfg.Kinds {
		opts = append(opts, pacluster.WithKinds(k))
		l.kinds[k.Kind] = k.Props
	}
	c := &Cluster{
		lookup:  l,
		started: make(chan struct{}),
		pa: pacluster.New(system, pacluster.Configure("nactor", p, l,
			remote.Configure("127.0.0.1", 0, remote.WithServerOptions(refuse...)), opts...)),
	}
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
		return c, nil
	case err := <-failed:
		return nil, err
	}
}

var errStandalone = status.Error(codes.PermissionDenied, "this node is standalone: it has no peers")

// System returns the actor system, for actors that are not grains.
func (c *Cluster) System() *actor.ActorSystem { return c.pa.ActorSystem }

// Activate returns the grain of an identity, wherever it lives, and brings it to life if
// it is not. Nil: nowhere at the moment.
func (c *Cluster) Activate(kind, identity string) *actor.PID { return c.pa.Get(identity, kind) }

// Retire tells that the activation pid of an identity is about to stop: the next Activate
// makes another. To be called before the actor stops.
func (c *Cluster) Retire(kind, identity string, pid *actor.PID) { c.lookup.forget(kind, identity, pid) }

// Stop ends all grains and leaves the cluster. Grains get no further messages.
func (c *Cluster) Stop() {
	<-c.started
	// Not graceful: that would sleep for two seconds to hand over to members that a
	// standalone node does not have.
	c.pa.Shutdown(false)
	c.pa.Gossip.Shutdown()
}
