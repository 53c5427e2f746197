package systemtest

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"nactor/bench"
	"nactor/cmd/nactor/proctest"
)

// clientsAddr returns where clients of 2.x connect.
func clientsAddr(t testing.TB, httpAddr string) string {
	t.Helper()
	host, port, err := net.SplitHostPort(httpAddr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort(host, strconv.Itoa(n+1000))
}

// Clients of 2.x that come, register, subscribe and go, half of them without a word, leave no
// connection, service, goroutine or file behind, and no memory that grows with each of them.
func TestClientsLeaveNothing(t *testing.T) {
	const (
		clients = 300
		rounds  = 4
		// What may be left of a client: the table of actors' names is made of 32,768 maps, each
		// of which keeps the room of its first entry. A client's actor that is left takes 4.5 KiB.
		allowed = 2560
	)
	server := proctest.Start(t, t.TempDir(), "--set", "nacos.naming.clean.empty-service.expired-time=1000")
	at := clientsAddr(t, server.Addr)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	usage := func(read func(context.Context, string) (bench.Usage, error)) bench.Usage {
		t.Helper()
		u, err := read(ctx, server.Addr)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	round := func() bench.Usage {
		t.Helper()
		var mu sync.Mutex
		told := map[string]bool{}
		var wg sync.WaitGroup
		few := make(chan struct{}, 32) // connect at a time
		all := make([]*bench.Client, clients)
		for i := range all {
			few <- struct{}{}
			wg.Go(func() {
				defer func() { <-few }()
				c, err := bench.Connect(ctx, at, func([]byte) {
					mu.Lock()
					defer mu.Unlock()
					told[strconv.Itoa(i)] = true
				})
				if err != nil {
					t.Error(err)
					return
				}
				all[i] = c
				if err := c.Subscribe(ctx, fmt.Sprint("own-", (i+1)%clients)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for i, c := range all {
			wg.Go(func() {
				if c == nil {
					return
				}
				if err := c.Register(ctx, fmt.Sprint("own-", i), "10.0.0.1", i+1, "n", "1"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if t.Failed() {
			t.FailNow()
		}
		eventually(t, 20*time.Second, "all are pushed", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(told) == clients
		})
		for i, c := range all {
			wg.Go(func() {
				if i%2 == 0 {
					c.Abort()
				} else {
					c.Close()
				}
			})
		}
		wg.Wait()
		eventually(t, 30*time.Second, "connections and services are gone", func() bool {
			u := usage(bench.ReadUsage)
			return u.Connections == 0 && u.Services == 0
		})
		return usage(bench.SettledUsage)
	}
	first := round() // what is made once is made
	var last bench.Usage
	for range rounds {
		last = round()
	}
	t.Logf("after %d clients: %+v; after %d: %+v", clients, first, (1+rounds)*clients, last)
	if more := (last.Heap - first.Heap) / (rounds * clients); more > allowed {
		t.Errorf("%d bytes are left of each client", more)
	}
	// A few goroutines and files are those of requests for the metrics.
	if more := last.Goroutines - first.Goroutines; more > 10 {
		t.Errorf("%d goroutines are left", more)
	}
	if more := last.Files - first.Files; more > 10 {
		t.Errorf("%d files are left", more)
	}
}
