package actors

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"nactor/actors/actorpb"
	"nactor/naming"
)

// asker puts questions about actors to other nodes and answers theirs.
type asker struct {
	*Services
	mu      sync.Mutex
	waiting map[uint64]chan proto.Message // capacity 1
	wg      sync.WaitGroup
}

// Bounds of a question.
const (
	askTime  = 2 * time.Second
	maxAsked = 64     // questions at once, of others and of this node
	maxShown = 10_000 // actors in one answer
)

func newAsker(s *Services) *asker {
	return &asker{Services: s, waiting: map[uint64]chan proto.Message{}}
}

// ask sends a question, which make builds for its number, and returns the answer.
func (a *asker) ask(ctx context.Context, to string, question func(id uint64) proto.Message) (proto.Message, error) {
	id, answer := a.gateway.ids.Add(1), make(chan proto.Message, 1)
	a.mu.Lock()
	if len(a.waiting) >= maxAsked {
		a.mu.Unlock()
		return nil, naming.Unavailable("%d questions about actors are waiting; try again later", maxAsked)
	}
	a.waiting[id] = answer
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.waiting, id)
	}()
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	a.Peers.Send(to, inboxAsk, question(id))
	select {
	case m := <-answer:
		return m, nil
	case <-ctx.Done():
		return nil, naming.Unavailable("node %s did not answer in time: %w", to, ctx.Err())
	}
}

// receive takes questions and answers.
func (a *asker) receive(from string, message proto.Message) {
	switch m := message.(type) {
	case *actorpb.ActorsQuery:
		total, list := a.activeHere(m.Name, int(m.Limit))
		out := &actorpb.ActorsAnswer{Id: m.Id, Total: uint64(total)}
		for _, x := range list {
			out.Actors = append(out.Actors, &actorpb.Activation{Identity: x.Identity, Pid: x.PID})
		}
		a.Peers.Send(from, inboxAsk, out)
	case *actorpb.ActorQuery:
		a.wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), askTime)
			defer cancel()
			info, err := a.inspectHere(ctx, m.Identity)
			a.Peers.Send(from, inboxAsk, answerOf(m.Id, info, err))
		})
	case *actorpb.ActorsAnswer:
		a.answered(m.Id, m)
	case *actorpb.ActorAnswer:
		a.answered(m.Id, m)
	}
}

func (a *asker) answered(id uint64, m proto.Message) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.waiting[id]; c != nil {
		delete(a.waiting, id)
		c <- m
	}
}

func answerOf(id uint64, i ServiceInfo, err error) *actorpb.ActorAnswer {
	if err != nil {
		return &actorpb.ActorAnswer{Id: id, Kind: uint32(naming.KindOf(err)), Error: err.Error()}
	}
	return &actorpb.ActorAnswer{
		Id: id, Pid: i.PID, Revision: actorpb.FromRevision(i.Revision), Instances: uint64(i.Instances),
		Mailbox: i.Mailbox, Committing: i.Committing, LastBeat: int64(i.LastBeat), Handled: i.Handled,
	}
}

// Active returns the active services whose identity contains part, on this node and on
// those that answer, sorted by identity: how many there are, and the first limit of them.
// node, when it is not empty, is the id of the only node to ask.
func (s *Services) Active(ctx context.Context, part, node string, limit int) (int, []Activation) {
	limit = min(limit, maxShown)
	total, list := 0, []Activation(nil)
	if node == "" || node == s.Self {
		total, list = s.activeHere(part, limit)
	}
	if s.mesh == nil {
		return total, list
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, p := range s.keeper.table.Load().Peers {
		if node != "" && node != p.ID {
			continue
		}
		wg.Go(func() {
			m, err := s.asker.ask(ctx, p.ID, func(id uint64) proto.Message {
				return &actorpb.ActorsQuery{Id: id, Name: part, Limit: uint32(limit)}
			})
			answer, ok := m.(*actorpb.ActorsAnswer)
			if err != nil || !ok {
				return // it is shown by its absence; its state is in the list of members
			}
			mu.Lock()
			defer mu.Unlock()
			total += int(answer.Total)
			for _, x := range answer.Actors {
				list = append(list, Activation{x.Identity, x.Pid, p.ID})
			}
		})
	}
	wg.Wait()
	slices.SortFunc(list, func(a, b Activation) int { return strings.Compare(a.Identity, b.Identity) })
	return total, list[:min(limit, len(list))]
}

// Inspect asks an active service about itself, wherever it lives; it does not wake one.
// Kind [naming.KindNotFound] when it is not active, [naming.KindUnavailable] when it did not
// answer in time.
func (s *Services) Inspect(ctx context.Context, identity string) (ServiceInfo, error) {
	key, ok := naming.ParseIdentity(identity)
	if !ok {
		return ServiceInfo{}, naming.Invalid("identity %q is not of the form namespace@@group@@service", identity)
	}
	owner := s.Owner(key)
	if s.mesh == nil || owner == s.Self || owner == "" {
		return s.inspectHere(ctx, identity)
	}
	m, err := s.asker.ask(ctx, owner, func(id uint64) proto.Message { return &actorpb.ActorQuery{Id: id, Identity: identity} })
	if err != nil {
		return ServiceInfo{}, err
	}
	a, ok := m.(*actorpb.ActorAnswer)
	if !ok {
		return ServiceInfo{}, naming.Unavailable("node %s answered something else than was asked", owner)
	}
	if a.Error != "" {
		return ServiceInfo{}, &naming.Error{Kind: naming.Kind(a.Kind), Message: a.Error}
	}
	return ServiceInfo{
		Identity: identity, Node: owner, PID: a.Pid, Revision: a.Revision.Naming(), Instances: int(a.Instances),
		Mailbox: a.Mailbox, Committing: a.Committing, LastBeat: time.Duration(a.LastBeat), Handled: a.Handled,
	}, nil
}
