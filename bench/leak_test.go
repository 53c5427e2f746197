package bench_test

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"nactor/bench"
	"nactor/cmd/nactor/config"
	"nactor/cmd/nactor/logging"
	"nactor/cmd/nactor/node"
)

// A node that had clients of 2.x, some of which are still there when it ends, and the clients
// themselves, leave no goroutine behind.
func TestNothingRunsOn(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent(),
		// fasthttp's clock and the pools of its servers live as long as the process.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		// Ends by itself, within a minute of a gossip of Proto.Actor's with nobody.
		goleak.IgnoreAnyFunction("github.com/asynkron/protoactor-go/cluster.(*Gossiper).StartGossiping.NewThrottle.func3.1"))
	port := freePort(t)
	cfg, err := config.Load(config.Options{Home: t.TempDir(), Mode: "standalone", Environ: []string{}, Set: []string{"server.address=127.0.0.1", "server.port=" + strconv.Itoa(port)}})
	if err != nil {
		t.Fatal(err)
	}
	n, err := node.Start(t.Context(), node.Options{Config: cfg, Logs: logging.Discard()})
	if err != nil {
		t.Fatal(err)
	}
	at := net.JoinHostPort("127.0.0.1", strconv.Itoa(port+1000))
	var wg sync.WaitGroup
	stay := make([]*bench.Client, 300)
	few := make(chan struct{}, 32) // connect at a time
	for i := range stay {
		few <- struct{}{}
		wg.Go(func() {
			defer func() { <-few }()
			c, err := bench.Connect(t.Context(), at, nil)
			if err != nil {
				t.Error(err)
				return
			}
			if err := c.Subscribe(t.Context(), fmt.Sprint("s-", i/2)); err != nil {
				t.Error(err)
			}
			if err := c.Register(t.Context(), fmt.Sprint("s-", i), "10.0.0.1", i+1, "n", "1"); err != nil {
				t.Error(err)
			}
			switch i % 3 {
			case 0:
				c.Abort()
			case 1:
				c.Close()
			default:
				stay[i] = c
			}
		})
	}
	wg.Wait()
	if err := n.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	for _, c := range stay {
		if c != nil {
			c.Close()
		}
	}
}

// freePort returns a port of which the one of 2.x clients is free too.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		l.Close()
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port+1000))); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no free ports")
	return 0
}
