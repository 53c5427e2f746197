package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/valyala/fasthttp"
)

// pushes measures the time from a registration to the subscribers. Each registration bears the
// moment at which it was sent, in the metadata of the instance: sender and receiver are one
// process.
type pushes struct {
	bare string // address of a bare handler

	mu      sync.Mutex
	latency *hdrhistogram.Histogram // of what is measured now; nil: nothing is
	since   int64                   // only what was sent from then on counts, ns
	want    int
	have    chan struct{} // closed when all are there

	done []pushed
}

// pushed is the outcome of one measurement.
type pushed struct {
	measurement
	latency, bare *hdrhistogram.Histogram // µs; bare: of the bare handler at the same time
	achieved      float64                 // registrations a second
	lost          int
}

// common is the service that all subscribers subscribe to; watched is that of one.
const common = "common"

func watched(i int) string { return "watched-" + strconv.Itoa(i) }

// patienceForPushes is how long a push may take until it counts as lost.
const patienceForPushes = 5 * time.Second

var sentAt = []byte(`"sent":"`)

// sentIn returns when the registration was sent that a subscriber is told of, in ns; 0: it is
// not one of these.
func sentIn(serviceInfo []byte) int64 {
	_, rest, _ := bytes.Cut(serviceInfo, sentAt)
	digits, _, _ := bytes.Cut(rest, []byte(`"`))
	sent, _ := strconv.ParseInt(string(digits), 10, 64)
	return sent
}

// told notes what a subscriber is told.
func (p *pushes) told(serviceInfo []byte) {
	now := time.Now().UnixNano()
	sent := sentIn(serviceInfo)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.latency == nil || sent < p.since || p.want == 0 {
		return
	}
	p.latency.RecordValue(max(1, (now-sent)/1000))
	if p.want--; p.want == 0 {
		close(p.have)
	}
}

// measurement is what is to be measured.
type measurement struct {
	name        string
	count, rate int // registrations; a second
	each        int // pushes that each brings
	from        []*Client
	services    []string // in turns; a service is registered by the same client always
	asked       bool     // the time that is asked for holds
}

// take sends registrations and waits for the pushes.
func (p *pushes) take(ctx context.Context, m measurement) error {
	have := make(chan struct{})
	begin := time.Now()
	p.mu.Lock()
	p.latency, p.since, p.want, p.have = histogram(), begin.UnixNano(), m.count*m.each, have
	p.mu.Unlock()
	probing, enough := context.WithCancel(ctx)
	defer enough()
	bare := make(chan *hdrhistogram.Histogram, 1)
	go func() { bare <- probe(probing, p.bare, time.Second/time.Duration(m.rate)) }()
	err := m.send(ctx, begin)
	took := time.Since(begin)
	enough()
	idle := <-bare
	if err != nil {
		return fmt.Errorf("register for %q: %w", m.name, err)
	}
	late := time.NewTimer(patienceForPushes)
	defer late.Stop()
	select {
	case <-have:
	case <-late.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = append(p.done, pushed{m, p.latency, idle, float64(m.count) / took.Seconds(), p.want})
	p.latency = nil
	return nil
}

// probe asks a bare handler now and then until ctx ends: what is slow here too is the machine's
// doing.
func probe(ctx context.Context, addr string, every time.Duration) *hdrhistogram.Histogram {
	out := histogram()
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return out
	}
	defer conn.Close()
	ask := run{Load: Load{Request: func(int) []byte { return []byte("GET / HTTP/1.1\r\nHost: bench\r\n\r\n") }}}
	in, resp := bufio.NewReader(conn), fasthttp.Response{}
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return out
		}
		begin := time.Now()
		if ask.exchange(conn, in, &resp, 0) != nil {
			return out
		}
		out.RecordValue(max(1, time.Since(begin).Microseconds()))
	}
}

// send sends the registrations, each at its time. A client that has to wait for an answer delays
// its own only.
func (m *measurement) send(ctx context.Context, begin time.Time) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	clients := min(len(m.from), len(m.services))
	services := m.services[:len(m.services)-len(m.services)%clients]
	var wg sync.WaitGroup
	for n, c := range m.from[:clients] {
		wg.Go(func() {
			t := time.NewTimer(0)
			defer t.Stop()
			for i := n; i < m.count; i += clients {
				t.Reset(time.Until(begin.Add(time.Duration(i) * time.Second / time.Duration(m.rate))))
				select {
				case <-t.C:
				case <-ctx.Done():
					return
				}
				sent := strconv.FormatInt(time.Now().UnixNano(), 10)
				if err := c.Register(ctx, services[i%len(services)], "10.1.0.1", 80, "sent", sent); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

func (p *pushes) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\nregistered on one node → pushed by another\tchanges/s\tpushes\tnot pushed\tp50 ms\tp99 ms\tmax ms\tbare p99 ms\tmax ms\t")
	for _, d := range p.done {
		ms := func(µs int64) float64 { return float64(µs) / 1000 }
		fmt.Fprintf(w, "%s\t%.0f\t%d\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t\n", d.name, d.achieved, d.latency.TotalCount(), d.lost,
			ms(d.latency.ValueAtQuantile(50)), ms(d.latency.ValueAtQuantile(99)), ms(d.latency.Max()),
			ms(d.bare.ValueAtQuantile(99)), ms(d.bare.Max()))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out, "not pushed: lost, or replaced by a newer state of the service before it was sent")
	fmt.Fprintln(out, "bare: a handler that does nothing, asked as often at the same time; a push passes at least three processes")
	return nil
}
