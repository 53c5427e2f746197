package actors

import (
	"context"
	"sync"

	"google.golang.org/protobuf/proto"

	"nactor/actors/actorpb"
	"nactor/naming"
)

var _ naming.Audience = (*Services)(nil)

// SubscribersLike implements [naming.Audience]. A node that does not answer in time is left
// out, as its subscribers are about to turn to another one; at most maxShown of another node
// are told.
func (s *Services) SubscribersLike(ctx context.Context, like naming.Key, everywhere bool) []naming.Subscription {
	all := s.Views.SubscribersLike(like)
	if !everywhere || s.mesh == nil {
		return all
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, p := range s.keeper.table.Load().Peers {
		wg.Go(func() {
			m, err := s.asker.ask(ctx, p.ID, func(id uint64) proto.Message {
				return &actorpb.SubscribersQuery{Id: id, Like: actorpb.FromKey(like)}
			})
			answer, ok := m.(*actorpb.SubscribersAnswer)
			if err != nil || !ok {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, answer.Naming()...)
		})
	}
	wg.Wait()
	return all
}
