package persistence

import (
	"context"
	"errors"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"nactor/naming"
)

// simNet connects simulated nodes. What is cut off answers nobody.
type simNet struct {
	mu    sync.Mutex
	nodes map[string]*simNode
	cut   map[string]bool
}

type simNode struct {
	*Raft
	sim   Simulation
	trans *raft.InmemTransport
	dir   string
}

// simForwarder is a node's way to the others.
type simForwarder struct {
	net  *simNet
	from string
}

func (f simForwarder) Call(ctx context.Context, _, address string, request []byte) ([]byte, error) {
	f.net.mu.Lock()
	to, cut := f.net.nodes[address], f.net.cut[address] || f.net.cut[f.from]
	f.net.mu.Unlock()
	if to == nil || cut {
		<-ctx.Done() // packets vanish
		return nil, errors.New("no answer")
	}
	return to.Serve(ctx, request), nil
}

// isolate cuts a node off, or connects it again.
func (n *simNet) isolate(address string, cut bool) {
	n.mu.Lock()
	n.cut[address] = cut
	n.mu.Unlock()
	for a, one := range n.nodes {
		for b, other := range n.nodes {
			switch {
			case a == b:
			case n.cut[a] || n.cut[b]:
				one.trans.Disconnect(raft.ServerAddress(b))
			default:
				one.trans.Connect(raft.ServerAddress(b), other.trans)
			}
		}
	}
}

func (n *simNet) leader() *simNode {
	for {
		for a, node := range n.nodes {
			if !n.cut[a] && node.IsLeader() && node.VerifyLeader() == nil {
				return node
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Three nodes in virtual time. The leader is cut off a few times, while all write.
func TestLeaderIsCutOff(t *testing.T) {
	root := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		net := &simNet{nodes: map[string]*simNode{}, cut: map[string]bool{}}
		var servers []Server
		for _, name := range []string{"a", "b", "c"} {
			_, trans := raft.NewInmemTransport(raft.ServerAddress(name))
			stable := raft.NewInmemStore()
			n := &simNode{trans: trans, dir: filepath.Join(root, name)}
			n.sim = Simulation{trans, simForwarder{net, name}, stable, stable, raft.NewInmemSnapshotStore()}
			var err error
			if n.Raft, err = OpenRaft(RaftOptions{Dir: n.dir, Simulation: &n.sim, SnapshotEntries: 20, TrailingEntries: 5}); err != nil {
				t.Fatal(err)
			}
			net.nodes[name] = n
			servers = append(servers, Server{n.NodeID(), name})
		}
		net.isolate("", false)
		for _, n := range net.nodes {
			if err := n.Bootstrap(servers); err != nil {
				t.Fatal(err)
			}
		}
		net.leader()

		stop := make(chan struct{})
		var writers sync.WaitGroup
		var mu sync.Mutex
		acknowledged := map[naming.Addr]bool{}
		refused, written := 0, 0
		for _, n := range net.nodes {
			writers.Go(func() {
				for {
					mu.Lock()
					written++
					r := instanceRec(svc, written)
					mu.Unlock()
					begin := time.Now()
					err := commitTo(n, r)
					if d := time.Since(begin); d > 3100*time.Millisecond {
						t.Errorf("an answer after %v", d)
					}
					mu.Lock()
					switch {
					case err == nil:
						acknowledged[r.Addr] = true
					case naming.KindOf(err) == naming.KindUnavailable:
						refused++
					default:
						t.Error(err)
					}
					mu.Unlock()
					select {
					case <-stop:
						return
					case <-time.After(100 * time.Millisecond):
					}
				}
			})
		}
		for range 5 {
			time.Sleep(3 * time.Second)
			old := net.leader()
			name := string(old.trans.LocalAddr())
			net.isolate(name, true)
			time.Sleep(10 * time.Second)
			if net.leader() == old {
				t.Error("who is cut off leads")
			}
			if old.IsLeader() {
				t.Error("who is cut off believes that it leads")
			}
			net.isolate(name, false)
		}
		close(stop)
		writers.Wait()
		time.Sleep(3 * time.Second)
		var want map[naming.Key]naming.Saved
		for _, n := range net.nodes {
			got := servicesOn(t, n)
			if want == nil {
				want = got
			}
			if !reflect.DeepEqual(got, want) {
				t.Error("nodes hold different things")
			}
			if !n.CaughtUp() {
				t.Error("not caught up")
			}
		}
		held := map[naming.Addr]bool{}
		for _, in := range want[svc].Instances {
			held[in.Addr()] = true
		}
		for a := range acknowledged {
			if !held[a] {
				t.Errorf("%v was acknowledged and is lost", a)
			}
		}
		t.Logf("%d acknowledged, %d refused", len(acknowledged), refused)
		if len(acknowledged) < 500 || refused == 0 {
			t.Error("too few")
		}
		for _, n := range net.nodes {
			if err := n.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}
