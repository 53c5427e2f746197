package proctest

import (
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
)

// placed counts the nodes of all clusters of this test process.
var placed atomic.Int32

// Cluster returns n nodes of a cluster with embedded storage, none of which is started: each
// has an address of its own of loopback, which no other test process uses, and a home that
// ends with the test.
func Cluster(t testing.TB, n int) []Spec {
	t.Helper()
	const port = "21948" // below the ports that the system gives to connections
	pid := os.Getpid()
	var hosts, list []string
	for range n {
		hosts = append(hosts, fmt.Sprintf("127.%d.%d.%d", 64|pid>>8&63, pid&255, placed.Add(1)))
		list = append(list, net.JoinHostPort(hosts[len(hosts)-1], port))
	}
	specs := make([]Spec, n)
	for i := range specs {
		specs[i] = Spec{Mode: "cluster", Addr: list[i], Home: t.TempDir(), Args: []string{
			"-p", "embedded", "-c", strings.Join(list, ","), "--set", "nacos.inetutils.ip-address=" + hosts[i],
		}}
	}
	return specs
}
