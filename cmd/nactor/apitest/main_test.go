package apitest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"nactor/cmd/nactor/proctest"
)

func TestMain(m *testing.M) { os.Exit(proctest.Run(m)) }

// answer is what a server says.
type answer struct {
	code int
	kind string // the Content-Type
	body string
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.code, a.body) }

// agent is what the requests come from, as the description has it.
const agent = "curl/7.64.1"

// send sends a request as it is: neither path nor parameters are escaped. target begins with
// a slash and may have a query; body is a form, or JSON if it begins like it.
func send(t testing.TB, addr, method, target, body string) answer {
	t.Helper()
	a, err := try(addr, method, target, body, agent)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// try is [send] as another agent.
func try(addr, method, target, body, as string) (answer, error) {
	req, err := http.NewRequest(method, "http://"+addr+target, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("User-Agent", as)
	req.Header.Set("Accept", "*/*")
	switch {
	case body == "":
	case strings.ContainsAny(body[:1], "{["):
		req.Header.Set("Content-Type", "application/json")
	default:
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header.Get("Content-Type"), string(b)}, errors.Join(err, resp.Body.Close())
}

// upgraded starts a cluster that goes by 2.0 and writes both structures.
func upgraded(t *testing.T) []*proctest.Server {
	nodes := start(t, "--set", "nactor.upgrade.check-interval=500")
	for _, n := range nodes {
		eventually(t, 30*time.Second, "upgraded", func() string {
			a := send(t, n.Addr, "GET", "/nacos/v1/ns/upgrade/ops/metrics", "")
			if !strings.Contains(a.body, "upgraded                       = true\n") {
				return a.body
			}
			return ""
		})
	}
	return nodes
}

// start starts a cluster of three.
func start(t *testing.T, args ...string) (nodes []*proctest.Server) {
	t.Helper()
	for _, spec := range proctest.Cluster(t, 3) {
		spec.Args = append(spec.Args, args...)
		nodes = append(nodes, spec.Launch(t))
	}
	for _, n := range nodes {
		if err := n.Ready(30 * time.Second); err != nil {
			t.Fatal(err)
		}
	}
	return nodes
}

// within is how long a node has to show what another one has acknowledged, on a machine that
// does much else besides; they are to do it within 1 s.
const within = 3 * time.Second

// eventually waits for a condition; ok returns "" when it holds, or what is wrong.
func eventually(t testing.TB, within time.Duration, what string, ok func() string) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for begin := time.Now(); ; <-tick.C {
		bad := ok()
		if bad == "" {
			return
		}
		if time.Since(begin) > within {
			t.Fatalf("not within %v: %s: %s", within, what, bad)
		}
	}
}
