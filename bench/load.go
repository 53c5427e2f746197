package bench

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/valyala/fasthttp"
)

// Load is one kind of request, sent over a number of connections.
type Load struct {
	Addr        string
	Also        []string // further nodes: each has its share of the connections
	Connections int
	// Request returns the i-th request as it goes over the wire. It must be safe for
	// concurrent use; the bytes are not modified.
	Request func(i int) []byte
	// Count bounds the number of requests, Time the time; at least one must be set.
	Count int
	Time  time.Duration
	// Check tells whether an answer is a success; nil: status 200.
	Check func(*fasthttp.Response) error
	// Progress, if set, is told about twice a second how many requests are done.
	Progress func(done int64, elapsed time.Duration)
}

// Outcome is what a load measured.
type Outcome struct {
	Requests, Errors int64
	FirstError       error
	Elapsed          time.Duration
	Latency          *hdrhistogram.Histogram // in microseconds
}

// Rate returns the successful requests a second.
func (o Outcome) Rate() float64 { return float64(o.Requests-o.Errors) / o.Elapsed.Seconds() }

// histogram spans 1 µs to a minute with three digits.
func histogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, 60_000_000, 3) }

// Run sends the load and waits until it is done or ctx ends. The error is about the
// connections; a request that fails is counted in the outcome.
func (l Load) Run(ctx context.Context) (Outcome, error) {
	if l.Time > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, l.Time)
		defer cancel()
	}
	r := run{Load: l, stop: make(chan struct{}), out: Outcome{Latency: histogram()}}
	conns := make([]net.Conn, l.Connections)
	for i := range conns {
		addr := l.Addr
		if n := i % (1 + len(l.Also)); n > 0 {
			addr = l.Also[n-1]
		}
		c, err := net.DialTimeout("tcp", addr, 5*time.Second)
		if err != nil {
			return Outcome{}, fmt.Errorf("connect to %s: %w", addr, err)
		}
		defer c.Close()
		conns[i] = c
	}
	begin := time.Now()
	var workers, watcher sync.WaitGroup
	watcher.Go(func() { r.watch(ctx, begin) })
	for _, c := range conns {
		workers.Go(func() { r.work(c) })
	}
	workers.Wait()
	r.out.Elapsed = time.Since(begin)
	r.end()
	watcher.Wait()
	return r.out, nil
}

type run struct {
	Load
	next, done atomic.Int64
	once       sync.Once
	stop       chan struct{}
	mu         sync.Mutex
	out        Outcome
}

func (r *run) end() { r.once.Do(func() { close(r.stop) }) }

// watch reports progress and ends the run with its context.
func (r *run) watch(ctx context.Context, begin time.Time) {
	t := time.NewTicker(500 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			r.end()
			return
		case <-r.stop:
			return
		case <-t.C:
			if r.Progress != nil {
				r.Progress(r.done.Load(), time.Since(begin))
			}
		}
	}
}

// work is one connection: one request after the other.
func (r *run) work(c net.Conn) {
	in := bufio.NewReaderSize(c, 64<<10)
	var resp fasthttp.Response
	hist := histogram()
	var requests, errs int64
	var first error
	for {
		select {
		case <-r.stop:
		default:
			i := r.next.Add(1) - 1
			if r.Count > 0 && i >= int64(r.Count) {
				break
			}
			begin := time.Now()
			err := r.exchange(c, in, &resp, int(i))
			hist.RecordValue(max(1, time.Since(begin).Microseconds()))
			requests++
			r.done.Add(1)
			if err == nil {
				continue
			}
			errs++
			if first == nil {
				first = err
			}
			if _, broken := err.(*net.OpError); !broken {
				continue
			}
		}
		break
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.out.Requests += requests
	r.out.Errors += errs
	if r.out.FirstError == nil {
		r.out.FirstError = first
	}
	r.out.Latency.Merge(hist)
}

func (r *run) exchange(c net.Conn, in *bufio.Reader, resp *fasthttp.Response, i int) error {
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Write(r.Request(i)); err != nil {
		return err
	}
	if err := resp.Read(in); err != nil {
		return &net.OpError{Op: "read", Net: "tcp", Err: err}
	}
	if r.Check != nil {
		return r.Check(resp)
	}
	if code := resp.StatusCode(); code != fasthttp.StatusOK {
		return fmt.Errorf("status %d: %.200s", code, resp.Body())
	}
	return nil
}
