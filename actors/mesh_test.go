package actors

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"nactor/naming"
	"nactor/replica"
)

// sent is what a node under test sends to others.
type sent struct {
	take func(to, inbox string, message proto.Message)
}

// Send implements Peers.
func (s sent) Send(to, inbox string, message proto.Message) {
	if s.take != nil {
		s.take(to, inbox, message)
	}
}

// amongOthers returns the services of a node "a" of several, which end with the test.
func amongOthers(t *testing.T, cfg Config, take func(to, inbox string, message proto.Message)) *Services {
	t.Helper()
	rules := naming.DefaultRules()
	cfg.Logger, cfg.Clock, cfg.Self, cfg.Rules, cfg.Peers = slog.New(slog.DiscardHandler), NewClock(), "a", &rules, sent{take}
	if cfg.Views == nil {
		cfg.Views = replica.New(cfg.Clock.Now, nil)
	}
	return NewServices(cfg)
}

// Who is here may change until the membership ends, which is after the services.
func TestNoLinkAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := amongOthers(t, Config{}, nil)
		over, cancel := context.WithCancel(t.Context())
		cancel()
		s.Run(over)
		s.Follow(Topology{Ring: 1, Owner: func(int) string { return "b" }, Peers: []Peer{{ID: "b", Process: "b1"}}})
		time.Sleep(time.Minute)
		if n := len(s.mesh.links); n != 0 {
			t.Errorf("%d links", n)
		}
	})
}
