package simtest

import (
	"context"
	"errors"
	"maps"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"nactor/actors"
	"nactor/actors/upgrade"
	"nactor/cluster"
	"nactor/cluster/simnet"
	"nactor/naming"
	"nactor/replica"
)

// node is one life of a server process, wired as package node wires it but for its ports:
// those are the network's.
type node struct {
	w    *world
	name string
	host *simnet.Host
	born time.Time
	life context.Context // ends when the process does
	die  context.CancelFunc

	clock      *actors.SteadyClock
	views      *replica.Store
	services   *actors.Services
	version    string           // of Nacos, as it presents itself
	upgrade    *upgrade.Upgrade // nil: the world has none
	begun      atomic.Bool      // it goes by what was decided
	onDocument atomic.Pointer[func(string, []byte, uint64)]
	refusal    atomic.Pointer[error]
	place      *place
	store      store
	membership atomic.Pointer[cluster.Membership]

	wg       sync.WaitGroup // of what runs while the process lives
	running  context.Context
	halt     context.CancelFunc
	inflight sync.WaitGroup // requests of clients
	serving  atomic.Bool
}

const serfPort = 7946

// boot starts a process on a host. It is not ready when boot returns.
func (w *world) boot(name string) *node {
	time.Sleep(5 * time.Millisecond) // lives are told apart by their beginning
	n := &node{w: w, name: name, host: w.net.Boot(name), born: time.Now(), clock: actors.NewSteadyClock(nil), version: w.version(name)}
	n.life, n.die = context.WithCancel(context.Background())
	n.views = replica.New(n.clock.Now, n.shown)
	n.subscribe()
	n.store = store{w.ledger, n}
	rules := naming.DefaultRules()
	config := actors.Config{
		Logger: w.log(name), Clock: n.clock, Store: n.store, Views: n.views, Rules: &rules, Identity: cluster.Identity,
		Self: name, Peers: n, MinAcks: w.minAcks, Saved: n.store.saved, StoreIndex: n.store.index, Silent: n.doubt,
	}
	if w.upgrades {
		n.upgrade, config.Begin = upgrade.New(), n.beginning()
	}
	n.services = actors.NewServices(config)
	kinds, inboxes := n.services.Kinds(), n.services.Inboxes()
	if w.upgrades {
		kinds = append(kinds, n.upgrade.Kinds()...)
		maps.Copy(inboxes, n.upgrade.Inboxes())
	}
	n.place = newPlace(kinds, n.owns, w.quiet())
	n.services.Place(n.place)
	for inbox, receive := range inboxes {
		n.host.Open(inbox, receive)
	}
	n.host.OnLost(n.connectionLost)
	running, halt := context.WithCancel(context.Background())
	n.running, n.halt = running, halt
	n.wg.Go(func() { n.services.Run(running) })
	n.wg.Go(n.store.follow)
	n.wg.Go(n.observe)
	m, err := cluster.Join(cluster.Gossip{
		Self: cluster.Member{
			ID: name, Host: n.host.IP(), HTTPPort: 8848, RemotePort: 9849, RaftPort: 7848, SerfPort: serfPort, Version: n.version,
		},
		Logger: w.quiet(), Bind: n.host.IP(), Seeds: w.seeds(), Transport: n.host, Changed: n.changed,
		Refused: func(m *cluster.Member) bool { return n.host.Refused(m.ID) },
	})
	if err != nil {
		w.t.Fatalf("%s does not start: %v", name, err)
	}
	n.membership.Store(m)
	if w.upgrades {
		n.configureUpgrade()
	}
	if err := n.services.Load(n.life, n.store.all()); err != nil {
		w.t.Fatalf("%s does not load: %v", name, err)
	}
	w.add(n)
	return n
}

// observe keeps the clock going while the process is not paused.
func (n *node) observe() {
	t := time.NewTicker(actors.ObserveEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			if !n.w.net.Paused(n.name) {
				n.clock.Observe()
			}
		case <-n.life.Done():
			return
		}
	}
}

// seeds returns the gossip addresses of all hosts.
func (w *world) seeds() []string {
	var out []string
	for _, name := range w.names {
		out = append(out, net.JoinHostPort(w.net.IP(name).String(), strconv.Itoa(serfPort)))
	}
	return out
}

// Send implements actors.Peers.
func (n *node) Send(to, inbox string, message proto.Message) {
	if ms := n.members(); ms != nil {
		if m := ms.Find(to); m != nil && (m.Up() || m.Status == cluster.Suspect) {
			n.host.Send(to, inbox, message)
		}
	}
}

func (n *node) members() *cluster.Members {
	if m := n.membership.Load(); m != nil {
		return m.Members()
	}
	return nil
}

// owns reports whether the ring gives an identity to this node.
func (n *node) owns(identity string) bool {
	key, _ := naming.ParseIdentity(identity)
	ms := n.members()
	return ms != nil && ms.Ring().Owner(key.Partition()) == n.name
}

// doubt tells the membership what the links have noticed.
func (n *node) doubt(id string, silent bool) {
	if m := n.membership.Load(); m != nil {
		m.Doubt(id, silent)
	}
}

// connectionLost is told that a connection broke.
func (n *node) connectionLost(id string) {
	if m := n.membership.Load(); m != nil {
		m.Suspect(id)
	}
	n.services.Lost(id)
}

// changed acts on a new state of the membership.
func (n *node) changed(ms *cluster.Members) {
	ring := ms.Ring()
	t := actors.Topology{Ring: ring.ID(), Owner: ring.Owner}
	for _, m := range ms.All() {
		if m.ID != n.name && (m.Up() || m.Status == cluster.Suspect) {
			t.Peers = append(t.Peers, actors.Peer{ID: m.ID, Process: m.Process, Doubted: !m.Up()})
		}
	}
	n.w.trace("%s sees ring %x of %v", n.name, ring.ID()>>48, ring.Owners())
	n.services.Follow(t)
	if n.upgrade != nil {
		n.upgrade.Changed()
	}
}

// becomeReady takes the node into service after it holds what the others hold.
func (n *node) becomeReady() error {
	for {
		wait, cancel := context.WithTimeout(n.life, time.Second)
		err := n.inSync(wait)
		cancel()
		if n.life.Err() != nil {
			return n.life.Err()
		}
		if n.upgrade != nil {
			if late := n.tooLate(); late != nil {
				return late
			}
			if err == nil && n.storeReady() != "" {
				time.Sleep(100 * time.Millisecond)
				continue
			}
		}
		if err == nil {
			break
		}
	}
	if n.upgrade != nil {
		if err := n.goAlong(); err != nil {
			return err
		}
	}
	n.announce(cluster.Ready)
	if err := n.services.AwaitOpen(n.life); err != nil {
		return err
	}
	n.serving.Store(true)
	return nil
}

func (n *node) announce(state cluster.State) {
	n.membership.Load().Announce(func(self *cluster.Member) { self.State = state })
}

func (n *node) inSync(ctx context.Context) error {
	return n.services.AwaitSync(ctx, func() ([]string, bool) {
		here := n.up(func(*cluster.Member) bool { return true })
		return n.up(func(m *cluster.Member) bool { return m.State == cluster.Ready }), len(here) > 0 || len(n.w.names) == 1
	})
}

// up returns the other nodes that are here and that ok takes.
func (n *node) up(ok func(*cluster.Member) bool) []string {
	var ids []string
	for _, m := range n.members().All() {
		if m.ID != n.name && m.Up() && ok(m) {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

// leave hands over what the node owns and ends it.
func (n *node) leave() {
	n.announce(cluster.Leaving)
	var err error
	if len(n.up(func(*cluster.Member) bool { return true })) > 0 {
		ctx, cancel := context.WithTimeout(n.life, 10*time.Second)
		err = n.services.AwaitReleased(ctx)
		cancel()
	}
	if n.life.Err() != nil {
		return // killed meanwhile
	}
	n.w.trace("%s has handed over: %v", n.name, err)
	n.serving.Store(false)
	n.inflight.Wait()
	n.end(func(m *cluster.Membership) error { return m.Leave(context.Background()) })
}

// kill ends the node as kill -9 does.
func (n *node) kill() {
	n.serving.Store(false)
	n.host.Kill()
	n.end((*cluster.Membership).Stop)
}

// end stops everything in the process.
func (n *node) end(leave func(*cluster.Membership) error) {
	if n.life.Err() != nil {
		return
	}
	n.die()
	n.halt()
	n.wg.Wait()
	if err := leave(n.membership.Load()); err != nil {
		n.w.trace("%s ends: %v", n.name, err)
	}
	n.host.Kill()
	n.inflight.Wait()
	n.place.stop()
}

var errGone = errors.New("connection refused")

// do is a client's request to this node.
func (n *node) do(ctx context.Context, key naming.Key, cmd naming.Command) (naming.Result, error) {
	if !n.serving.Load() || n.life.Err() != nil {
		return naming.Result{}, errGone
	}
	n.inflight.Add(1)
	defer n.inflight.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(n.life, cancel)()
	r, err := n.services.Do(ctx, key, cmd)
	if !n.host.Alive() {
		return naming.Result{}, errUnknown // the answer did not get out
	}
	return r, err
}

var errUnknown = errors.New("connection reset")
