package v2

import (
	"net/netip"
	"time"

	"nactor/naming"
)

// Subscribers is who wants to be told of one service: one subscription per client, the
// later replaces the earlier. The zero value is ready to use. Not safe for concurrent use.
type Subscribers struct {
	by map[netip.AddrPort]*subscription
}

type subscription struct {
	naming.Subscriber
	seen naming.Instant
}

// Subscribe records or refreshes s and reports whether it is new or asks for other
// clusters, so that it has to be told the present state.
func (s *Subscribers) Subscribe(now naming.Instant, sub naming.Subscriber) bool {
	if old := s.by[sub.Addr]; old != nil {
		changed := old.Clusters != sub.Clusters
		old.Subscriber, old.seen = sub, now
		return changed
	}
	if s.by == nil {
		s.by = map[netip.AddrPort]*subscription{}
	}
	s.by[sub.Addr] = &subscription{Subscriber: sub, seen: now}
	return true
}

// Expire drops the subscriptions that were not repeated for longer than ttl and returns how
// many.
func (s *Subscribers) Expire(now naming.Instant, ttl time.Duration) int {
	n := 0
	for addr, sub := range s.by {
		if now.Since(sub.seen) > ttl {
			delete(s.by, addr)
			n++
		}
	}
	return n
}

// Drop removes one subscriber, for instance one that never acknowledges.
func (s *Subscribers) Drop(addr netip.AddrPort) { delete(s.by, addr) }

// Len returns the number of subscriptions.
func (s *Subscribers) Len() int { return len(s.by) }

// All returns the subscriptions in no particular order.
func (s *Subscribers) All() []naming.Subscriber {
	out := make([]naming.Subscriber, 0, len(s.by))
	for _, sub := range s.by {
		out = append(out, sub.Subscriber)
	}
	return out
}
