package http

import (
	"cmp"
	"slices"
	"strings"

	"nactor/naming"
	"nactor/naming/wire"
)

// listSubscribers lists who is pushed of the services whose name and group contain what
// is asked for, as far as this node pushes them.
func (r *request) listSubscribers() error {
	no, size := r.lenient("pageNo", 1), r.lenient("pageSize", 1000)
	key := r.key()
	if r.err != nil {
		return r.err
	}
	var all []wire.Subscription
	for _, k := range r.subscribed(key) {
		for _, s := range r.s.cfg.Subscriptions.Subscribers(k) {
			all = append(all, wire.Subscription{Key: k, Subscriber: s})
		}
	}
	slices.SortFunc(all, func(a, b wire.Subscription) int {
		return cmp.Or(a.Key.Compare(b.Key), a.Addr.Compare(b.Addr))
	})
	page, count := pageOf(all, no, size), len(all)
	if size > 0 && no-1 > count/size {
		count = 0 // Nacos's answer beyond the end
	}
	r.json(wire.AppendSubscribers(r.begin(), page, count, r.is142()))
	return nil
}

// subscribed returns the services that match, and key itself even if nobody provides it.
func (r *request) subscribed(key naming.Key) []naming.Key {
	out := []naming.Key{key}
	for _, k := range r.s.cfg.Reader.Services(key.Namespace) {
		if k != key && strings.Contains(k.Name, key.Name) && strings.Contains(k.Group, key.Group) {
			out = append(out, k)
		}
	}
	return out
}
