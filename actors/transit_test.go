package actors

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"nactor/actors/actorpb"
	"nactor/cluster"
	"nactor/naming"
)

func TestTransit(t *testing.T) {
	const s = time.Second
	type message struct {
		life     uint64
		at, came time.Duration // by the stopwatches of the sender and of the receiver
		late     time.Duration
	}
	for name, messages := range map[string][]message{
		"in time":                           {{1, 0, 100 * s, 0}, {1, 5 * s, 105 * s, 0}},
		"what a cut held up":                {{1, 0, 100 * s, 0}, {1, 1 * s, 107 * s, 6 * s}, {1, 7 * s, 107 * s, 0}},
		"a cut longer than what counts":     {{1, 0, 100 * s, 0}, {1, 1 * s, 161 * s, 60 * s}, {1, 2 * s, 161 * s, 59 * s}, {1, 61 * s, 161 * s, 0}},
		"the first was late":                {{1, 0, 106 * s, 0}, {1, 6 * s, 106 * s, 0}, {1, 6 * s, 107 * s, 1 * s}},
		"another process":                   {{1, 50 * s, 100 * s, 0}, {2, 0, 110 * s, 0}, {2, 1 * s, 112 * s, 1 * s}, {1, 51 * s, 112 * s, tooLate}},
		"a stray of one long gone":          {{1, 50 * s, 100 * s, 0}, {2, 0, 110 * s, 0}, {3, 0, 115 * s, 0}, {1, 51 * s, 116 * s, 0}, {3, 2 * s, 117 * s, tooLate}, {3, 12 * s, 127 * s, 0}},
		"the sender's machine slept":        {{1, 0, 100 * s, 0}, {1, 1 * s, 161 * s, 60 * s}, {1, 9 * s, 169 * s, 60 * s}, {1, 12 * s, 172 * s, 0}},
		"the receiver's machine slept":      {{1, 0, 100 * s, 0}, {1, 61 * s, 101 * s, 0}, {1, 62 * s, 102 * s, 0}},
		"a clock that runs slower for days": {{1, 0, 0, 0}, {1, 86_400 * s, 86_401 * s, 1 * s}, {1, 86_411 * s, 86_412 * s, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			var tr transit
			if d := tr.late(nil, 100*s); d != 0 {
				t.Errorf("a message that says nothing is %v late", d)
			}
			for i, m := range messages {
				if d := tr.late(&actorpb.Sent{Life: m.life, At: uint64(m.at)}, m.came); d != m.late {
					t.Errorf("message %d is %v late, want %v", i, d, m.late)
				}
			}
		})
	}
}

// What a cut of the network held up is of the past when it comes: commands have been given up,
// heartbeats and heritages are as old as they are.
func TestLateMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const cut = 6 * time.Second
		var mu sync.Mutex
		replies := map[uint64]*actorpb.Reply{}
		s := amongOthers(t, Config{Identity: cluster.Identity}, func(_, _ string, message proto.Message) {
			mu.Lock()
			defer mu.Unlock()
			if m, ok := message.(*actorpb.Replies); ok {
				for _, r := range m.Replies {
					replies[r.Id] = r
				}
			}
		})
		run(t, s)
		b := stopwatch{time.Now()}
		s.Follow(ringOf(1, "a"))
		if err := s.AwaitOpen(t.Context()); err != nil {
			t.Fatal(err)
		}
		key := testKey(1)
		register := func(i int) {
			if _, err := s.Do(t.Context(), key, naming.Register{Instance: testInstance(i, true)}); err != nil {
				t.Fatal(err)
			}
		}
		command := func(id uint64, i int) *actorpb.Commands {
			pb, _ := actorpb.FromCommand(id, key, naming.Register{Instance: testInstance(i, true)})
			return &actorpb.Commands{Commands: []*actorpb.Command{pb}, Sent: b.sent()}
		}
		register(1)
		s.gateway.receive("b", command(1, 2))
		held := []proto.Message{
			command(2, 3),
			&actorpb.Beats{Id: 1, Sent: b.sent(), Services: []*actorpb.ServiceBeats{{Key: actorpb.FromKey(key), Addrs: []*actorpb.Addr{actorpb.FromAddr(testInstance(1, true).Addr())}}}},
		}
		handoff := &actorpb.Packet{Session: 1, Seq: 1, Sent: b.sent(), Body: &actorpb.Packet_Handoff{Handoff: &actorpb.Handoff{Services: []*actorpb.Heritage{
			actorpb.FromHeritage(naming.Heritage{
				View:   &naming.View{Key: key, Ephemeral: true, Revision: naming.Revision{Activation: 9, Counter: 1}, Instances: []*naming.Instance{testInstance(4, true)}},
				Silent: []time.Duration{0},
			}),
		}}}}
		time.Sleep(cut)
		for _, m := range held {
			s.gateway.receive("b", m)
		}
		s.mesh.receive("b", handoff)
		s.gateway.receive("b", command(3, 5))
		synctest.Wait()

		if v := s.Views.View(key); v.FindClient("10.0.0.2", 80, true) == nil || v.FindClient("10.0.0.5", 80, true) == nil {
			t.Error("a command that came in time is not carried out")
		} else if v.FindClient("10.0.0.3", 80, true) != nil {
			t.Error("a command that came late is carried out")
		}
		mu.Lock()
		if r := replies[2]; r == nil || !r.Moved {
			t.Errorf("a command that came late is answered with %v", r)
		}
		mu.Unlock()
		// Nobody has been heard of since, so they turn unhealthy as old as they are.
		time.Sleep(naming.DefaultBeatTimeout - cut + time.Second)
		for _, ip := range []string{"10.0.0.1", "10.0.0.4"} {
			if in := s.Views.View(key).FindClient(ip, 80, true); in == nil || in.Healthy {
				t.Errorf("%s was heard of %v ago: %+v", ip, naming.DefaultBeatTimeout+time.Second, in)
			}
		}
	})
}
