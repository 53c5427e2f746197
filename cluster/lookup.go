package cluster

import (
	"hash/maphash"
	"net/url"
	"strings"
	"sync"

	"github.com/asynkron/protoactor-go/actor"
	pacluster "github.com/asynkron/protoactor-go/cluster"
)

// lookup is the IdentityLookup: it activates the identities that this node owns and knows
// the active ones. What another node owns it does not find: requests for it go to that
// node as messages, so that state can move before requests do.
type lookup struct {
	spawn  *actor.RootContext
	kinds  map[string]*actor.Props
	owned  func(identity string) bool // by this node
	shards [64]activations
}

type activations struct {
	sync.Mutex
	pids map[string]*actor.PID // by kind and identity
}

var seed = maphash.MakeSeed()

func (l *lookup) shard(key string) *activations {
	return &l.shards[maphash.String(seed, key)%uint64(len(l.shards))]
}

// Get returns the activation of an identity, made now if there is none. An activation that
// is there counts also after its identity has been given to another node: it has to finish.
func (l *lookup) Get(ci *pacluster.ClusterIdentity) *actor.PID {
	props := l.kinds[ci.Kind]
	if props == nil {
		return nil
	}
	key := ci.AsKey()
	s := l.shard(key)
	s.Lock()
	defer s.Unlock()
	if pid := s.pids[key]; pid != nil {
		return pid
	}
	if !l.owned(ci.Identity) {
		return nil
	}
	pid := l.spawn.SpawnPrefix(props, processName(ci.Kind, ci.Identity))
	if s.pids == nil {
		s.pids = map[string]*actor.PID{}
	}
	s.pids[key] = pid
	return pid
}

// RemovePid forgets an activation that turned out to be dead.
func (l *lookup) RemovePid(ci *pacluster.ClusterIdentity, pid *actor.PID) {
	l.forget(ci.Kind, ci.Identity, pid)
}

// Setup and Shutdown have nothing to do: the lookup is made ready before the start, and
// the actor system stops its actors.
func (l *lookup) Setup(*pacluster.Cluster, []string, bool) {}

// Shutdown is part of the IdentityLookup contract; see Setup.
func (l *lookup) Shutdown() {}

func (l *lookup) forget(kind, identity string, pid *actor.PID) {
	key := pacluster.NewClusterIdentity(identity, kind).AsKey()
	s := l.shard(key)
	s.Lock()
	defer s.Unlock()
	if held := s.pids[key]; held != nil && held.Equal(pid) {
		delete(s.pids, key)
	}
}

// processName is the readable part of a grain's process id; the framework appends "$" and
// a number. Escaped, since "/" separates the parts of an address there.
func processName(kind, identity string) string { return kind + ":" + url.QueryEscape(identity) }

// Identity returns the identity of a grain from its process id.
func Identity(pid *actor.PID) string {
	_, name, _ := strings.Cut(pid.Id, ":")
	if i := strings.LastIndexByte(name, '$'); i >= 0 {
		name = name[:i]
	}
	identity, err := url.QueryUnescape(name)
	if err != nil {
		return name // not a grain of ours
	}
	return identity
}
