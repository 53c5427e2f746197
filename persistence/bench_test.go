package persistence

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// Durable commits, one record each, by callers that wait for their answers.
func BenchmarkCommit(b *testing.B) {
	for _, callers := range []int{1, 64, 512} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := open(b, b.TempDir())
			before := lastTx(b, s)
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for range callers {
				wg.Go(func() {
					for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
						if err := commit(s, instanceRec(svc, int(i)%10000)); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
			b.ReportMetric(float64(b.N)/float64(lastTx(b, s)-before), "commits/tx")
		})
	}
}

// Reading and checking a store at start.
func BenchmarkOpen(b *testing.B) {
	for _, records := range []int{1000, 100_000} {
		b.Run(fmt.Sprintf("records=%d", records), func(b *testing.B) {
			dir := b.TempDir()
			s := open(b, dir)
			for i := 0; i < records; i += 1000 {
				mustCommit(b, s, batchOf(i, 1000)...)
			}
			closeStore(b, s)
			b.ResetTimer()
			for range b.N {
				closeStore(b, open(b, dir))
			}
		})
	}
}
