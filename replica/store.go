package replica

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"nactor/naming"
	"nactor/naming/v2"
)

// Store holds the views. Readers get what Put has published, never less: a view is
// replaced by a newer one as a whole. Safe for concurrent use.
type Store struct {
	shards [naming.Partitions]shard
	names  names

	services, instances, subscribers atomic.Int64

	now      func() naming.Instant
	onChange func(Notice)
}

// shard holds the services of one partition.
type shard struct {
	sync.RWMutex
	entries map[naming.Key]*entry
	sum     uint64 // over key and revision of all views
	waiting map[naming.Key][]waiting
}

// entry is one service: its view, if it is known, and its subscribers, who may come first.
type entry struct {
	view      *naming.View
	subs      v2.Subscribers
	followers map[string]naming.Subscriber // by connection
}

// Notice says that subscribers are to be told the present state of a service: all of
// them, or the one that has just come.
type Notice struct {
	Key naming.Key
	New *naming.Subscriber // nil: all subscribers
}

// New returns an empty store. onChange is called for each change that somebody subscribes
// to, on the goroutine that made it: it must return at once. nil: nobody wants to know.
func New(now func() naming.Instant, onChange func(Notice)) *Store {
	if onChange == nil {
		onChange = func(Notice) {}
	}
	return &Store{now: now, onChange: onChange}
}

func (s *Store) shard(key naming.Key) *shard {
	return &s.shards[key.Partition()]
}

// View implements [naming.Reader].
func (s *Store) View(key naming.Key) *naming.View {
	sh := s.shard(key)
	sh.RLock()
	defer sh.RUnlock()
	if e := sh.entries[key]; e != nil {
		return e.view
	}
	return nil
}

// Put publishes a view, unless a newer one is held already.
func (s *Store) Put(v *naming.View) { s.put(v, nil) }

// put publishes v when the view that is held is base, or with base nil when it is older.
func (s *Store) put(v, base *naming.View) bool {
	sh := s.shard(v.Key)
	sh.Lock()
	e := sh.entry(v.Key)
	if base != nil && e.view != base || e.view != nil && e.view.Revision.Compare(v.Revision) >= 0 {
		sh.tidy(v.Key, e)
		sh.Unlock()
		return false
	}
	before := 0
	if e.view == nil {
		s.services.Add(1)
		s.names.add(v.Key)
	} else {
		before = len(e.view.Instances)
		sh.sum -= sum(e.view)
	}
	sh.sum += sum(v)
	sh.tell(v.Key, v.Revision)
	s.instances.Add(int64(len(v.Instances) - before))
	e.view = v
	told := e.subs.Len() > 0 || len(e.followers) > 0
	sh.Unlock()
	if told {
		s.onChange(Notice{Key: v.Key})
	}
	return true
}

// Drop forgets a service that is gone. rev is the revision at which it went; a newer view
// stays.
func (s *Store) Drop(key naming.Key, rev naming.Revision) {
	sh := s.shard(key)
	sh.Lock()
	defer sh.Unlock()
	sh.tell(key, rev)
	e := sh.entries[key]
	if e == nil || e.view == nil || e.view.Revision.Compare(rev) > 0 {
		return
	}
	sh.sum -= sum(e.view)
	s.services.Add(-1)
	s.instances.Add(-int64(len(e.view.Instances)))
	s.names.remove(key)
	e.view = nil
	sh.tidy(key, e)
}

// Services implements [naming.Reader].
func (s *Store) Services(namespace string) []naming.Key { return s.names.of(namespace) }

// Namespaces implements [naming.Reader].
func (s *Store) Namespaces() []string { return s.names.namespaces() }

// Counts implements [naming.Reader].
func (s *Store) Counts() naming.Counts {
	return naming.Counts{
		Services:    int(s.services.Load()),
		Instances:   int(s.instances.Load()),
		Subscribers: int(s.subscribers.Load()),
	}
}

// Subscribe implements [naming.Subscriptions]. A service need not exist to be subscribed.
func (s *Store) Subscribe(key naming.Key, sub naming.Subscriber) {
	sh := s.shard(key)
	sh.Lock()
	e := sh.entry(key)
	before := e.subs.Len()
	fresh := e.subs.Subscribe(s.now(), sub)
	s.subscribers.Add(int64(e.subs.Len() - before))
	sh.Unlock()
	if fresh {
		s.onChange(Notice{Key: key, New: &sub})
	}
}

// Subscribers implements [naming.Subscriptions].
func (s *Store) Subscribers(key naming.Key) []naming.Subscriber {
	sh := s.shard(key)
	sh.RLock()
	defer sh.RUnlock()
	e := sh.entries[key]
	if e == nil {
		return nil
	}
	return slices.AppendSeq(e.subs.All(), maps.Values(e.followers))
}

// SubscribersLike returns the subscriptions of this node to services like a key; see
// [naming.Audience].
func (s *Store) SubscribersLike(like naming.Key) []naming.Subscription {
	var out []naming.Subscription
	for i := range s.shards {
		sh := &s.shards[i]
		sh.RLock()
		for key, e := range sh.entries {
			if e.subs.Len()+len(e.followers) == 0 || !key.Like(like) {
				continue
			}
			for _, sub := range slices.AppendSeq(e.subs.All(), maps.Values(e.followers)) {
				out = append(out, naming.Subscription{Key: key, Subscriber: sub})
			}
		}
		sh.RUnlock()
	}
	return out
}

// Follow records that a connection is subscribed to a service, until Unfollow. A service need
// not exist.
func (s *Store) Follow(key naming.Key, sub naming.Subscriber) {
	sh := s.shard(key)
	sh.Lock()
	defer sh.Unlock()
	e := sh.entry(key)
	if e.followers == nil {
		e.followers = map[string]naming.Subscriber{}
	}
	before := len(e.followers)
	e.followers[sub.Connection] = sub
	s.subscribers.Add(int64(len(e.followers) - before))
}

// Unfollow ends the subscription of a connection.
func (s *Store) Unfollow(key naming.Key, connection string) {
	sh := s.shard(key)
	sh.Lock()
	defer sh.Unlock()
	if e := sh.entries[key]; e != nil {
		before := len(e.followers)
		delete(e.followers, connection)
		s.subscribers.Add(int64(len(e.followers) - before))
		sh.tidy(key, e)
	}
}

// Followers returns the connections that are subscribed to a service, in no particular order.
func (s *Store) Followers(key naming.Key) []string {
	sh := s.shard(key)
	sh.RLock()
	defer sh.RUnlock()
	if e := sh.entries[key]; e != nil && len(e.followers) > 0 {
		return slices.Collect(maps.Keys(e.followers))
	}
	return nil
}

// ExpireSubscribers drops the subscriptions that were not repeated for longer than ttl. To
// be called every few seconds.
func (s *Store) ExpireSubscribers(ttl time.Duration) {
	now := s.now()
	for i := range s.shards {
		sh := &s.shards[i]
		sh.Lock()
		for key, e := range sh.entries {
			if e.subs.Len() > 0 {
				s.subscribers.Add(-int64(e.subs.Expire(now, ttl)))
				sh.tidy(key, e)
			}
		}
		sh.Unlock()
	}
}

func (sh *shard) entry(key naming.Key) *entry {
	e := sh.entries[key]
	if e == nil {
		if sh.entries == nil {
			sh.entries = map[naming.Key]*entry{}
		}
		e = &entry{}
		sh.entries[key] = e
	}
	return e
}

// tidy removes an entry that nothing needs any more.
func (sh *shard) tidy(key naming.Key, e *entry) {
	if e.view == nil && e.subs.Len()+len(e.followers) == 0 {
		delete(sh.entries, key)
	}
}
