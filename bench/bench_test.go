package bench_test

import (
	"context"
	"net"
	"testing"

	"nactor/bench"
	"nactor/cmd/nactor/config"
	"nactor/cmd/nactor/logging"
	"nactor/cmd/nactor/node"
)

// The whole path, from a socket on loopback to the grain and back, beside a bare handler.
// Server and client share the process, so these are for profiles; "nactor bench" compares
// processes.

func startNode(b *testing.B) string {
	b.Helper()
	cfg, err := config.Load(config.Options{Home: b.TempDir(), Mode: "standalone", Environ: []string{}, Set: []string{"server.address=127.0.0.1", "server.port=0"}})
	if err != nil {
		b.Fatal(err)
	}
	n, err := node.Start(context.Background(), node.Options{Config: cfg, Logs: logging.Discard()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := n.Stop(context.Background()); err != nil {
			b.Error(err)
		}
	})
	return n.Addr()
}

func startBare(b *testing.B, size int) string {
	b.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { ln.Close() })
	go bench.ServeBare(ln, size)
	return ln.Addr().String()
}

func run(b *testing.B, addr string, request func(int) []byte) {
	b.Helper()
	b.ReportAllocs()
	b.ResetTimer()
	o, err := bench.Load{Addr: addr, Connections: 64, Count: b.N, Request: request}.Run(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	if o.Errors > 0 {
		b.Fatalf("%d errors, the first: %v", o.Errors, o.FirstError)
	}
}

func contest(b *testing.B, size int, request func(bench.Fleet) func(int) []byte) {
	fleet := bench.Fleet{Services: 1000, Instances: 10, Prefix: "b"}
	kept := make([][]byte, fleet.Size())
	for i := range kept {
		kept[i] = request(fleet)(i)
	}
	next := func(i int) []byte { return kept[i%len(kept)] }
	b.Run("bare", func(b *testing.B) { run(b, startBare(b, size), next) })
	b.Run("server", func(b *testing.B) {
		addr := startNode(b)
		if _, err := (bench.Load{Addr: addr, Connections: 16, Count: fleet.Size(), Request: fleet.Register}).Run(context.Background()); err != nil {
			b.Fatal(err)
		}
		run(b, addr, next)
	})
}

func BenchmarkBeat(b *testing.B) {
	contest(b, 63, func(f bench.Fleet) func(int) []byte { return f.Beat })
}

func BenchmarkLightBeat(b *testing.B) {
	contest(b, 63, func(f bench.Fleet) func(int) []byte { return f.LightBeat })
}

func BenchmarkRegister(b *testing.B) {
	contest(b, 2, func(f bench.Fleet) func(int) []byte { return f.Register })
}

func BenchmarkList(b *testing.B) {
	contest(b, 4000, func(f bench.Fleet) func(int) []byte { return f.List })
}
