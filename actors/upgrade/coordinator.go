package upgrade

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	pacluster "github.com/asynkron/protoactor-go/cluster"

	"nactor/actors/actorpb"
	"nactor/naming/upgrade/switchover"
)

// Kind is the grain kind of the coordinator.
const Kind = "upgrade"

// Identity is the only one of its kind.
const Identity = "cluster"

// commitTime bounds a write of a decision. It may have been written all the same then.
const commitTime = 5 * time.Second

// Kinds returns the grain kind to start the cluster with.
func (u *Upgrade) Kinds() []*pacluster.Kind {
	return []*pacluster.Kind{{
		Kind:  Kind,
		Props: actor.PropsFromProducer(func() actor.Actor { return &coordinator{Upgrade: u, c: switchover.New(u.Rules, firstQuestion())} }),
	}}
}

// The messages to the coordinator, beside *switchover.Report.
type (
	tick struct {
		topology *Topology
		stored   *stored
	}
	written struct { // what became of a decision
		epoch uint64
		err   error
	}
	explain struct{ reply func(switchover.Explanation) }
	closing struct{ reply func(error) }
)

// coordinator is the UpgradeCoordinator, a grain with the identity "cluster". It keeps
// nothing that it does not learn again within two checks of all nodes: the store has what
// was decided.
type coordinator struct {
	*Upgrade
	c       *switchover.Coordinator
	members []Member
	version uint64        // of the decision in the store
	closers []func(error) // those who wait for the close of double write, decided in epoch closing
	closing uint64
	asked   time.Time // when members were last reminded to follow
	wrote   bool      // this activation has decided something
	seen    bool
}

// Receive implements actor.Actor. Replies are quick: they send a message.
func (c *coordinator) Receive(ctx actor.Context) {
	now := c.Clock.Now()
	switch m := ctx.Message().(type) {
	case *tick:
		if m.topology.Owner != c.Self {
			c.retire(ctx)
			return
		}
		c.see(m)
	case *switchover.Report:
		c.c.Report(now, *m)
	case *written:
		c.written(m)
	case *explain:
		m.reply(c.c.Explain(now))
		return
	case *closing:
		c.close(ctx, m.reply)
		return
	default:
		return
	}
	if c.seen {
		c.act(ctx, c.c.Step(now, time.Now()))
	}
}

// see takes in who is here and what the store says.
func (c *coordinator) see(t *tick) {
	now := c.Clock.Now()
	c.members, c.seen = t.topology.Members, true
	members := make([]switchover.Member, len(t.topology.Members))
	for i, m := range t.topology.Members {
		members[i] = m.Member
	}
	c.c.Members(now, members)
	if t.stored != nil {
		c.version = t.stored.version
		c.c.Committed(now, t.stored.State)
		if t.stored.Closed() {
			c.answer(nil)
		}
	}
}

// act does what was decided.
func (c *coordinator) act(ctx actor.Context, a switchover.Actions) {
	if a.Ask != 0 {
		c.toAll(&actorpb.UpgradeAsk{Round: a.Ask})
	}
	if a.Follow && time.Since(c.asked) > c.Rules.Confirm {
		c.asked = time.Now()
		st, _ := c.c.State()
		c.toAll(&actorpb.UpgradeAsk{Epoch: st.Epoch})
	}
	if a.Settled != nil && a.Settled.Epoch > 0 {
		if c.wrote {
			c.Reached("upgrade.before-done")
		}
		c.Logger.Info("all members go by the decision of the cluster", "mode", a.Settled.Mode, "epoch", a.Settled.Epoch, "doubleWrite", a.Settled.DoubleWrite, "took", max(0, a.Took))
	}
	if a.Commit != nil {
		c.commit(ctx, *a.Commit)
	}
}

// toAll sends a message to all members, this node included.
func (c *coordinator) toAll(m *actorpb.UpgradeAsk) {
	for i, member := range c.members {
		if member.Up {
			c.send(member.ID, m)
		}
		if i == 0 && m.Epoch != 0 {
			c.Reached("upgrade.mid-broadcast")
		}
	}
}

// commit writes a decision where the store holds the one before it.
func (c *coordinator) commit(ctx actor.Context, s switchover.State) {
	c.Logger.Info("decided", "mode", s.Mode, "epoch", s.Epoch, "doubleWrite", s.DoubleWrite, "cause", s.Cause)
	c.Reached("upgrade.before-commit")
	root, self, version := ctx.ActorSystem().Root, ctx.Self(), c.version
	go func() { // ends with the time-out at the latest
		wait, cancel := context.WithTimeout(context.Background(), commitTime)
		defer cancel()
		_, err := c.Store.PutDocument(wait, document, version, s.Encode())
		if err == nil {
			c.Reached("upgrade.after-commit")
		}
		root.Send(self, &written{s.Epoch, err})
	}()
}

// written goes on after a commit. What the store holds comes with the next tick.
func (c *coordinator) written(m *written) {
	if m.err == nil {
		c.wrote = true
		c.poke()
		return
	}
	c.Logger.Warn("a decision was not written, or may not have been; it is made again if it still has to be", "epoch", m.epoch, "err", m.err)
	c.c.Failed(c.Clock.Now())
	if m.epoch == c.closing {
		c.answer(m.err)
	}
}

// close closes double write. It is answered when the store holds that.
func (c *coordinator) close(ctx actor.Context, reply func(error)) {
	s, err := c.c.Close(c.Clock.Now(), time.Now())
	if err != nil || s == nil {
		reply(err)
		return
	}
	c.closers, c.closing = append(c.closers, reply), s.Epoch
	c.commit(ctx, *s)
}

// answer answers those who asked for double write to be closed.
func (c *coordinator) answer(err error) {
	for _, reply := range c.closers {
		reply(err)
	}
	c.closers = nil
}

// retire ends a coordinator that belongs to another node now.
func (c *coordinator) retire(ctx actor.Context) {
	c.Place.Retire(Kind, Identity, ctx.Self())
	ctx.Stop(ctx.Self())
}
