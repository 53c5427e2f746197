package actors_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nactor/actors"
	"nactor/cluster"
	"nactor/naming"
	"nactor/naming/namingtest"
	"nactor/replica"
)

var key = naming.Key{Namespace: "public", Group: "DEFAULT_GROUP", Name: "s"}

// store is a committer that answers when it is told to.
type store struct {
	mu      sync.Mutex
	gated   bool
	fail    error
	batches [][]naming.Record
	waiting []func()
	arrived chan struct{}
}

func (s *store) Commit(batch []naming.Record, done func(error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches = append(s.batches, batch)
	err := s.fail
	if s.gated {
		s.waiting = append(s.waiting, func() { done(err) })
		s.arrived <- struct{}{}
		return
	}
	done(err)
}

func (s *store) open() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gated = false
	for _, f := range s.waiting {
		f()
	}
	s.waiting = nil
}

type rig struct {
	*actors.Services
	views *replica.Store
	store *store
	clock *movable
}

// movable is the node's clock, and can be put forward.
type movable struct {
	actors.Clock
	ahead atomic.Int64
}

func (m *movable) Now() naming.Instant { return m.Clock.Now() + naming.Instant(m.ahead.Load()) }

// advance puts the clock forward and lets every active service see it.
func (r *rig) advance(t testing.TB, d time.Duration) {
	t.Helper()
	r.clock.ahead.Add(int64(d))
	_, active := r.Active(context.Background(), "", "", math.MaxInt)
	for _, a := range active {
		k, _ := naming.ParseIdentity(a.Identity)
		if _, err := r.Do(context.Background(), k, naming.Tick{}); err != nil {
			t.Fatal(err)
		}
	}
}

func start(t testing.TB) *rig {
	t.Helper()
	clock := &movable{Clock: actors.NewClock()}
	r := &rig{clock: clock, store: &store{arrived: make(chan struct{}, 100)}}
	r.views = replica.New(clock.Now, nil)
	rules := naming.DefaultRules()
	r.Services = actors.NewServices(actors.Config{
		Logger: quiet, Clock: clock, Store: r.store, Views: r.views, Rules: &rules, Identity: cluster.Identity,
	})
	r.Place(startCluster(t, r.Kinds()))
	return r
}

func (r *rig) do(t *testing.T, cmd naming.Command) naming.Result {
	t.Helper()
	res, err := r.Do(context.Background(), key, cmd)
	if err != nil {
		t.Fatalf("%T: %v", cmd, err)
	}
	return res
}

func instance(i int, ephemeral bool) *naming.Instance {
	return &naming.Instance{IP: fmt.Sprintf("10.0.%d.%d", i/250, i%250), Port: 80, Cluster: "DEFAULT", Weight: 1, Enabled: true, Healthy: true, Ephemeral: ephemeral}
}

func TestConformance(t *testing.T) {
	r := start(t)
	namingtest.Run(t, func(t *testing.T) namingtest.Rig {
		return namingtest.Rig{Registry: r.Services, Reader: r.views, Model: namingtest.V2, Advance: func(d time.Duration) { r.advance(t, d) }}
	})
}

func TestRegisterIsShownBeforeItIsAnswered(t *testing.T) {
	r := start(t)
	for i := range 100 {
		res := r.do(t, naming.Register{Instance: instance(i, true)})
		if v := r.views.View(key); len(v.Instances) != i+1 || v.Revision != res.Revision {
			t.Fatalf("after %d registrations: %d instances at %v, answer says %v", i+1, len(v.Instances), v.Revision, res.Revision)
		}
	}
	if n := len(r.store.batches); n != 0 {
		t.Errorf("ephemeral instances made %d commits", n)
	}
}

func TestConcurrentRegistrations(t *testing.T) {
	r := start(t)
	const n = 2000
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { r.do(t, naming.Register{Instance: instance(i, i%2 == 0)}) })
	}
	wg.Wait()
	if v := r.views.View(key); len(v.Instances) != n {
		t.Errorf("%d instances, want %d", len(v.Instances), n)
	}
	records := 0
	for _, b := range r.store.batches {
		records += len(b)
	}
	if records != n/2 {
		t.Errorf("%d records, want %d", records, n/2)
	}
}

func TestPersistentIsShownWhenItIsDurable(t *testing.T) {
	r := start(t)
	r.store.gated = true
	answered := make(chan error, 2)
	go func() {
		_, err := r.Do(context.Background(), key, naming.Register{Instance: instance(1, false)})
		answered <- err
	}()
	<-r.store.arrived
	// Meanwhile a heartbeat is answered, and nothing is shown.
	if res := r.do(t, naming.Beat{Addr: naming.Addr{IP: "9.9.9.9", Port: 1}}); res.Known {
		t.Error("unknown instance is known")
	}
	go func() {
		_, err := r.Do(context.Background(), key, naming.Register{Instance: instance(2, true)})
		answered <- err
	}()
	if v := r.views.View(key); v != nil {
		t.Errorf("shown before it is durable: %+v", v.Instances)
	}
	r.store.open()
	for range 2 {
		if err := <-answered; err != nil {
			t.Error(err)
		}
	}
	if v := r.views.View(key); len(v.Instances) != 2 {
		t.Errorf("%d instances, want 2", len(v.Instances))
	}
}

func TestFailedCommitIsUndone(t *testing.T) {
	r := start(t)
	r.do(t, naming.Register{Instance: instance(0, true)})
	full := naming.Unavailable("disk is full")
	r.store.gated, r.store.fail = true, full
	persistent, ephemeral := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := r.Do(context.Background(), key, naming.Register{Instance: instance(1, false)})
		persistent <- err
	}()
	<-r.store.arrived
	go func() {
		_, err := r.Do(context.Background(), key, naming.Beat{Addr: instance(2, true).Addr(), Instance: instance(2, true)})
		ephemeral <- err
	}()
	r.store.open()
	if err := <-persistent; !errors.Is(err, full) {
		t.Errorf("the caller was told %v", err)
	}
	if err := <-ephemeral; err != nil {
		t.Errorf("an ephemeral registration failed with the disk: %v", err)
	}
	if v := r.views.View(key); len(v.Instances) != 2 || v.Find(instance(1, false).Addr()) != nil {
		t.Errorf("view after the failure: %+v", v.Instances)
	}
}

// bomb makes the state machine panic: a nil instance cannot be registered.
var bomb = naming.Register{}

func TestPanicRestartsOneGrainFromWhatIsShown(t *testing.T) {
	r := start(t)
	other := naming.Key{Namespace: "public", Group: "g", Name: "other"}
	for i := range 10 {
		r.do(t, naming.Register{Instance: instance(i, true)})
	}
	if _, err := r.Do(context.Background(), other, naming.Register{Instance: instance(0, true)}); err != nil {
		t.Fatal(err)
	}
	before := r.views.View(other).Revision
	if _, err := r.Do(context.Background(), key, bomb); err == nil || naming.KindOf(err) != naming.KindInternal {
		t.Fatalf("answer to the bomb: %v", err)
	}
	r.do(t, naming.Register{Instance: instance(10, true)})
	if v := r.views.View(key); len(v.Instances) != 11 {
		t.Errorf("%d instances after the restart, want 11", len(v.Instances))
	}
	if res, _ := r.Do(context.Background(), other, naming.Beat{Addr: instance(0, true).Addr()}); !res.Known || res.Revision != before {
		t.Errorf("the other service was touched: %+v, was at %v", res, before)
	}
	if n := r.Stats().Restarts; n != 1 {
		t.Errorf("%d restarts", n)
	}
}

// A supervisor gives up after some failures in a row; the service must come back all the same.
func TestServiceComesBackAfterItsSupervisorGaveUp(t *testing.T) {
	r := start(t)
	r.do(t, naming.Register{Instance: instance(0, true)})
	for range 15 {
		if _, err := r.Do(context.Background(), key, bomb); err == nil {
			t.Fatal("the bomb was accepted")
		}
	}
	eventually(t, func() bool {
		res, err := r.Do(context.Background(), key, naming.Beat{Addr: instance(0, true).Addr()})
		return err == nil && res.Known
	})
}

func TestEmptyGrainRetires(t *testing.T) {
	r := start(t)
	rules := naming.DefaultRules()
	rules.EmptyService = 10 * time.Millisecond
	r.SetRules(rules)
	for range 3 {
		r.do(t, naming.Register{Instance: instance(0, true)})
		if n := r.Stats().Active; n != 1 {
			t.Fatalf("%d grains are active, want 1", n)
		}
		r.do(t, naming.Deregister{Addr: instance(0, true).Addr(), Ephemeral: true})
		eventually(t, func() bool { return r.Stats().Active == 0 && r.views.View(key) == nil })
	}
}

func TestCallsDuringRetirementAreAnswered(t *testing.T) {
	r := start(t)
	rules := naming.DefaultRules()
	rules.EmptyService = 0
	r.SetRules(rules)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for range 500 {
				r.do(t, naming.Register{Instance: instance(g, true)})
				r.do(t, naming.Deregister{Addr: instance(g, true).Addr(), Ephemeral: true})
			}
		})
	}
	wg.Wait()
	eventually(t, func() bool { return r.Stats().Active == 0 })
}

func TestInspect(t *testing.T) {
	r := start(t)
	r.do(t, naming.Register{Instance: instance(0, true)})
	r.do(t, naming.Beat{Addr: instance(0, true).Addr()})
	info, err := r.Inspect(context.Background(), key.String())
	if err != nil || info.V2 != 1 || info.Handled != 2 || info.LastBeat < 0 || info.Mailbox != 0 {
		t.Errorf("%+v, %v", info, err)
	}
	if _, err := r.Inspect(context.Background(), "public@@g@@none"); naming.KindOf(err) != naming.KindNotFound {
		t.Errorf("unknown service: %v", err)
	}
}

func BenchmarkBeat(b *testing.B) {
	r := start(b)
	if _, err := r.Do(context.Background(), key, naming.Register{Instance: instance(0, true)}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		addr := instance(0, true).Addr()
		for pb.Next() {
			if res, err := r.Do(context.Background(), key, naming.Beat{Addr: addr}); err != nil || !res.Known {
				b.Errorf("%+v %v", res, err)
			}
		}
	})
}

// As many callers as a front has connections, spread over services: how it is in use.
func BenchmarkBeatManyServices(b *testing.B) {
	r := start(b)
	keys := make([]naming.Key, 1000)
	for i := range keys {
		keys[i] = naming.Key{Namespace: "public", Group: "DEFAULT_GROUP", Name: fmt.Sprint("s", i)}
		if _, err := r.Do(context.Background(), keys[i], naming.Register{Instance: instance(0, true)}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.SetParallelism(32)
	var begin atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		addr := instance(0, true).Addr()
		for i := int(begin.Add(97)); pb.Next(); i++ {
			if res, err := r.Do(context.Background(), keys[i%len(keys)], naming.Beat{Addr: addr}); err != nil || !res.Known {
				b.Errorf("%+v %v", res, err)
			}
		}
	})
}

func BenchmarkRegisterNewServices(b *testing.B) {
	r := start(b)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		k := naming.Key{Namespace: "public", Group: "g", Name: fmt.Sprint("s", i)}
		if _, err := r.Do(context.Background(), k, naming.Register{Instance: instance(0, true)}); err != nil {
			b.Fatal(err)
		}
	}
}
