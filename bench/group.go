package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"nactor/naming/upgrade/switchover"
)

// group is a cluster of nodes that the benchmark started, each with a home and an address
// of its own, so that a node can be ended and started again as another version.
type group struct {
	name    string
	members []*member
	args    []string // of all nodes
}

// member is one node of a group.
type member struct {
	*child // nil: it does not run
	addr   string
	home   string
	list   string // addresses of all nodes
}

// nodePort is the HTTP port of the nodes of a group: below those that the system gives to
// connections, so that a node that is started again finds its ports free.
const nodePort = 21848

// groups counts the groups of this process, for their addresses.
var groups atomic.Int64

// newGroup prepares a group; nothing is started. Its nodes live on addresses of loopback
// that belong to this process and this group.
func newGroup(name, home string, args ...string) (*group, error) {
	g := &group{name: name, args: args}
	pid, block := os.Getpid(), int(groups.Add(1)-1)*nodes
	addrs := make([]string, nodes)
	for i := range addrs {
		addrs[i] = fmt.Sprintf("127.%d.%d.%d:%d", 32|pid>>8&31, pid&255, block+i+1, nodePort)
	}
	for i, addr := range addrs {
		m := &member{addr: addr, home: filepath.Join(home, strings.ReplaceAll(name, " ", "-"), fmt.Sprint(i+1)), list: strings.Join(addrs, ",")}
		if err := os.MkdirAll(m.home, 0o755); err != nil {
			return nil, fmt.Errorf("make a home for node %d: %w", i+1, err)
		}
		g.members = append(g.members, m)
	}
	return g, nil
}

// launchAll starts all nodes and does not wait for them.
func (g *group) launchAll(more ...string) error {
	for _, m := range g.members {
		if err := g.launch(m, more...); err != nil {
			return err
		}
	}
	return nil
}

// serve waits until all nodes are ready.
func (g *group) serve(ctx context.Context) error {
	for _, m := range g.members {
		if err := m.serves(ctx); err != nil {
			return err
		}
	}
	return nil
}

// launch starts a node and does not wait for it.
func (g *group) launch(m *member, more ...string) error {
	host, port, _ := strings.Cut(m.addr, ":")
	args := []string{"server", "-m", "cluster", "-p", "embedded", "--home", m.home, "-c", m.list,
		"--set", "server.address=" + host, "--set", "nacos.inetutils.ip-address=" + host, "--set", "server.port=" + port}
	c, err := startChild(m.addr, append(append(args, g.args...), more...)...)
	if err != nil {
		return err
	}
	m.child = c
	return nil
}

// replace ends a node, as an operator would, and starts it again as something else.
func (g *group) replace(ctx context.Context, m *member, more ...string) error {
	m.stop()
	m.child = nil
	if err := g.launch(m, more...); err != nil {
		return err
	}
	return m.serves(ctx)
}

// serves waits until the node is ready.
func (m *member) serves(ctx context.Context) error {
	return m.ready(ctx, "http://"+m.addr+"/nacos/v1/console/health/readiness")
}

// end ends all nodes at once.
func (g *group) end() {
	for _, m := range g.members {
		if m.child != nil {
			m.kill()
			m.child = nil
		}
	}
}

// addrs returns where the nodes take requests.
func (g *group) addrs() []string {
	var out []string
	for _, m := range g.members {
		out = append(out, m.addr)
	}
	return out
}

// used returns the processor time that the nodes have used.
func (g *group) used() time.Duration {
	sum := time.Duration(0)
	for _, m := range g.members {
		sum += cpuTime(m.cmd.Process.Pid)
	}
	return sum
}

// resident returns the resident memory of all nodes in bytes.
func (g *group) resident() int64 {
	sum := int64(0)
	for _, m := range g.members {
		sum += memory(m.cmd.Process.Pid)
	}
	return sum
}

// goes waits until all nodes go by a mode, with or without double write.
func (g *group) goes(ctx context.Context, mode switchover.Mode, double bool) (switchover.State, error) {
	var e switchover.Explanation
	err := await(ctx, askEvery, func() error {
		e = switchover.Explanation{}
		if err := ask(ctx, g.members[0].addr, "/v1/ns/upgrade/ops/explain", &e); err != nil {
			return err
		}
		if e.Mode != mode || e.DoubleWrite != double || e.Phase == switchover.Switching {
			return fmt.Errorf("it goes by %s, double write %v, phase %s; it waits for %q", e.Mode, e.DoubleWrite, e.Phase, e.WaitsFor)
		}
		if len(e.Members) != nodes {
			return fmt.Errorf("it has %d members", len(e.Members))
		}
		return nil
	})
	if err != nil {
		return e.State, fmt.Errorf("wait until the cluster %q goes by %s, double write %v: %w", g.name, mode, double, err)
	}
	return e.State, nil
}

// close closes double write.
func (g *group) close(ctx context.Context) error {
	url := "http://" + g.members[0].addr + "/nacos/v1/ns/operator/switches?entry=doubleWriteEnabled&value=false"
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, url, nil)
	if err != nil {
		return err
	}
	if _, err := fetch(req); err != nil {
		return fmt.Errorf("close double write: %w", err)
	}
	_, err = g.goes(ctx, switchover.V2, false)
	return err
}

// drained waits until no service of any node waits for a double write. It asks seldom: each
// answer is a walk over all services.
func (g *group) drained(ctx context.Context) error {
	err := await(ctx, 5*askEvery, func() error {
		for _, m := range g.members {
			var counts struct {
				Waiting int `json:"doubleWriteDelayTaskCount"`
			}
			if err := ask(ctx, m.addr, "/v1/ns/upgrade/ops/metrics?json=true", &counts); err != nil {
				return err
			}
			if counts.Waiting > 0 {
				return fmt.Errorf("%d services of %s wait", counts.Waiting, m.addr)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("wait for the double writes of the cluster %q: %w", g.name, err)
	}
	return nil
}

// patience is how long a cluster may take to become what it is waited for.
const patience = 60 * time.Second

// askEvery is the pause between two quick questions.
const askEvery = 100 * time.Millisecond

// await checks until that succeeds; the last error tells what was missing.
func await(ctx context.Context, pause time.Duration, check func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	t := time.NewTicker(pause)
	defer t.Stop()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

// ask gets a JSON answer of a node.
func ask(ctx context.Context, addr, path string, answer any) error {
	body, err := get(ctx, addr, path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return fmt.Errorf("%s of %s: %w", path, addr, err)
	}
	return nil
}

func get(ctx context.Context, addr, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/nacos"+path, nil)
	if err != nil {
		return nil, err
	}
	return fetch(req)
}

// fetch returns the body of an answer, which must be one of success.
func fetch(req *http.Request) ([]byte, error) {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", req.Method, req.URL, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: status %d: %.300s", req.Method, req.URL, resp.StatusCode, body)
	}
	return body, nil
}
