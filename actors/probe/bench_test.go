package probe

import (
	"context"
	"fmt"
	"net"
	"testing"

	"nactor/naming"
)

func many(n int, ephemeral bool) *naming.View {
	v := view(nil)
	for i := range n {
		in := persistent(fmt.Sprintf("10.%03d.%03d.1", i/1000, i%1000), true)
		in.Ephemeral = ephemeral
		v.Instances = append(v.Instances, in)
	}
	return v
}

// A view of 10,000 instances is shown again.
func BenchmarkWatch(b *testing.B) {
	for _, ephemeral := range []bool{false, true} {
		b.Run(fmt.Sprintf("ephemeral=%v", ephemeral), func(b *testing.B) {
			w := start(b, Config{})
			v := many(10000, ephemeral)
			w.Watch(v)
			b.ReportAllocs()
			for b.Loop() {
				w.Watch(v)
			}
		})
	}
}

// One check among 10,000 watched instances, the network aside: what the prober itself costs.
func BenchmarkCheck(b *testing.B) {
	p := New(Config{
		Switches: naming.DefaultSwitches,
		Report:   func(context.Context, naming.Key, naming.SetHealth) error { return nil },
		Dial:     func(context.Context, string, string) (net.Conn, error) { return nobody{}, nil },
	})
	defer p.Stop()
	p.Watch(many(10000, false))
	b.ReportAllocs()
	for b.Loop() {
		p.mu.Lock()
		t := p.due.first()
		p.due.remove(t)
		p.mu.Unlock()
		p.check(t)
	}
}

// One check over loopback, both ends' work included.
func BenchmarkNetwork(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	p := New(Config{Switches: naming.DefaultSwitches, Report: func(context.Context, naming.Key, naming.SetHealth) error { return nil }})
	defer p.Stop()
	a := addrOf(l.Addr())
	b.ReportAllocs()
	for b.Loop() {
		if out := p.probe(plain, a); out.finding != passed {
			b.Fatal(out)
		}
	}
	l.Close()
	<-done
}
