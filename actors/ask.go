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
	"nactor/naming/dual"
)

// asker puts questions about actors to other nodes and answers theirs.
type asker struct {
	*Services
	questions *Questions
	wg        sync.WaitGroup
}

// maxShown is how many actors there are in one answer.
const maxShown = 10_000

func newAsker(s *Services) *asker { return &asker{Services: s, questions: NewQuestions()} }

// ask sends a question, which make builds for its number, and returns the answer.
func (a *asker) ask(ctx context.Context, to string, question func(id uint64) proto.Message) (proto.Message, error) {
	return a.questions.Ask(ctx, to, func(id uint64) { a.Peers.Send(to, inboxAsk, question(id)) })
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
	case *actorpb.ClientsQuery:
		out := a.clientsHere(m)
		out.Id = m.Id
		a.Peers.Send(from, inboxAsk, out)
	case *actorpb.ClientsAnswer:
		a.questions.Answer(m.Id, m)
	case *actorpb.ActorQuery:
		a.wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), AskTime)
			defer cancel()
			info, err := a.inspectHere(ctx, m.Identity)
			a.Peers.Send(from, inboxAsk, answerOf(m.Id, info, err))
		})
	case *actorpb.StructureQuery:
		a.wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), AskTime)
			defer cancel()
			x := a.exceptions(ctx, naming.Structure(m.Structure))
			out := &actorpb.StructureAnswer{Id: m.Id, Kept: x.kept}
			for _, k := range x.missing {
				out.Missing = append(out.Missing, actorpb.FromKey(k))
			}
			for _, k := range x.extra {
				out.Extra = append(out.Extra, actorpb.FromKey(k))
			}
			a.Peers.Send(from, inboxAsk, out)
		})
	case *actorpb.SubscribersQuery:
		list := a.Views.SubscribersLike(m.Like.Naming())
		a.Peers.Send(from, inboxAsk, actorpb.FromSubscriptions(m.Id, list[:min(maxShown, len(list))]))
	case *actorpb.SubscribersAnswer:
		a.questions.Answer(m.Id, m)
	case *actorpb.StructureAnswer:
		a.questions.Answer(m.Id, m)
	case *actorpb.ActorsAnswer:
		a.questions.Answer(m.Id, m)
	case *actorpb.ActorAnswer:
		a.questions.Answer(m.Id, m)
	}
}

func answerOf(id uint64, i ServiceInfo, err error) *actorpb.ActorAnswer {
	if err != nil {
		return &actorpb.ActorAnswer{Id: id, Kind: uint32(naming.KindOf(err)), Error: err.Error()}
	}
	return &actorpb.ActorAnswer{
		Id: id, Pid: i.PID, Revision: actorpb.FromRevision(i.Revision), Instances: uint64(i.V2), InstancesV1: uint64(i.V1),
		Serves: uint32(i.Serves), Pending: i.Pending,
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
		Identity: identity, Node: owner, PID: a.Pid, Revision: a.Revision.Naming(), V2: int(a.Instances), V1: int(a.InstancesV1),
		Serves: dual.Structure(a.Serves), Pending: a.Pending,
		Mailbox: a.Mailbox, Committing: a.Committing, LastBeat: time.Duration(a.LastBeat), Handled: a.Handled,
	}, nil
}
