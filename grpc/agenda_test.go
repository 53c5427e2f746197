package grpc

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"nactor/naming"
)

// subscriber returns a client that is nowhere connected, subscribed to count services.
func subscriber(t testing.TB, r *rig, count int) (*client, []naming.Key) {
	t.Helper()
	c := newClient(r.server, &transport{id: "x"}, identity{})
	t.Cleanup(c.end)
	keys := make([]naming.Key, count)
	for i := range keys {
		keys[i] = naming.Key{Namespace: "public", Group: "g", Name: fmt.Sprint("s", i)}
		c.begin(keys[i], "")
	}
	return c, keys
}

// acknowledge answers the push of a service, if there is one.
func (c *client) acknowledge(key naming.Key) {
	c.mu.Lock()
	id := c.subs[key].pushed
	c.mu.Unlock()
	c.acked(id, time.Now())
}

// The first change is pushed at once, those that follow soon are one push, and what is quiet
// again is pushed at once again.
func TestPushWindow(t *testing.T) {
	c, keys := subscriber(t, newRig(t, nil), 1)
	now := time.Now()
	c.changed(keys[0])
	if push, _ := c.due(now); push == nil {
		t.Fatal("the first change is not pushed at once")
	}
	c.acknowledge(keys[0])
	for range 3 {
		c.changed(keys[0])
		if push, again := c.due(now.Add(minGather / 2)); push != nil || again != minGather/2 {
			t.Fatalf("pushed again too soon, or looked at again in %v", again)
		}
	}
	if push, _ := c.due(now.Add(minGather)); push == nil {
		t.Fatal("what was gathered is not pushed")
	}
	c.acknowledge(keys[0])
	if push, again := c.due(now.Add(time.Hour)); push != nil || again < time.Minute {
		t.Fatalf("pushed without a change, or looked at again in %v", again)
	}
	c.changed(keys[0])
	if push, _ := c.due(now.Add(time.Hour)); push == nil {
		t.Fatal("not pushed at once after a quiet time")
	}
}

func TestGather(t *testing.T) {
	for size, want := range map[int]time.Duration{
		0: minGather, 300: minGather, pushRate / 4: time.Second / 4, pushRate: defaultPushWindow, 100 * pushRate: defaultPushWindow,
	} {
		if got := gather(size, defaultPushWindow); got != want {
			t.Errorf("%d bytes: %v, want %v", size, got, want)
		}
	}
	if got := gather(300, time.Millisecond); got != time.Millisecond {
		t.Errorf("%v, the window is 1 ms", got)
	}
}

// Whatever happens in whichever order: what is pushed is something that changed and is not
// waited for, nothing that changed is forgotten, and the agenda agrees with the subscriptions.
func TestAgenda(t *testing.T) {
	c, keys := subscriber(t, newRig(t, nil), 20)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	now := time.Now()
	changed := map[naming.Key]bool{}
	for range 20_000 {
		key := keys[random.IntN(len(keys))]
		switch random.IntN(5) {
		case 0:
			c.changed(key)
			changed[key] = true
		case 1:
			c.acknowledge(key)
		case 2:
			now = now.Add(time.Duration(random.IntN(2000)) * time.Millisecond)
		case 3:
			if random.IntN(20) == 0 {
				c.finish(key)
				c.begin(key, "")
				delete(changed, key)
			}
		case 4:
			before := make(map[naming.Key]string, len(keys))
			for k, sub := range c.subs {
				before[k] = sub.pushed
			}
			if push, _ := c.due(now); push != nil {
				i := slices.IndexFunc(keys, func(k naming.Key) bool { return c.subs[k].pushed != "" && c.subs[k].pushed != before[k] })
				if i < 0 {
					t.Fatal("a push that nobody waits for")
				}
				delete(changed, keys[i])
			}
		}
		for k := range changed {
			if sub := c.subs[k]; sub.place < 0 {
				t.Fatalf("a change of %s is forgotten", k.Name)
			}
		}
		for i, sub := range c.todo {
			if sub.place != i || c.subs[sub.key] != sub || !sub.dirty && sub.pushed == "" {
				t.Fatalf("place %d holds %+v", i, sub)
			}
		}
	}
	// All that changed is pushed in the end.
	for push, again := c.due(now); len(c.todo) > 0; push, again = c.due(now) {
		if push == nil {
			now = now.Add(again)
		}
		for _, k := range keys {
			c.acknowledge(k)
		}
	}
	if len(c.acks) != 0 {
		t.Errorf("%d acknowledgements are waited for", len(c.acks))
	}
}

// A client with many subscriptions, all of which change: what one of the pushes costs.
func BenchmarkPushes(b *testing.B) {
	for _, count := range []int{100, 10_000} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			r := newRig(b, nil)
			c, keys := subscriber(b, r, count)
			now := time.Now()
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				now = now.Add(time.Second)
				b.StartTimer()
				for _, k := range keys {
					c.changed(k)
				}
				for push, _ := c.due(now); push != nil; push, _ = c.due(now) {
				}
				for _, k := range keys {
					c.acknowledge(k)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*count), "ns/push")
		})
	}
}
