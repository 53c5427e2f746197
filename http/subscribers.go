package http

import (
	"cmp"
	"context"
	"slices"

	"nactor/naming"
	"nactor/naming/wire"
)

// listSubscribers lists who is pushed of the services whose name and group contain what is
// asked for: by all nodes, or without aggregation by this one.
func (r *request) listSubscribers() error {
	no, size := r.lenient("pageNo", 1), r.lenient("pageSize", 1000)
	key := r.key()
	everywhere := true
	if b := r.optional("aggregation"); len(b) > 0 {
		everywhere = parseStrict(b)
	}
	if r.err != nil {
		return r.err
	}
	ctx, cancel := context.WithTimeout(context.Background(), inspectTimeout)
	defer cancel()
	all := r.s.cfg.Audience.SubscribersLike(ctx, key, everywhere)
	slices.SortFunc(all, func(a, b naming.Subscription) int {
		return cmp.Or(a.Key.Compare(b.Key), a.Addr.Compare(b.Addr), cmp.Compare(a.Agent, b.Agent), cmp.Compare(a.App, b.App), cmp.Compare(a.Clusters, b.Clusters), cmp.Compare(a.Connection, b.Connection))
	})
	all = slices.Compact(all) // a client may ask several nodes
	page, count := pageOf(all, no, min(size, maxPageSize)), len(all)
	if size > 0 && no-1 > count/size {
		count = 0 // Nacos's answer beyond the end
	}
	r.json(wire.AppendSubscribers(r.begin(), page, count, r.is142()))
	return nil
}
