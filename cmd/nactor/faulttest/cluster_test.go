package faulttest

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"nactor/cmd/nactor/proctest"
)

// cluster is a number of nodes and the history of what was done to them.
type cluster struct {
	t       testing.TB // what fails
	owner   testing.TB // what the nodes end with
	ground  ground
	more    []string // arguments of all nodes
	dir     string   // of the homes
	nodes   []*node
	history *history
	variety variety
}

// clusterKey is the secret of the nodes; those on loopback do without.
const clusterKey = "a secret of the fault tests"

// newCluster makes n nodes that know of each other; none is started.
func newCluster(t testing.TB, g ground, n int) *cluster {
	t.Helper()
	dir, err := os.MkdirTemp("", "nactor-faults-")
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{t: t, owner: t, ground: g, dir: dir, history: newHistory()}
	t.Cleanup(c.close)
	var members []string
	for range n {
		members = append(members, c.newNode().addr)
	}
	for _, nd := range c.nodes {
		nd.spec.Args = append(nd.spec.Args, "-c", strings.Join(members, ","))
	}
	return c
}

// newNode makes a node that knows of nobody.
func (c *cluster) newNode() *node {
	c.t.Helper()
	id := len(c.nodes)
	host, prefix := c.ground.place(c.t, id)
	n := &node{id: id, addr: fmt.Sprintf("%s:%d", host, httpPort), c: c}
	n.api = newEndpoint(n.addr, c.ground.dial)
	n.api.variety = c.variety
	home := filepath.Join(c.dir, fmt.Sprintf("node%d", id))
	if err := os.MkdirAll(home, 0o755); err != nil {
		c.t.Fatal(err)
	}
	n.spec = proctest.Spec{
		Mode: "cluster", Addr: n.addr, Home: home, Prefix: prefix, HTTP: &http.Client{Transport: transport(c.ground.dial)},
		Args: []string{"-p", "embedded", "--set", "nacos.inetutils.ip-address=" + host, "--set", "nactor.cluster.key=" + clusterKey},
	}
	c.nodes = append(c.nodes, n)
	return n
}

// close ends the nodes. If the test has failed their homes stay.
func (c *cluster) close() {
	for _, n := range c.nodes {
		if n.server != nil {
			n.server.Kill()
		}
	}
	if !c.owner.Failed() {
		os.RemoveAll(c.dir)
		return
	}
	c.owner.Logf("the homes are in %s", c.dir)
	for _, n := range c.nodes {
		c.owner.Logf("end of nacos.log of %v:\n%s", n, n.tail("nacos.log", 2000))
	}
}

// mix makes services and instances differ. Nothing must have been registered yet.
func (c *cluster) mix(v variety) {
	c.variety, c.history.variety = v, v
	for _, n := range c.nodes {
		n.api.variety = v
	}
}

// start starts all nodes in an order and waits until they are ready.
func (c *cluster) start(order ...int) time.Duration {
	c.t.Helper()
	begin := time.Now()
	if len(order) == 0 {
		for i := range c.nodes {
			order = append(order, i)
		}
	}
	for _, i := range order {
		c.nodes[i].launch()
	}
	for _, i := range order {
		c.nodes[i].ready(readyTime)
	}
	return time.Since(begin)
}

// readyTime is how long a node may take until it serves.
const readyTime = 30 * time.Second

// join starts one more node, which is told of one that lives.
func (c *cluster) join(of *node) *node {
	c.t.Helper()
	n := c.joiner(of)
	n.launch()
	return n
}

// joiner makes one more node, which is told of one that lives.
func (c *cluster) joiner(of *node) *node {
	c.t.Helper()
	n := c.newNode()
	n.spec.Args = append(n.spec.Args, "--join", of.addr)
	c.history.leaves(n.id, false)
	return n
}

// alive returns the nodes that are expected to serve.
func (c *cluster) alive() []*node {
	var out []*node
	for _, n := range c.nodes {
		if n.up {
			out = append(out, n)
		}
	}
	return out
}

// except returns the nodes that serve, but for one.
func (c *cluster) except(not *node) []*node {
	return slices.DeleteFunc(c.alive(), func(n *node) bool { return n == not })
}

// agreed tells why not all nodes that serve see each other and nobody else as members that
// are up; nil when they do.
func (c *cluster) agreed() error {
	alive := c.alive()
	for _, n := range alive {
		ms, err := n.api.members()
		if err != nil {
			return fmt.Errorf("%v: %w", n, err)
		}
		up := 0
		for _, m := range ms {
			if m.State == "UP" {
				up++
			}
		}
		if up != len(alive) {
			return fmt.Errorf("%v sees %d members up, %d are: %v", n, up, len(alive), ms)
		}
	}
	return nil
}

// await waits until all nodes that serve agree on who is there.
func (c *cluster) await(within time.Duration) time.Duration {
	c.t.Helper()
	return eventually(c.t, within, "the members agree", c.agreed)
}

var leaderLine = regexp.MustCompile(`the leader has changed leader=(\S+) address=([^ :]+):\d+ term=(\d+)`)

// leader returns the node that leads the store and its term, as the logs of the nodes tell.
func (c *cluster) leader() (*node, int) {
	var leads *node
	last := 0
	for _, n := range c.alive() {
		for _, m := range leaderLine.FindAllStringSubmatch(n.log("naming-raft.log"), -1) {
			term, _ := strconv.Atoi(m[3])
			if term < last {
				continue
			}
			for _, other := range c.nodes {
				if strings.HasPrefix(other.addr, m[2]+":") {
					leads, last = other, term
				}
			}
		}
	}
	return leads, last
}

// owned returns some services that a node owns, of those with a number below limit.
func (c *cluster) owned(of *node, limit, want int) []int {
	c.t.Helper()
	var out []int
	for s := 0; s < limit && len(out) < want; s++ {
		detail, err := c.alive()[0].api.actor(s)
		if err == nil && detail.Node == of.addr {
			out = append(out, s)
		}
	}
	return out
}

// eventually waits until a condition holds and returns how long that took. The error of the
// condition tells what is missing.
func eventually(t testing.TB, within time.Duration, what string, condition func() error) time.Duration {
	t.Helper()
	begin := time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := condition()
		if err == nil {
			return time.Since(begin)
		}
		if time.Since(begin) > within {
			t.Fatalf("not within %v: %s: %v", within, what, err)
		}
		<-tick.C
	}
}

// serviceName returns the name of a service of the load.
func serviceName(s int) string { return fmt.Sprintf("fault-%d", s) }
