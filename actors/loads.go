package actors

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"google.golang.org/protobuf/proto"

	"nactor/actors/actorpb"
	"nactor/naming"
)

// Front is where clients of 2.x are connected to a node. Its methods return at once.
type Front interface {
	// Load tells how many there are. Node is left empty.
	Load() ClientLoad
	// Shrink sends so many clients to another server, at ip:port or any that they know, that
	// keep are left.
	Shrink(keep int, redirect string)
}

// ClientLoad is how many clients of 2.x a node has.
type ClientLoad struct {
	Node   string // id
	Serves bool   // takes such clients
	All    int
	SDK    int     // of them, those that say that they are an SDK
	Limits string  // the rule of limits, Nacos's JSON
	Load   float64 // of the host, a minute's average; negative: not known
}

// Announce tells which front holds this node's connections.
func (c *Clients) Announce(f Front) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.front = f
}

func (c *Clients) announced() Front {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.front
}

// Loads returns how many clients this node and those that answer have, this node first.
func (c *Clients) Loads(ctx context.Context) []ClientLoad {
	out := []ClientLoad{loadOf(c.Self, c.clientsHere(&actorpb.ClientsQuery{}))}
	c.askAll(ctx, "", func() *actorpb.ClientsQuery { return &actorpb.ClientsQuery{} }, func(node string, a *actorpb.ClientsAnswer) {
		out = append(out, loadOf(node, a))
	})
	return out
}

// Shrink has a node send clients elsewhere, see [Front]. Kind [naming.KindUnavailable] when it
// did not answer.
func (c *Clients) Shrink(ctx context.Context, node string, keep int, redirect string) error {
	if node == c.Self {
		if f := c.announced(); f != nil {
			f.Shrink(keep, redirect)
		}
		return nil
	}
	if c.mesh == nil {
		return naming.NotFound("no node %s", node)
	}
	_, err := c.asker.ask(ctx, node, func(id uint64) proto.Message {
		return &actorpb.ClientsQuery{Id: id, Shrink: true, Keep: int64(keep), Redirect: redirect}
	})
	return err
}

// ActiveClients is [Services.Active] for the actors of connections.
func (c *Clients) ActiveClients(ctx context.Context, part, node string, limit int) (int, []Activation) {
	limit = min(limit, maxShown)
	total, list := 0, []Activation(nil)
	add := func(node string, a *actorpb.ClientsAnswer) {
		total += int(a.Total)
		for _, x := range a.Actors {
			list = append(list, Activation{x.Identity, x.Pid, node})
		}
	}
	query := &actorpb.ClientsQuery{Name: part, Limit: uint32(limit)}
	if node == "" || node == c.Self {
		add(c.Self, c.clientsHere(query))
	}
	c.askAll(ctx, node, func() *actorpb.ClientsQuery {
		return &actorpb.ClientsQuery{Name: part, Limit: uint32(limit)}
	}, add)
	slices.SortFunc(list, func(a, b Activation) int { return strings.Compare(a.Identity, b.Identity) })
	return total, list[:min(limit, len(list))]
}

// askAll asks the other nodes, or the one that node names, and hands over the answers of those
// that answer, one at a time.
func (c *Clients) askAll(ctx context.Context, node string, query func() *actorpb.ClientsQuery, add func(node string, a *actorpb.ClientsAnswer)) {
	if c.mesh == nil {
		return
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, p := range c.keeper.table.Load().Peers {
		if node != "" && node != p.ID {
			continue
		}
		wg.Go(func() {
			m, err := c.asker.ask(ctx, p.ID, func(id uint64) proto.Message {
				q := query()
				q.Id = id
				return q
			})
			if a, ok := m.(*actorpb.ClientsAnswer); err == nil && ok {
				mu.Lock()
				defer mu.Unlock()
				add(p.ID, a)
			}
		})
	}
	wg.Wait()
}

// clientsHere answers a question for this node's clients.
func (s *Services) clientsHere(q *actorpb.ClientsQuery) *actorpb.ClientsAnswer {
	out := &actorpb.ClientsAnswer{}
	c := s.connected.Load()
	if c == nil {
		return out
	}
	f := c.announced()
	if f == nil {
		return out
	}
	if q.Shrink {
		f.Shrink(int(q.Keep), q.Redirect)
	}
	l := f.Load()
	out.Serves, out.All, out.Sdk, out.Limits, out.Load = true, int64(l.All), int64(l.SDK), l.Limits, l.Load
	if q.Limit == 0 {
		return out
	}
	c.mu.Lock()
	open := maps.Clone(c.open)
	c.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(open)) {
		if !strings.Contains(id, q.Name) {
			continue
		}
		if out.Total++; len(out.Actors) < int(q.Limit) {
			out.Actors = append(out.Actors, &actorpb.Activation{Identity: id, Pid: open[id].pid.Id})
		}
	}
	return out
}

func loadOf(node string, a *actorpb.ClientsAnswer) ClientLoad {
	return ClientLoad{Node: node, Serves: a.Serves, All: int(a.All), SDK: int(a.Sdk), Limits: a.Limits, Load: a.Load}
}
