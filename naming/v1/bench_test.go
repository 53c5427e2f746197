package v1

import (
	"fmt"
	"testing"
	"time"

	"nactor/naming"
)

func BenchmarkBeat(b *testing.B) {
	for _, n := range []int{1, 100, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := filled(n)
			var beat naming.Command = naming.Beat{Addr: address(n / 2)}
			env := at(0)
			b.ReportAllocs()
			for b.Loop() {
				s.Step(env, beat)
			}
		})
	}
}

func BenchmarkTick(b *testing.B) {
	for _, n := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := filled(n)
			env := at(time.Second)
			b.ReportAllocs()
			for b.Loop() {
				s.Step(env, naming.Tick{})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/instance")
		})
	}
}

func BenchmarkView(b *testing.B) {
	s := filled(100_000)
	b.ReportAllocs()
	for b.Loop() {
		s.View(naming.Revision{})
	}
}

func filled(n int) *Service {
	s := New(key)
	for i := range n {
		in := inst(address(i).IP, true)
		in.Cluster = address(i).Cluster
		s.Step(at(0), naming.Register{Instance: in})
	}
	return s
}

func address(i int) naming.Addr {
	return naming.Addr{IP: fmt.Sprintf("10.%d.%d.%d", i/62500, i/250%250, i%250), Port: 80, Cluster: fmt.Sprint("c", i%3)}
}
