package systemtest

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"nactor/cmd/nactor/proctest"
)

// A node in a copy of another's home ends, and the other does not notice.
func TestCopiedHome(t *testing.T) {
	specs := proctest.Cluster(t, 4)
	var servers []*proctest.Server
	var clients []*client
	for i := range specs {
		specs[i].Args[3] = strings.Join(strings.Split(specs[i].Args[3], ",")[:3], ",") // the fourth is nobody's
	}
	for _, spec := range specs[:3] {
		s := spec.Launch(t)
		t.Cleanup(func() { s.Stop(10 * time.Second) })
		servers, clients = append(servers, s), append(clients, newClient(t, s.Addr))
	}
	for _, s := range servers {
		if err := s.Ready(20 * time.Second); err != nil {
			t.Fatal(err)
		}
	}
	copied := specs[3]
	if err := os.CopyFS(copied.Home, os.DirFS(specs[1].Home)); err != nil {
		t.Fatal(err)
	}
	s := copied.Launch(t)
	ended := make(chan int, 1)
	go func() { ended <- s.Wait(40 * time.Second) }()
	for i, open := 0, true; open; i++ {
		select {
		case code := <-ended:
			if code == 0 || !strings.Contains(s.Output()+s.Log("nacos.log"), "home was copied") {
				t.Errorf("the copy ends with code %d and says\n%s", code, s.Output())
			}
			open = false
		default:
		}
		for n, c := range clients {
			service := fmt.Sprintf("s%d-%d", n, i)
			c.must(http.MethodPost, "/nacos/v1/ns/instance", instance(service, 1))
			for m, other := range clients {
				eventually(t, time.Second, fmt.Sprintf("node %d lists what node %d has taken", m, n), func() bool { return len(other.list(service)) == 1 })
			}
		}
		time.Sleep(50 * time.Millisecond) // a pace, not a wait
	}
	for n, c := range clients {
		if body := c.must(http.MethodGet, "/nacos/v1/core/cluster/nodes", nil); strings.Count(body, `"state":"UP"`) != 3 {
			t.Errorf("node %d sees %s", n, body)
		}
	}
}
