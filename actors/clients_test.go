package actors

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nactor/cluster"
	"nactor/naming"
)

// clientsOf runs services of a node "a" that owns all, and its connections.
func clientsOf(t *testing.T) (*Services, *Clients) {
	t.Helper()
	s := amongOthers(t, Config{Identity: cluster.Identity}, nil)
	run(t, s)
	members(s, 1, "b1")
	if err := s.AwaitOpen(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := NewClients(s)
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() { c.Run(ctx); close(over) }()
	t.Cleanup(func() { cancel(); <-over })
	return s, c
}

// members has the node see processes of another node, which own nothing.
func members(s *Services, ring uint64, processes ...string) {
	topo := Topology{Ring: ring, Process: "a1", Owner: func(int) string { return "a" }}
	for _, p := range processes {
		topo.Peers = append(topo.Peers, Peer{ID: p[:1], Process: p, Doubted: true})
	}
	s.Follow(topo)
}

func connectTo(c *Clients, id string) naming.Connection {
	return c.Connect(naming.ConnectionInfo{ID: id, Addr: netip.MustParseAddrPort("10.0.0.9:4000"), Agent: "test", Changed: func(naming.Key) {}})
}

func listed(s *Services, key naming.Key, in *naming.Instance) *naming.Instance {
	if v := s.Views.View(key); v != nil {
		return v.Find(in.Addr())
	}
	return nil
}

func TestConnection(t *testing.T) {
	key, one, two := testKey(1), testInstance(1, true), testInstance(2, true)
	publish := func(t *testing.T, c naming.Connection, instances ...*naming.Instance) {
		t.Helper()
		if err := c.Publish(t.Context(), key, instances); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]func(t *testing.T, s *Services, c *Clients){
		"what it publishes lives without heartbeats, and dies with it": func(t *testing.T, s *Services, c *Clients) {
			conn := connectTo(c, "c1")
			publish(t, conn, one)
			time.Sleep(10 * time.Minute)
			if in := listed(s, key, one); in == nil || !in.Healthy || in.Client == nil || in.Client.ID != "c1" {
				t.Fatalf("listed is %+v", in)
			}
			conn.Close()
			time.Sleep(time.Second)
			if in := listed(s, key, one); in != nil {
				t.Errorf("listed is %+v after the end", in)
			}
			if err := conn.Publish(t.Context(), key, []*naming.Instance{one}); err == nil {
				t.Error("it publishes after its end")
			}
			if c.Len() != 0 {
				t.Errorf("%d connections", c.Len())
			}
		},
		"one publication replaces the one before": func(t *testing.T, s *Services, c *Clients) {
			conn := connectTo(c, "c1")
			publish(t, conn, one)
			publish(t, conn, two)
			if listed(s, key, one) != nil || listed(s, key, two) == nil {
				t.Error("both, or the first, are listed")
			}
			publish(t, conn, one, two)
			if listed(s, key, one) == nil || listed(s, key, two) == nil {
				t.Error("a batch is not listed")
			}
			if err := conn.Withdraw(t.Context(), key); err != nil || listed(s, key, one) != nil || listed(s, key, two) != nil {
				t.Errorf("withdrawn: %v", err)
			}
		},
		"the end of a connection spares the next one of its client": func(t *testing.T, s *Services, c *Clients) {
			before, after := connectTo(c, "c1"), connectTo(c, "c2")
			publish(t, before, one)
			publish(t, after, one)
			before.Close()
			time.Sleep(time.Minute)
			if in := listed(s, key, one); in == nil || in.Client.ID != "c2" {
				t.Errorf("listed is %+v", in)
			}
		},
		"what HTTP registers is HTTP's": func(t *testing.T, s *Services, c *Clients) {
			conn := connectTo(c, "c1")
			publish(t, conn, one)
			if _, err := s.Do(t.Context(), key, naming.Register{Instance: testInstance(1, true)}); err != nil {
				t.Fatal(err)
			}
			conn.Close()
			time.Sleep(10 * time.Second)
			if in := listed(s, key, one); in == nil || in.Client != nil {
				t.Errorf("listed is %+v", in)
			}
			time.Sleep(time.Minute)
			if listed(s, key, one) != nil {
				t.Error("it lives without heartbeats")
			}
		},
		"what was lost is published again": func(t *testing.T, s *Services, c *Clients) {
			publish(t, connectTo(c, "c1"), one)
			if _, err := s.Do(t.Context(), key, naming.Deregister{Addr: one.Addr(), Ephemeral: true}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * verifyEvery)
			if listed(s, key, one) == nil {
				t.Error("not listed")
			}
		},
		"what nobody publishes any more goes": func(t *testing.T, s *Services, c *Clients) {
			ghost := testInstance(1, true)
			ghost.Client = &naming.Client{ID: "c0", Node: "a1"}
			if _, err := s.Do(t.Context(), key, naming.Register{Instance: ghost}); err != nil {
				t.Fatal(err)
			}
			conn := connectTo(c, "c1")
			publish(t, conn, two)
			other := testInstance(3, true)
			other.Client = &naming.Client{ID: "c1", Node: "a1"}
			if _, err := s.Do(t.Context(), key, naming.Register{Instance: other}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3 * staleEvery * verifyEvery)
			if listed(s, key, ghost) != nil || listed(s, key, other) != nil || listed(s, key, two) == nil {
				t.Error("a ghost is listed, or who lives is not")
			}
		},
		"a node that goes leaves a grace": func(t *testing.T, s *Services, c *Clients) {
			theirs, taken := testInstance(1, true), testInstance(2, true)
			theirs.Client = &naming.Client{ID: "d1", Node: "b1"}
			taken.Client = &naming.Client{ID: "d2", Node: "b1"}
			for _, in := range []*naming.Instance{theirs, taken} {
				if _, err := s.Do(t.Context(), key, naming.Register{Instance: in}); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Minute)
			members(s, 2) // b1 has gone
			time.Sleep(naming.ConnectionGrace - naming.ConnectionCheck - time.Second)
			if in := listed(s, key, theirs); in == nil || !in.Healthy {
				t.Fatalf("listed is %+v, too soon", in)
			}
			publish(t, connectTo(c, "c1"), testInstance(2, true))
			time.Sleep(naming.ConnectionGrace)
			if listed(s, key, theirs) != nil || listed(s, key, taken) == nil {
				t.Error("who has not come back is listed, or who has is not")
			}
		},
		"a client that was told to go on elsewhere has the time": func(t *testing.T, s *Services, c *Clients) {
			conn, lost := connectTo(c, "c1"), connectTo(c, "c2")
			publish(t, conn, one)
			if err := lost.Publish(t.Context(), testKey(2), []*naming.Instance{testInstance(2, true)}); err != nil {
				t.Fatal(err)
			}
			conn.Leave()
			lost.Leave()
			time.Sleep(naming.ConnectionGrace - time.Second)
			if listed(s, key, one) == nil || listed(s, testKey(2), two) == nil {
				t.Fatal("it was withdrawn")
			}
			publish(t, connectTo(c, "c3"), testInstance(1, true))
			time.Sleep(2 * staleEvery * verifyEvery)
			if in := listed(s, key, one); in == nil || in.Client.ID != "c3" {
				t.Errorf("listed is %+v", in)
			}
			if listed(s, testKey(2), two) != nil || len(c.left) != 0 {
				t.Error("who has not gone on is listed")
			}
		},
		"a node that stops leaves what was published": func(t *testing.T, s *Services, c *Clients) {
			conn := connectTo(c, "c1")
			publish(t, conn, one)
			c.Leave()
			conn.Close()
			time.Sleep(time.Second)
			if listed(s, key, one) == nil {
				t.Error("it was withdrawn")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, c := clientsOf(t)
				test(t, s, c)
			})
		})
	}
}

// Whoever is subscribed over a connection hears of each change until it ends.
func TestConnectionSubscribes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := clientsOf(t)
		var mu sync.Mutex
		var heard []naming.Key
		conn := c.Connect(naming.ConnectionInfo{ID: "c1", Changed: func(key naming.Key) {
			mu.Lock()
			defer mu.Unlock()
			heard = append(heard, key)
		}})
		key := testKey(1)
		conn.Subscribe(key, "x")
		if subs := s.Views.Subscribers(key); len(subs) != 1 || subs[0].Connection != "c1" || subs[0].Clusters != "x" {
			t.Errorf("subscribers are %+v", subs)
		}
		c.Notify(key)
		c.Notify(testKey(2))
		mu.Lock()
		if !slices.Equal(heard, []naming.Key{key}) {
			t.Errorf("heard of %v", heard)
		}
		mu.Unlock()
		conn.Close()
		if n := s.Views.Counts().Subscribers; n != 0 || len(s.Views.Followers(key)) != 0 {
			t.Errorf("%d subscribers after the end", n)
		}
	})
}
