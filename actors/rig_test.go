package actors_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	pacluster "github.com/asynkron/protoactor-go/cluster"

	"nactor/cluster"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// startCluster starts a standalone cluster that ends with the test.
func startCluster(t testing.TB, kinds []*pacluster.Kind) *cluster.Cluster {
	t.Helper()
	c, err := cluster.StartStandalone(cluster.Config{Logger: quiet, Kinds: kinds})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Stop(context.Background()) })
	// The framework sets gRPC's global logger at each start, while the server of the test
	// before may still be logging its own start. A byte from our server is proof that it is
	// past that, for us and for the race detector.
	conn, err := net.Dial("tcp", c.System().Address())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return c
}

func eventually(t testing.TB, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen within 10 s")
		}
		time.Sleep(time.Millisecond)
	}
}
