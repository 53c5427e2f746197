package faulttest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// namespaces gives each node a network namespace. A bridge in one more, the hub, joins
// them; clients dial from there. Cuts are rules about what the bridge forwards, so the hub
// still reaches each node. Nothing is added to the network of the machine.
type namespaces struct {
	prefix string // of the names, with the id of this process
	hub    *os.File
	placed []int
}

const hubName = "hub"

// namespacePrefix begins the names of all that this package makes.
const namespacePrefix = "nactorfault"

// newNamespaces makes the hub. On a machine that cannot, the test is skipped.
func newNamespaces(t testing.TB, fault string) *namespaces {
	t.Helper()
	if os.Geteuid() != 0 {
		results.skip(t, fault, "network namespaces need root")
	}
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			results.skip(t, fault, "cuts of the network need the command "+tool)
		}
	}
	removeStale(t)
	n := &namespaces{prefix: fmt.Sprintf("%s%d-", namespacePrefix, os.Getpid())}
	hub := n.prefix + hubName
	if out, err := exec.Command("ip", "netns", "add", hub).CombinedOutput(); err != nil {
		results.skip(t, fault, fmt.Sprintf("no network namespace: %v %s", err, out))
	}
	t.Cleanup(func() { removeNamespaces(t, n.prefix) })
	must(t, "ip", "-n", hub, "link", "set", "lo", "up")
	must(t, "ip", "-n", hub, "link", "add", "br0", "type", "bridge")
	must(t, "ip", "-n", hub, "link", "set", "br0", "up")
	must(t, "ip", "-n", hub, "addr", "add", "10.77.0.254/24", "dev", "br0")
	n.nft(t, "add", "table", "bridge", "faults")
	n.nft(t, "add", "chain", "bridge", "faults", "cut", "{ type filter hook forward priority 0 ; }")
	file, err := os.Open(filepath.Join("/run/netns", hub))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	n.hub = file
	return n
}

// removeStale removes what a process left that was killed.
func removeStale(t testing.TB) {
	names, _ := filepath.Glob("/run/netns/" + namespacePrefix + "*")
	for _, name := range names {
		id, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(name), namespacePrefix), "-")
		if pid, err := strconv.Atoi(id); err != nil || unix.Kill(pid, 0) == unix.ESRCH {
			exec.Command("ip", "netns", "del", filepath.Base(name)).Run()
			t.Logf("removed %s, left by a process that is gone", filepath.Base(name))
		}
	}
}

func removeNamespaces(t testing.TB, prefix string) {
	names, _ := filepath.Glob("/run/netns/" + prefix + "*")
	for _, name := range names {
		if out, err := exec.Command("ip", "netns", "del", filepath.Base(name)).CombinedOutput(); err != nil {
			t.Errorf("ip netns del: %v %s", err, out)
		}
	}
}

// must runs a command that has to succeed.
func must(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

func (n *namespaces) nft(t testing.TB, args ...string) {
	t.Helper()
	must(t, "ip", append([]string{"netns", "exec", n.prefix + hubName, "nft"}, args...)...)
}

// place implements ground.
func (n *namespaces) place(t testing.TB, i int) (string, []string) {
	t.Helper()
	hub, name, host := n.prefix+hubName, n.prefix+strconv.Itoa(i), fmt.Sprintf("10.77.0.%d", i+1)
	prefix := []string{"ip", "netns", "exec", name}
	if slices.Contains(n.placed, i) {
		return host, prefix
	}
	n.placed = append(n.placed, i)
	must(t, "ip", "netns", "add", name)
	must(t, "ip", "-n", name, "link", "set", "lo", "up")
	must(t, "ip", "-n", hub, "link", "add", device(i), "type", "veth", "peer", "name", "eth0", "netns", name)
	must(t, "ip", "-n", hub, "link", "set", device(i), "master", "br0", "up")
	must(t, "ip", "-n", name, "addr", "add", host+"/24", "dev", "eth0")
	must(t, "ip", "-n", name, "link", "set", "eth0", "up")
	return host, prefix
}

// device is the hub's end of the link to node i.
func device(i int) string { return fmt.Sprintf("v%d", i) }

// dial implements ground.
func (n *namespaces) dial(addr string) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result, 1)
	go func() {
		// A socket belongs to the namespace of the thread that makes it. The thread stays locked
		// and ends with the goroutine: it is of no use to others.
		runtime.LockOSThread()
		if err := unix.Setns(int(n.hub.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- result{nil, err}
			return
		}
		conn, err := net.DialTimeout("tcp4", addr, dialTime)
		done <- result{conn, err}
	}()
	r := <-done
	return r.conn, r.err
}

// cut implements ground.
func (n *namespaces) cut(t testing.TB, side map[int]int) {
	t.Helper()
	for _, a := range n.placed {
		for _, b := range n.placed {
			if side[a] != side[b] {
				n.nft(t, "add", "rule", "bridge", "faults", "cut", "iifname", device(a), "oifname", device(b), "drop")
			}
		}
	}
}

// heal implements ground.
func (n *namespaces) heal(t testing.TB) {
	t.Helper()
	n.nft(t, "flush", "chain", "bridge", "faults", "cut")
}
