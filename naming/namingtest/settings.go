package namingtest

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"nactor/naming"
)

var (
	_ naming.Registry      = (*Oracle)(nil)
	_ naming.Reader        = (*Oracle)(nil)
	_ naming.Subscriptions = (*Oracle)(nil)
	_ naming.Settings      = (*settings)(nil)
)

// subscriptionTTL is how long Nacos 2.0 keeps a subscription that is not repeated.
const subscriptionTTL = 30 * time.Second

type subscription struct {
	naming.Subscriber
	seen naming.Instant
}

// Subscribe implements [naming.Subscriptions].
func (o *Oracle) Subscribe(key naming.Key, s naming.Subscriber) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.subs[key] = append(slices.DeleteFunc(o.subs[key], func(x subscription) bool { return x.Addr == s.Addr }), subscription{s, o.now})
}

// Subscribers implements [naming.Subscriptions].
func (o *Oracle) Subscribers(key naming.Key) []naming.Subscriber {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.live(key)
}

func (o *Oracle) live(key naming.Key) (live []naming.Subscriber) {
	for _, s := range o.subs[key] {
		if o.now.Since(s.seen) <= subscriptionTTL {
			live = append(live, s.Subscriber)
		}
	}
	slices.SortFunc(live, func(a, b naming.Subscriber) int { return a.Addr.Compare(b.Addr) })
	return live
}

// Settings returns the settings of the oracle. They are a value of their own because
// [naming.Reader] and [naming.Settings] both have a method Namespaces.
func (o *Oracle) Settings() naming.Settings { return o.settings }

type settings struct {
	mu         sync.Mutex
	switches   *naming.Switches
	namespaces map[string]naming.Namespace
}

func newSettings() *settings {
	return &settings{switches: naming.DefaultSwitches(), namespaces: map[string]naming.Namespace{}}
}

func (s *settings) Switches() *naming.Switches {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.switches
}

func (s *settings) SetSwitch(_ context.Context, entry, value string, _ bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next, err := s.switches.Set(entry, value)
	if err != nil {
		return err
	}
	s.switches = next
	return nil
}

func (s *settings) Namespaces() []naming.Namespace {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]naming.Namespace, 0, len(s.namespaces))
	for _, ns := range s.namespaces {
		all = append(all, ns)
	}
	slices.SortFunc(all, func(a, b naming.Namespace) int { return strings.Compare(a.ID, b.ID) })
	return all
}

func (s *settings) CreateNamespace(_ context.Context, ns naming.Namespace) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.namespaces[ns.ID]; taken || ns.ID == "" || ns.ID == naming.DefaultNamespace {
		return false, nil
	}
	s.namespaces[ns.ID] = ns
	return true, nil
}

func (s *settings) UpdateNamespace(_ context.Context, ns naming.Namespace) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.namespaces[ns.ID]; ok {
		s.namespaces[ns.ID] = ns
	}
	return nil
}

func (s *settings) RemoveNamespace(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.namespaces, id)
	return nil
}

func compareAddrs(a, b naming.Addr) int {
	return cmp.Or(strings.Compare(a.IP, b.IP), cmp.Compare(a.Port, b.Port), strings.Compare(a.Cluster, b.Cluster))
}
