package replica

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nactor/naming"
)

var key = naming.Key{Namespace: "public", Group: "g", Name: "s"}

func view(k naming.Key, activation, counter uint64, instances int) *naming.View {
	v := &naming.View{Key: k, Revision: naming.Revision{Activation: activation, Counter: counter}}
	for i := range instances {
		v.Instances = append(v.Instances, &naming.Instance{IP: fmt.Sprint(i)})
	}
	return v
}

func subscriber(port uint16) naming.Subscriber {
	return naming.Subscriber{Addr: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)}
}

// clock is an instant that the test moves.
type clock struct{ now naming.Instant }

func TestNewerViewWins(t *testing.T) {
	s := New(func() naming.Instant { return 0 }, nil)
	for _, step := range []struct {
		put  *naming.View
		want uint64 // counter shown
	}{
		{view(key, 1, 1, 2), 1},
		{view(key, 1, 2, 3), 2},
		{view(key, 1, 1, 9), 2}, // late
		{view(key, 1, 2, 9), 2}, // again
		{view(key, 2, 0, 1), 0}, // a later life starts low
		{view(key, 1, 7, 9), 0}, // of a life that has ended
	} {
		s.Put(step.put)
		if v := s.View(key); v.Revision.Counter != step.want {
			t.Fatalf("after %v: %v is shown", step.put.Revision, v.Revision)
		}
	}
	if c := s.Counts(); c != (naming.Counts{Services: 1, Instances: 1}) {
		t.Errorf("%+v", c)
	}
	s.Drop(key, naming.Revision{Activation: 1, Counter: 99}) // late
	if s.View(key) == nil {
		t.Error("dropped by an earlier life")
	}
	s.Drop(key, naming.Revision{Activation: 2, Counter: 1})
	if s.View(key) != nil || s.Counts() != (naming.Counts{}) || len(s.Namespaces()) != 0 {
		t.Errorf("after the end: %+v", s.Counts())
	}
}

func TestNames(t *testing.T) {
	s := New(func() naming.Instant { return 0 }, nil)
	for _, n := range []string{"b", "c", "a"} {
		s.Put(view(naming.Key{Namespace: "n1", Group: "g", Name: n}, 1, 1, 0))
		s.Put(view(naming.Key{Namespace: "n2", Group: n, Name: "x"}, 1, 1, 0))
	}
	names := func(ns string) (out string) {
		for _, k := range s.Services(ns) {
			out += k.Group + k.Name + " "
		}
		return
	}
	if got := names("n1") + names("n2") + names("n3"); got != "ga gb gc ax bx cx " {
		t.Errorf("%q", got)
	}
	s.Drop(naming.Key{Namespace: "n1", Group: "g", Name: "b"}, naming.Revision{Activation: 1, Counter: 2})
	if got := names("n1"); got != "ga gc " {
		t.Errorf("%q", got)
	}
	if got := fmt.Sprint(s.Namespaces()); got != "[n1 n2]" {
		t.Error(got)
	}
}

func TestSubscribersAreNoticedAndLapse(t *testing.T) {
	c := &clock{}
	var notices []Notice
	s := New(func() naming.Instant { return c.now }, func(n Notice) { notices = append(notices, n) })
	s.Put(view(key, 1, 1, 0))
	if len(notices) != 0 {
		t.Fatal("a notice that nobody asked for")
	}
	s.Subscribe(key, subscriber(1))
	s.Subscribe(key, subscriber(1)) // refresh
	s.Subscribe(key, subscriber(2))
	s.Put(view(key, 1, 2, 0))
	if len(notices) != 3 || notices[0].New.Addr.Port() != 1 || notices[1].New.Addr.Port() != 2 || notices[2].New != nil {
		t.Fatalf("%+v", notices)
	}
	other := subscriber(1)
	other.Clusters = "c"
	s.Subscribe(key, other)
	if len(notices) != 4 || len(s.Subscribers(key)) != 2 {
		t.Errorf("other clusters: %d notices, %v", len(notices), s.Subscribers(key))
	}
	c.now = naming.Instant(20 * time.Second)
	s.Subscribe(key, subscriber(2))
	c.now = naming.Instant(31 * time.Second)
	s.ExpireSubscribers(31 * time.Second)
	if n := s.Counts().Subscribers; n != 2 {
		t.Errorf("%d subscribers within the time", n)
	}
	s.ExpireSubscribers(30 * time.Second)
	if subs := s.Subscribers(key); len(subs) != 1 || subs[0].Addr.Port() != 2 || s.Counts().Subscribers != 1 {
		t.Errorf("after 31 s: %v, %+v", subs, s.Counts())
	}
	s.Drop(key, naming.Revision{Activation: 9})
	c.now = naming.Instant(60 * time.Second)
	s.ExpireSubscribers(30 * time.Second)
	if n := len(s.shard(key).entries); n != 0 {
		t.Errorf("%d entries are left of nothing", n)
	}
}

func TestConcurrentUse(t *testing.T) {
	s := New(func() naming.Instant { return 0 }, nil)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 500 {
				k := naming.Key{Namespace: "n", Group: "g", Name: fmt.Sprint(i % 50)}
				s.Put(view(k, uint64(i+1), uint64(g), 1))
				s.Subscribe(k, subscriber(uint16(g+1)))
				s.View(k)
				s.Services("n")
				s.Drop(k, naming.Revision{Activation: uint64(i), Counter: 9})
			}
		})
	}
	wg.Wait()
	if c := s.Counts(); c.Services != len(s.Services("n")) || c.Instances != c.Services {
		t.Errorf("%+v, %d names", c, len(s.Services("n")))
	}
}

func TestCoalescer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type shot struct {
			at time.Duration
			n  int
		}
		begin := time.Now()
		var shots []shot
		c := NewCoalescer(500*time.Millisecond, func(n []Notice) { shots = append(shots, shot{time.Since(begin), len(n)}) })
		sub := subscriber(1)
		for range 10 { // a burst: the first at once, the rest as one 500 ms later
			c.Add(Notice{Key: key})
			time.Sleep(10 * time.Millisecond)
		}
		c.Add(Notice{Key: key, New: &sub}) // at 100 ms
		c.Add(Notice{Key: key, New: &sub})
		time.Sleep(600 * time.Millisecond)
		c.Add(Notice{Key: key}) // 200 ms after the last: gathered
		time.Sleep(1300 * time.Millisecond)
		c.Add(Notice{Key: key}) // at 2 s, after a quiet time
		time.Sleep(time.Second)
		c.Add(Notice{Key: key})
		c.Add(Notice{Key: key})
		c.Close()
		time.Sleep(time.Second)
		ms := time.Millisecond
		want := []shot{{0, 1}, {500 * ms, 1}, {600 * ms, 1}, {1000 * ms, 1}, {2000 * ms, 1}, {3000 * ms, 1}}
		if fmt.Sprint(shots) != fmt.Sprint(want) {
			t.Errorf("%v, want %v", shots, want)
		}
	})
}

// Names and groups are parts of those that are subscribed; the services need not exist.
func TestSubscribersLike(t *testing.T) {
	s := New(func() naming.Instant { return 1 }, nil)
	key := func(ns, group, name string) naming.Key { return naming.Key{Namespace: ns, Group: group, Name: name} }
	for _, k := range []naming.Key{key("n", "shop", "orders"), key("n", "shop", "other"), key("n", "g", "orders"), key("m", "shop", "orders")} {
		s.Subscribe(k, naming.Subscriber{App: "udp"})
	}
	s.Follow(key("n", "shop", "orders"), naming.Subscriber{Connection: "c"})
	got := s.SubscribersLike(key("n", "sho", "der"))
	if len(got) != 2 || got[0].Key != key("n", "shop", "orders") || got[1].Key != got[0].Key || got[0].Subscriber == got[1].Subscriber {
		t.Errorf("%+v", got)
	}
}
