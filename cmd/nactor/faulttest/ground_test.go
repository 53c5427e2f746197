package faulttest

import (
	"fmt"
	"net"
	"os"
	"testing"
	"time"
)

// ground is where nodes live: loopback, or network namespaces that can be cut.
type ground interface {
	// place makes room for node i and returns its address and the command that runs a process
	// there.
	place(t testing.TB, i int) (host string, prefix []string)
	// dial reaches a node as clients do, also one that is cut off from its peers.
	dial(addr string) (net.Conn, error)
	// cut keeps nodes on different sides from hearing each other; heal ends all cuts.
	cut(t testing.TB, side map[int]int)
	heal(t testing.TB)
}

// httpPort is the same on all nodes; the others follow from it. It is below the ports that
// the system gives to connections.
const httpPort = 21848

const dialTime = 2 * time.Second

// loopback gives each node an address of its own of 127.0.0.0/8, another block for each
// test process. Nodes cannot be cut off: they dial from where the system likes.
type loopback struct{}

func (loopback) place(_ testing.TB, i int) (string, []string) {
	pid := os.Getpid()
	return fmt.Sprintf("127.%d.%d.%d", 64|pid>>8&63, pid&255, i+1), nil
}

func (loopback) dial(addr string) (net.Conn, error) { return net.DialTimeout("tcp4", addr, dialTime) }

func (loopback) cut(t testing.TB, _ map[int]int) { t.Fatal("loopback cannot be cut") }

func (loopback) heal(testing.TB) {}
