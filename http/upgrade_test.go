package http

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"nactor/naming/upgrade/switchover"
)

// upgraded is a cluster in the middle of an upgrade.
type upgraded struct{}

func (upgraded) UpgradeMetrics() UpgradeMetrics {
	return UpgradeMetrics{
		All20X: true, DoubleWrite: true, DelayTasks: 1, Services1: 12, Instances1: 345, Services2: 11, Instances2: 344, Subscribers2: 2,
		OwnServices1: 4, OwnInstances1: 115, Ephemeral2: 9, Persistent2: 2, EphemeralInst2: 300, PersistentInst2: 44,
		Only1: []string{"public##DEFAULT_GROUP@@empty", "public##g@@other"},
	}
}

func (upgraded) ExplainUpgrade(context.Context) (switchover.Explanation, error) {
	return switchover.Explanation{State: switchover.Initial(), Phase: switchover.Waiting, WaitsFor: []string{"10.0.0.2:8848 runs 1.4.2: replace it by 2.X, or take nactor.as-version out of its settings"},
		Members: []switchover.MemberExplanation{{ID: "a", Address: "10.0.0.1:8848", Reasons: []string{"1 services differ"},
			Differing: []switchover.Differing{{Service: "public##g@@s", Differences: []string{"service is missing in v1"}}}}}}, nil
}

// Whoever asks why a node does not serve yet gets an answer.
func TestUpgradeIsToldWhileStarting(t *testing.T) {
	r := start(t)
	r.registry.status = Status{State: "STARTING"}
	if got := r.send("GET", "/v1/ns/upgrade/ops/explain", "").body; !strings.Contains(got, `"waitsFor":["10.0.0.2:8848 runs`) || !strings.Contains(got, `"mode":"v1"`) {
		t.Error(got)
	}
}

// counted is a cluster whose services are counted, which takes as long as block is open.
type counted struct {
	upgraded
	asked *atomic.Int32
	block chan struct{}
}

func (c counted) UpgradeMetrics() UpgradeMetrics {
	c.asked.Add(1)
	<-c.block
	return c.upgraded.UpgradeMetrics()
}

// However many clients ask for the state of the server: the services are counted once.
func TestServicesAreCountedOnce(t *testing.T) {
	var own ownCounts
	u := counted{asked: &atomic.Int32{}, block: make(chan struct{})}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if services, instances := own.counts(u); services != 4 || instances != 115 {
				t.Errorf("%d services, %d instances", services, instances)
			}
		})
	}
	close(u.block)
	all.Wait()
	if n := u.asked.Load(); n != 1 {
		t.Errorf("counted %d times", n)
	}
}
