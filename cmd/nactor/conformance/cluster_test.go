package conformance

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"nactor/cmd/nactor/proctest"
)

// cluster starts three nodes, each on an address of its own of loopback.
func cluster(t *testing.T) []*proctest.Server {
	t.Helper()
	const port = 21948 // below the ports that the system gives to connections, and not the fault tests'
	pid := os.Getpid()
	var list []string
	for i := range 3 {
		list = append(list, fmt.Sprintf("127.%d.%d.%d:%d", 64|pid>>8&63, pid&255, i+1, port))
	}
	var nodes []*proctest.Server
	for _, addr := range list {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, proctest.Spec{
			Mode: "cluster", Addr: addr, Home: t.TempDir(),
			Args: []string{"-p", "embedded", "-c", strings.Join(list, ","), "--set", "nacos.inetutils.ip-address=" + host},
		}.Launch(t))
	}
	for _, n := range nodes {
		if err := n.Ready(20 * time.Second); err != nil {
			t.Fatal(err)
		}
	}
	return nodes
}

// What clients with the addresses of all nodes have registered stays listed and healthy on
// every node that is up, and what they register is listed, while nodes are killed, stopped,
// started again and stalled one after the other. The clients' own retries are all the help
// there is.
func TestClusterFaults(t *testing.T) {
	if os.Getenv("NACTOR_ADDR") != "" {
		t.Skip("the servers of NACTOR_ADDR are not ours to kill")
	}
	nodes := cluster(t)
	at := addrs{}
	for _, n := range nodes {
		at = append(at, n.Addr)
	}
	clients := map[string]*client{}
	t.Run("start", func(t2 *testing.T) {
		for _, s := range sdks {
			t2.Run(s.name, func(t3 *testing.T) {
				s.skipIfShort(t3)
				if _, err := s.prepare(); err != nil {
					s.start(t3, at, "") // skips, or fails
				}
				c := s.start(t, at, "") // until the end of the whole test
				c.must(register("faults-"+s.name, "10.1.8.1"))
				eventually(t3, 2*time.Second, "listed everywhere", func() bool { return at.all(t3, "", group, "faults-"+s.name, count(1)) })
				clients[s.name] = c
			})
		}
	})
	victim, up := nodes[1], addrs{at[0], at[2]}
	step := 0
	// during watches what readers see of the nodes that are up while fault works.
	during := func(what string, fault func()) {
		step++
		done := make(chan struct{})
		go func() { defer close(done); fault() }()
		for over := false; !over; {
			select {
			case <-done:
				over = true
			default:
			}
			for name := range clients {
				for _, addr := range up {
					if h := seen(t, addr, "", group, "faults-"+name); len(h) != 1 || !h[0].Healthy {
						t.Fatalf("%s: %s lists %+v for the client %s", what, addr, h, name)
					}
				}
			}
		}
		for name, c := range clients {
			service := fmt.Sprintf("faults-%s-%d", name, step)
			began := time.Now()
			var err error
			for { // as an application does that could not register
				if _, err = c.do(register(service, "10.1.8.2")); err == nil || time.Since(began) > 20*time.Second {
					break
				}
			}
			if err != nil {
				t.Fatalf("%s: the client %s cannot register: %v", what, name, err)
			}
			eventually(t, 2*time.Second, what+": listed", func() bool { return up.all(t, "", group, service, count(1)) })
			t.Logf("%s: the client %s registered within %v", what, name, time.Since(began).Round(time.Millisecond))
		}
	}
	quiet := func(d time.Duration) {
		eventually(t, d+time.Second, "a while", tick(d))
	}
	again := func() {
		next := victim.Restart()
		*victim = *next
	}
	during("killed", func() { victim.Kill(); quiet(5 * time.Second) })
	during("back after the kill", again)
	during("stopped", func() {
		if code := victim.Stop(20 * time.Second); code != 0 {
			t.Errorf("exit code %d", code)
		}
	})
	during("back after the stop", again)
	during("stalled for 6 s", func() { victim.Pause(); quiet(6 * time.Second); victim.Resume() })
	eventually(t, 10*time.Second, "all nodes list everything", func() bool {
		for name := range clients {
			if resp, err := http.Get("http://" + victim.Addr + "/nacos/v1/console/health/readiness"); err != nil || resp.Body.Close() != nil || resp.StatusCode != http.StatusOK {
				return false
			}
			if !at.all(t, "", group, "faults-"+name, func(h []host) bool { return len(h) == 1 && h[0].Healthy }) {
				return false
			}
		}
		return true
	})
}
