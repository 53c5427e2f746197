package actors

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nactor/actors/actorpb"
	"nactor/cluster"
	"nactor/naming"
)

// failing is a store that refuses to write, or does not end, while it is told to.
type failing struct {
	mu   sync.Mutex
	err  error
	slow bool
	held []func(error)
}

func (f *failing) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// Commit implements Committer.
func (f *failing) Commit(_ []naming.Record, done func(error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.slow {
		f.held = append(f.held, done)
		return
	}
	done(f.err)
}

// end ends what was held up.
func (f *failing) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.slow = false
	for _, done := range f.held {
		done(nil)
	}
}

// An instance that was deregistered does not come back with an owner that was cut off before
// and has only the word of the life before for it, whatever this owner's service went through.
func TestDeregisteredStaysAway(t *testing.T) {
	key := testKey(1)
	gone, rest := testInstance(1, true), testInstance(2, true)
	for name, test := range map[string]struct {
		created   bool // the service, by somebody
		instances []*naming.Instance
		meanwhile func(*testing.T, *Services, *failing, *handedOver)
		heard     bool // the other side had beats that were on their way when the cut began
	}{
		"in one life": {instances: []*naming.Instance{gone, rest}, heard: true},
		"after a commit that failed": {
			instances: []*naming.Instance{gone, rest}, heard: true,
			meanwhile: func(t *testing.T, s *Services, store *failing, _ *handedOver) {
				store.fail(naming.Unavailable("no majority"))
				_, err := s.Do(t.Context(), key, naming.Update{Addr: rest.Addr(), Ephemeral: true, Overlay: naming.Overlay{Weight: 5, Enabled: true}})
				if naming.KindOf(err) != naming.KindUnavailable {
					t.Fatalf("%v", err)
				}
				store.fail(nil)
			},
		},
		"it was the last of its service": {instances: []*naming.Instance{gone}, heard: true},
		"of a service that stays":        {created: true, instances: []*naming.Instance{gone}, heard: true},
		"of a service that was removed":  {instances: []*naming.Instance{gone}, heard: true, meanwhile: remove},
		"and moved": {instances: []*naming.Instance{gone}, heard: true, meanwhile: func(t *testing.T, s *Services, store *failing, out *handedOver) {
			remove(t, s, store, out)
			move(t, s, store, out)
		}},
		"this life went on from one that had seen it":  {instances: []*naming.Instance{gone, rest}, meanwhile: forget},
		"so it did, and the instance was the only one": {instances: []*naming.Instance{gone}, heard: true, meanwhile: move},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, out := &failing{}, &handedOver{}
				s := amongOthers(t, Config{Identity: cluster.Identity, Store: store}, out.take)
				run(t, s)
				s.Follow(ringOf(1, "a"))
				if err := s.AwaitOpen(t.Context()); err != nil {
					t.Fatal(err)
				}
				if test.created {
					if _, err := s.Do(t.Context(), key, naming.CreateService{Meta: naming.ServiceMeta{}}); err != nil {
						t.Fatal(err)
					}
				}
				for _, in := range test.instances {
					if _, err := s.Do(t.Context(), key, naming.Register{Instance: in}); err != nil {
						t.Fatal(err)
					}
				}
				before := s.Views.View(key)
				if _, err := s.Do(t.Context(), key, naming.Deregister{Addr: gone.Addr(), Ephemeral: true}); err != nil {
					t.Fatal(err)
				}
				if test.meanwhile != nil {
					test.meanwhile(t, s, store, out)
				}
				time.Sleep(10 * time.Second)
				theirs := naming.Heritage{
					View: &naming.View{
						Key: key, Ephemeral: true, Revision: naming.Revision{Activation: s.activation(0), Counter: 1},
						Lineage: naming.Lineage{before.Revision}, Instances: before.Instances,
					},
					Silent: make([]time.Duration, len(before.Instances)), Granted: make([]bool, len(before.Instances)),
				}
				for i := range before.Instances {
					theirs.Silent[i], theirs.Granted[i] = 9*time.Second, !test.heard
				}
				s.keeper.merge(theirs)
				synctest.Wait()
				if v := s.Views.View(key); v != nil && v.FindClient(gone.IP, gone.Port, true) != nil {
					t.Errorf("it is back: %+v", v.Instances[0])
				}
				if v := s.Views.View(key); len(test.instances) > 1 && (v == nil || v.FindClient(rest.IP, rest.Port, true) == nil) {
					t.Error("the other instance is gone")
				}
				time.Sleep(3 * time.Minute)
				if h := s.handles.find(key); len(test.instances) == 1 && h != nil {
					t.Error("the grain of an empty service lives for ever")
				}
			})
		})
	}
}

// forget ends the life of a service as a crash does: the next one knows what is shown.
func forget(t *testing.T, s *Services, _ *failing, _ *handedOver) {
	h := s.handles.find(testKey(1))
	s.handles.drop(h)
	s.place.Retire(ServiceKind, h.key.String(), h.pid.Load())
	s.post(testKey(1), &rouse{})
	synctest.Wait()
}

// remove deletes the service.
func remove(t *testing.T, s *Services, _ *failing, _ *handedOver) {
	if _, err := s.Do(t.Context(), testKey(1), naming.RemoveService{}); err != nil {
		t.Fatal(err)
	}
}

// move hands the services to another node, which hands back what it got.
func move(t *testing.T, s *Services, _ *failing, out *handedOver) {
	s.Follow(ringOf(2, "b", "b"))
	time.Sleep(time.Second)
	removed := out.at("b", testKey(1))
	if len(removed) != 1 {
		t.Fatalf("the next owner hears of %v", removed)
	}
	s.Follow(ringOf(3, "a"))
	if err := s.AwaitOpen(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.keeper.onHandoff(&actorpb.Handoff{Services: []*actorpb.Heritage{
		actorpb.FromHeritage(naming.Heritage{View: &naming.View{Key: testKey(1)}, Removed: removed}),
	}}, 0)
}

// What another owner knew may have to wait for a commit: it gets older meanwhile, or it would
// tell of heartbeats later than a deregistration.
func TestHeritageAgesDuringACommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &failing{}
		s := amongOthers(t, Config{Identity: cluster.Identity, Store: store}, nil)
		run(t, s)
		s.Follow(ringOf(1, "a"))
		if err := s.AwaitOpen(t.Context()); err != nil {
			t.Fatal(err)
		}
		key, gone, rest := testKey(1), testInstance(1, true), testInstance(2, true)
		do := func(cmd naming.Command) {
			if _, err := s.Do(t.Context(), key, cmd); err != nil {
				t.Error(err)
			}
		}
		do(naming.Register{Instance: gone})
		do(naming.Register{Instance: rest})
		before := s.Views.View(key)
		do(naming.Deregister{Addr: gone.Addr(), Ephemeral: true})
		store.slow = true
		updated := make(chan struct{})
		go func() {
			defer close(updated)
			do(naming.Update{Addr: rest.Addr(), Ephemeral: true, Overlay: naming.Overlay{Weight: 5, Enabled: true}})
		}()
		time.Sleep(500 * time.Millisecond)
		s.keeper.merge(naming.Heritage{
			View: &naming.View{
				Key: key, Ephemeral: true, Revision: naming.Revision{Activation: s.activation(0), Counter: 1},
				Lineage: naming.Lineage{before.Revision}, Instances: before.Instances,
			},
			Silent: []time.Duration{time.Second, time.Second},
		})
		time.Sleep(4 * time.Second)
		store.end()
		<-updated
		synctest.Wait()
		v := s.Views.View(key)
		if v.FindClient(gone.IP, gone.Port, true) != nil {
			t.Error("what was deregistered is back")
		}
		if in := v.FindClient(rest.IP, rest.Port, true); in == nil || in.Weight != 5 {
			t.Errorf("the other instance is %+v", in)
		}
	})
}
