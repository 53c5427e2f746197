package persistence

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nactor/naming"
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

// Commits on a member that follows, in a cluster of three on one disk.
func BenchmarkRaftCommit(b *testing.B) {
	for _, callers := range []int{1, 64, 512} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			c := newTestCluster(b, 3, func(o *RaftOptions) { o.Heartbeat = time.Second })
			s := c.follower()
			mustCommitTo(b, s, instanceRec(svc, 0))
			before := s.Status().CommitIndex
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for range callers {
				wg.Go(func() {
					for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
						if err := commitTo(s, instanceRec(svc, int(i)%10000)); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
			b.ReportMetric(float64(b.N)/float64(s.Status().CommitIndex-before), "commits/entry")
		})
	}
}

// What is durable of one service of 10 instances among 1000.
func BenchmarkSaved(b *testing.B) {
	s := open(b, b.TempDir())
	for i := range 1000 {
		key := svc
		key.Name = fmt.Sprint("s", i)
		var batch []naming.Record
		for j := range 10 {
			batch = append(batch, instanceRec(key, j))
		}
		mustCommit(b, s, batch...)
	}
	key := svc
	key.Name = "s500"
	b.ResetTimer()
	for range b.N {
		if saved, ok := s.Saved(key); !ok || len(saved.Instances) != 10 {
			b.Fatal(saved)
		}
	}
}
