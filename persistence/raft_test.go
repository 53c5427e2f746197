package persistence

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"nactor/naming"
)

// tcpStream is plain TCP on this machine, which a test can cut.
type tcpStream struct{ net.Listener }

func (tcpStream) Dial(to raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	return net.DialTimeout("tcp", string(to), timeout)
}

// testCluster is a cluster of nodes in this process.
type testCluster struct {
	t     testing.TB
	nodes []*testNode
	mu    sync.Mutex
	addrs map[string]string // where nodes are now
}

type testNode struct {
	*Raft
	dir     string
	addr    string
	options func(*RaftOptions)
	mu      sync.Mutex
	applied []naming.Key
}

func (c *testCluster) addressOf(id string) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a, ok := c.addrs[id]
	return a, ok
}

// newTestCluster starts n nodes that are one cluster.
func newTestCluster(t testing.TB, n int, options func(*RaftOptions)) *testCluster {
	t.Helper()
	c := &testCluster{t: t, addrs: map[string]string{}}
	var servers []Server
	for i := range n {
		node := c.add(filepath.Join(t.TempDir(), fmt.Sprint(i)), options)
		servers = append(servers, Server{node.NodeID(), node.addr})
	}
	for _, n := range c.nodes {
		if err := n.Bootstrap(servers); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func (c *testCluster) add(dir string, options func(*RaftOptions)) *testNode {
	c.t.Helper()
	n := &testNode{dir: dir, options: options}
	c.start(n)
	c.nodes = append(c.nodes, n)
	c.t.Cleanup(func() {
		if n.Raft != nil {
			n.Close()
		}
	})
	return n
}

// start opens a node, at the same or a new address.
func (c *testCluster) start(n *testNode) {
	c.t.Helper()
	if err := c.tryStart(n); err != nil {
		c.t.Fatal(err)
	}
}

func (c *testCluster) tryStart(n *testNode) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	n.addr = l.Addr().String()
	o := RaftOptions{Dir: n.dir, Stream: tcpStream{l}, AddressOf: c.addressOf, Heartbeat: 300 * time.Millisecond,
		OnApply: func(keys []naming.Key) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.applied = append(n.applied, keys...)
		}}
	if os.Getenv("RAFT_LOG") != "" {
		o.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil)).With("node", n.addr)
	}
	if n.options != nil {
		n.options(&o)
	}
	if n.Raft, err = OpenRaft(o); err != nil {
		return err
	}
	c.mu.Lock()
	c.addrs[n.NodeID()] = n.addr
	c.mu.Unlock()
	return nil
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !f(); {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (c *testCluster) leader() *testNode {
	c.t.Helper()
	var leader *testNode
	eventually(c.t, "a leader", func() bool {
		for _, n := range c.nodes {
			if !n.isClosed() && n.IsLeader() && n.VerifyLeader() == nil {
				leader = n
				return true
			}
		}
		return false
	})
	return leader
}

func (n *testNode) isClosed() bool {
	select {
	case <-n.ended:
		return true
	default:
		return false
	}
}

func commitTo(s Store, batch ...naming.Record) error {
	done := make(chan error, 1)
	s.Commit(batch, func(err error) { done <- err })
	return <-done
}

func mustCommitTo(t testing.TB, s Store, batch ...naming.Record) {
	t.Helper()
	if err := commitTo(s, batch...); err != nil {
		t.Fatal(err)
	}
}

func servicesOn(t testing.TB, s Store) map[naming.Key]naming.Saved {
	t.Helper()
	out := map[naming.Key]naming.Saved{}
	for s, err := range s.Services() {
		if err != nil {
			t.Fatal(err)
		}
		out[s.Key] = s
	}
	return out
}

// agree waits until all nodes hold what want says.
func (c *testCluster) agree(want map[naming.Key]naming.Saved) {
	c.t.Helper()
	for _, n := range c.nodes {
		if !n.isClosed() {
			eventually(c.t, "all nodes hold the same", func() bool { return reflect.DeepEqual(servicesOn(c.t, n), want) })
		}
	}
}

func TestAnyNodeTakesWrites(t *testing.T) {
	c := newTestCluster(t, 3, nil)
	c.leader()
	for i, n := range c.nodes {
		mustCommitTo(t, n, instanceRec(svc, i), serviceRec(svc, i))
		s, ok := n.Saved(svc)
		if !ok || len(s.Instances) != i+1 || s.Meta == nil {
			t.Errorf("node %d does not see its own write: %+v", i, s)
		}
	}
	c.agree(servicesOn(t, c.nodes[2]))
	for _, n := range c.nodes {
		eventually(t, "caught up", n.CaughtUp)
		n.mu.Lock()
		if len(n.applied) == 0 || n.applied[0] != svc {
			t.Errorf("told of %v, want of the two writes of others", n.applied)
		}
		n.mu.Unlock()
	}
}
