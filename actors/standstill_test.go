package actors

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"nactor/actors/actorpb"
	"nactor/cluster"
	"nactor/naming"
)

// jumping is a machine whose clock runs on while the process stands still.
type jumping struct {
	Clock
	stood atomic.Int64
}

func (j *jumping) Now() naming.Instant {
	return j.Clock.Now().Add(time.Duration(j.stood.Load()))
}

// A node that stood still carries out nothing that waited, hears no heartbeat of that time,
// and tells the next owner how long ago it really heard the last one.
func TestStandstill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		machine := &jumping{Clock: NewClock()}
		clock := NewSteadyClock(machine)
		var mu sync.Mutex
		var left []*actorpb.Heritage
		taken := 0
		var s *Services
		told := make(chan time.Duration, 1)
		s = amongOthers(t, Config{Identity: cluster.Identity, Clock: clock, Stood: func(d time.Duration) bool {
			told <- d
			return true
		}}, func(_, _ string, message proto.Message) {
			mu.Lock()
			defer mu.Unlock()
			switch m := message.(type) {
			case *actorpb.Packet:
				if h := m.GetHandoff(); h != nil {
					left = append(left, h.Services...)
				}
			case *actorpb.BeatsTaken:
				taken++
			}
		})
		run(t, s)
		watching, stop := context.WithCancel(t.Context())
		defer stop()
		go func() { // ends with the test
			for tick := time.NewTicker(ObserveEvery); ; {
				select {
				case <-tick.C:
					clock.Observe()
				case <-watching.Done():
					tick.Stop()
					return
				}
			}
		}()
		s.Follow(ringOf(1, "a"))
		if err := s.AwaitOpen(t.Context()); err != nil {
			t.Fatal(err)
		}
		key, in := testKey(1), testInstance(1, true)
		if _, err := s.Do(t.Context(), key, naming.Register{Instance: in}); err != nil {
			t.Fatal(err)
		}
		s.Follow(ringOf(2, "a", "b"))
		time.Sleep(time.Second)

		const still = 10 * time.Second
		machine.stood.Add(int64(still))
		_, err := s.Do(t.Context(), key, naming.Register{Instance: testInstance(2, true)})
		if naming.KindOf(err) != naming.KindUnavailable {
			t.Errorf("a request that waited is answered with %v", err)
		}
		addr := actorpb.FromAddr(in.Addr())
		s.gateway.receive("b", &actorpb.Beats{Id: 1, Services: []*actorpb.ServiceBeats{{Key: actorpb.FromKey(key), Addrs: []*actorpb.Addr{addr}}}})
		if d := <-told; d < still || d > still+time.Second {
			t.Errorf("it stood still for %v, not %v", d, still)
		}
		if _, err := s.Do(t.Context(), key, naming.Beat{Addr: in.Addr()}); err == nil {
			t.Error("it takes part again before it has given up what it owned")
		}
		soon, cancel := context.WithTimeout(t.Context(), time.Second)
		if err := s.AwaitRevived(soon); err == nil {
			t.Error("it may join before it has given up what it owned")
		}
		cancel()
		s.Follow(ringOf(3, "b", "b"))
		if err := s.AwaitRevived(t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		if s.stood() {
			t.Error("it does not take part again")
		}
		mu.Lock()
		defer mu.Unlock()
		if taken != 1 {
			t.Errorf("%d messages of heartbeats are acknowledged, not 1: they would come again", taken)
		}
		if len(left) == 0 || len(left[0].Naming().View.Instances) != 1 {
			t.Fatalf("it leaves %v", left)
		}
		if silent := left[0].Naming().Silent; len(silent) != 1 || silent[0] < still {
			t.Errorf("it has heard of the instance %v ago, not more than %v", silent, still)
		}
	})
}

// A moment in which a node does not run is nobody's business.
func TestShortStandstill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		machine := &jumping{Clock: NewClock()}
		s := amongOthers(t, Config{Identity: cluster.Identity, Clock: NewSteadyClock(machine), Stood: func(time.Duration) bool {
			t.Error("it joins anew")
			return false
		}}, nil)
		run(t, s)
		s.Follow(ringOf(1, "a"))
		if err := s.AwaitOpen(t.Context()); err != nil {
			t.Fatal(err)
		}
		machine.stood.Add(int64(2 * time.Second))
		if _, err := s.Do(t.Context(), testKey(1), naming.Register{Instance: testInstance(1, true)}); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
	})
}
