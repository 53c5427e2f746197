package grpc

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"

	"nactor/grpc/grpcpb"
	"nactor/naming"
)

// pipes is a network in memory, on which time can be virtual.
type pipes struct {
	conns chan net.Conn
	quit  chan struct{}
	once  sync.Once

	mu   sync.Mutex
	last int
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), quit: make(chan struct{})} }

// from is a connection with the addresses of its ends.
type from struct {
	net.Conn
	remote net.Addr
}

func (f from) RemoteAddr() net.Addr { return f.remote }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.quit:
		return nil, io.EOF
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.quit) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 9848} }

func (p *pipes) dial(ctx context.Context, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	p.mu.Lock()
	p.last++
	n := p.last
	p.mu.Unlock()
	select {
	case p.conns <- from{there, &net.TCPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 1000 + n}}:
		return here, nil
	case <-p.quit:
		return nil, io.ErrClosedPipe
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Who is silent, whatever it did before, is asked once and then ejected; so is who opens
// a stream or a connection and does nothing with it. Who answers, or asks, stays.
func TestSilence(t *testing.T) {
	for name, tt := range map[string]struct {
		do   func(t *testing.T, p *peer)
		keep bool
		ends time.Duration // at the latest
	}{
		"a subscriber": {func(t *testing.T, p *peer) {
			p.setup()
			p.ask(typeSubscribe, `{`+orders+`,"subscribe":true}`)
			p.ask(typeInstance, `{`+orders+`,"type":"registerInstance",`+instanceJSON("10.0.0.1")+`}`)
		}, false, idleTime + detectTime + 2*checkEvery},
		"a stream that is not set up":     {func(t *testing.T, p *peer) { p.open() }, false, idleTime + checkEvery},
		"a connection that is only there": {func(t *testing.T, p *peer) { p.ask(typeServerCheck, `{}`) }, false, loneTime + time.Second},
		"who answers": {func(t *testing.T, p *peer) {
			p.setup()
			go func() {
				for in := range p.pushes {
					if in.GetMetadata().GetType() == typeDetection {
						// As the Go SDK does it: success is false.
						_ = p.stream.SendMsg(frame("ClientDetectionResponse", []byte(`{"resultCode":0,"success":false}`)))
					}
				}
			}()
		}, true, 0},
		"who asks": {func(t *testing.T, p *peer) {
			p.setup()
			go func() {
				tick := time.NewTicker(5 * time.Second)
				defer tick.Stop()
				for {
					select {
					case <-tick.C:
						out := &grpcpb.Payload{}
						_ = p.conn.Invoke(t.Context(), "/Request/request", frame(typeHealthCheck, []byte(`{}`)), out)
					case <-t.Context().Done():
						return
					}
				}
			}()
		}, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				net := newPipes()
				r := rigOn(t, net, nil)
				p := r.dial(grpc.WithContextDialer(net.dial))
				defer p.conn.Close()
				tt.do(t, p)
				synctest.Wait()
				open := func() (n int) {
					r.server.conns.open.Range(func(any, any) bool { n++; return true })
					return n
				}
				if open() != 1 {
					t.Fatalf("%d connections", open())
				}
				began := time.Now()
				for open() > 0 && time.Since(began) < 2*time.Minute {
					time.Sleep(100 * time.Millisecond)
				}
				took := time.Since(began)
				if tt.keep {
					if open() != 1 || r.server.Len() != 1 {
						t.Errorf("ejected after %v", took)
					}
					return
				}
				if took > tt.ends || took < idleTime-time.Second || r.server.Len() != 0 || r.open() != 0 {
					t.Errorf("ended after %v, wanted within %v; %d clients", took, tt.ends, r.server.Len())
				}
			})
		})
	}
}

// many registers n instances in a service, so that its state is large.
func (r *rig) many(key naming.Key, n int) {
	r.t.Helper()
	for i := range n {
		in := &naming.Instance{IP: fmt.Sprintf("10.2.%d.%d", i/250, i%250), Port: 80, Cluster: "c", Weight: 1, Enabled: true, Healthy: true, Ephemeral: true}
		if _, err := r.Do(r.t.Context(), key, naming.Register{Instance: in}); err != nil {
			r.t.Fatal(err)
		}
	}
}

// deaf connects a subscriber of a large service that does not read its stream. It returns when
// the server is stuck in sending to it.
func (r *rig) deaf(key naming.Key) (*peer, *client) {
	r.t.Helper()
	p := r.dial(grpc.WithInitialWindowSize(64<<10), grpc.WithInitialConnWindowSize(64<<10))
	var err error
	if p.stream, err = p.conn.NewStream(r.t.Context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/BiRequestStream/requestBiStream"); err != nil {
		r.t.Fatal(err)
	}
	before := r.server.Len()
	p.send(typeSetup, `{"clientVersion":"deaf"}`)
	eventually(r.t, "set up", func() bool { return r.server.Len() == before+1 })
	var c *client
	for _, x := range r.server.all() {
		if x.version == "deaf" {
			c = x
		}
	}
	c.begin(key, "")
	eventually(r.t, "the server is stuck", func() bool {
		r.tell(key)
		p.send("NotifySubscriberResponse", fmt.Sprintf(`{"requestId":"%d"}`, r.server.requests.Load())) // the newest push, unseen
		since := c.sending.Load()
		return since != 0 && time.Since(time.Unix(0, since)) > 200*time.Millisecond
	})
	return p, c
}

// A subscriber that does not read delays nobody, has one state waiting, and is ejected.
func TestDeafSubscriber(t *testing.T) {
	r := newRig(t, nil)
	key := naming.Key{Namespace: "public", Group: "g", Name: "large"}
	r.many(key, 1000)
	w := r.witness()
	_, c := r.deaf(key)
	for range 1000 {
		r.tell(key)
	}
	for range 20 {
		w.wellServed()
	}
	c.mu.Lock()
	if len(c.subs) != 1 || len(c.acks) > 1 || !c.subs[key].dirty {
		t.Errorf("%d subscriptions, %d acknowledgements are waited for", len(c.subs), len(c.acks))
	}
	c.mu.Unlock()
	c.watch(time.Now().Add(idleTime / 2))
	if r.server.Len() != 2 {
		t.Fatal("ejected at once")
	}
	c.watch(time.Now().Add(idleTime + time.Second))
	eventually(t, "the deaf client is gone", func() bool { return r.server.Len() == 1 && r.open() == 1 })
	<-c.done
	w.wellServed()
}

// A stream that is half closed while the server is stuck in sending ends with its connection.
func TestHalfClosed(t *testing.T) {
	r := newRig(t, nil)
	key := naming.Key{Namespace: "public", Group: "g", Name: "large"}
	r.many(key, 1000)
	p, c := r.deaf(key)
	if err := p.stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-c.done:
	case <-time.After(10 * time.Second):
		t.Fatal("the server is still stuck")
	}
	if r.server.Len() != 0 || r.open() != 0 {
		t.Error("the client is still here")
	}
}

// A subscriber that reads and never acknowledges is pushed once, and again only when the time
// for an answer is over; the others are pushed each state.
func TestNeverAcknowledges(t *testing.T) {
	r := newRig(t, nil)
	w, p := r.witness(), r.dial()
	p.setup()
	p.ask(typeSubscribe, `{"serviceName":"witnessed","groupName":"g","subscribe":true}`)
	for range 100 {
		w.wellServed()
	}
	if kind, _ := p.pushed(); kind != typeNotify {
		t.Errorf("pushed is %s", kind)
	}
	if n := len(p.pushes); n != 0 {
		t.Errorf("%d more pushes", n)
	}
	for _, c := range r.server.all() {
		c.mu.Lock()
		if len(c.acks) > 1 {
			t.Errorf("%d acknowledgements are waited for", len(c.acks))
		}
		c.mu.Unlock()
	}
	eventually(t, "all acknowledgements are counted", func() bool { return r.server.Pushes().Acked == 100 })
	if s := r.server.Pushes(); s.Sent != 101 || s.Failed != 0 || s.MaxCost <= 0 || s.Costs < s.MaxCost {
		t.Errorf("counted %+v", s)
	}
}

// A client that ends in several ways at once ends once.
func TestEndsTwice(t *testing.T) {
	r := newRig(t, nil)
	w := r.witness()
	for range 30 {
		p := r.dial()
		p.setup()
		p.ask(typeSubscribe, `{"serviceName":"witnessed","groupName":"g","subscribe":true}`)
		var c *client
		for _, x := range r.server.all() {
			if x.transport.id != "" && x.version == "Test:v1" && c == nil || c != nil && x.since.After(c.since) {
				c = x
			}
		}
		var wg sync.WaitGroup
		for _, end := range []func(){
			func() { c.eject("test", time.Now()) },
			func() { r.server.leave(c) },
			func() { p.conn.Close() },
			func() { _ = p.stream.CloseSend() },
			func() { r.tell(naming.Key{Namespace: "public", Group: "g", Name: "witnessed"}) },
			c.end, c.end,
		} {
			wg.Go(end)
		}
		wg.Wait()
		r.server.leave(c)
		c.watch(time.Now().Add(time.Hour))
	}
	eventually(t, "one client", func() bool { return r.server.Len() == 1 && r.open() == 1 })
	w.wellServed()
}

// Limits hold back who is too many, and send away who has become too many.
func TestLimits(t *testing.T) {
	l := &Limits{Total: 3, PerAddress: 2, Addresses: map[string]int{"10.0.0.1": 0, "10.0.0.2": 5, "10.0.0.3": -1}, Apps: map[string]int{"batch": 1}}
	for _, tt := range []struct {
		all, here int
		ip, app   string
		refused   bool
	}{
		{0, 0, "10.0.0.9", "", false}, {2, 1, "10.0.0.9", "", false}, {2, 2, "10.0.0.9", "", true}, {3, 0, "10.0.0.9", "", true},
		{0, 0, "10.0.0.1", "", true}, {2, 2, "10.0.0.2", "batch", false}, {2, 2, "10.0.0.3", "", true}, {1, 1, "10.0.0.9", "batch", true}, {1, 1, "10.0.0.3", "batch", true},
	} {
		if err := l.admit(tt.all, tt.here, tt.ip, tt.app); (err != nil) != tt.refused {
			t.Errorf("%+v: %v", tt, err)
		}
	}
	if err := (&Limits{}).admit(1e6, 1e6, "10.0.0.1", "x"); err != nil {
		t.Errorf("without limits: %v", err)
	}

	now := DefaultLimits
	var mu sync.Mutex
	r := newRig(t, func(cfg *Config) {
		cfg.Limits = func() *Limits { mu.Lock(); defer mu.Unlock(); return now }
	})
	var peers []*peer
	for range 5 {
		p := r.dial()
		p.setup()
		p.ask(typeHealthCheck, `{}`)
		peers = append(peers, p)
	}
	count := func(l *Limits) int {
		mu.Lock()
		now = l
		mu.Unlock()
		return len(r.server.excess())
	}
	for _, tt := range []struct {
		l    Limits
		want int
	}{{Limits{}, 0}, {Limits{Total: 5}, 0}, {Limits{Total: 3}, 2}, {Limits{PerAddress: 4}, 1}, {Limits{Total: 2, PerAddress: 4}, 3}, {Limits{Apps: map[string]int{"app": 1}}, 4}, {Limits{Addresses: map[string]int{"127.0.0.1": 0}}, 5}} {
		if n := count(&tt.l); n != tt.want {
			t.Errorf("%+v: %d are too many, want %d", tt.l, n, tt.want)
		}
	}
	count(&Limits{Total: 4})
	told := func() (n int) {
		for _, p := range peers {
			n += len(p.pushes)
		}
		return n
	}
	eventually(t, "one is told to go", func() bool { return told() == 1 })
}

// Operators are shown who is connected, and send them elsewhere.
func TestRoster(t *testing.T) {
	r := newRig(t, nil)
	a, b := r.dial(), r.dial()
	a.setup()
	a.ask(typeHealthCheck, `{}`)
	b.setup()
	b.ask(typeHealthCheck, `{}`)
	list := r.server.Clients()
	if len(list) != 2 || list[0].ID == list[1].ID || list[0].App != "app" || list[0].Version != "Test:v1" || list[0].Labels["module"] != "naming" || list[0].Since.IsZero() || list[0].LastActive.Before(list[0].Since.Add(-time.Second)) {
		t.Fatalf("%+v", list)
	}
	if n := r.server.Shrink(1, "10.0.0.7:8848"); n != 1 {
		t.Errorf("%d were told", n)
	}
	kind, body := b.pushed() // who came last goes first
	if kind != typeReset || body["serverIp"] != "10.0.0.7" || body["serverPort"] != "8848" {
		t.Errorf("told is %s %v", kind, body)
	}
	for _, to := range []Redirect{"", "nowhere"} {
		r.server.Reset(list[0].ID, to)
		r.server.Reset(list[1].ID, to)
		if kind, body := a.pushed(); kind != typeReset || body["serverIp"] != nil || body["requestId"] == "" {
			t.Errorf("told is %s %v", kind, body)
		}
	}
	r.server.Reset("nobody", "")
	if n := r.server.Shrink(-1, ""); n != 2 {
		t.Errorf("%d were told", n)
	}
	if strings.Contains(string(r.server.resetMessage("", "").GetBody().GetValue()), "serverIp") {
		t.Error("a server is named that is none")
	}
}

// What a client has published goes with it; that of one that was told to go on elsewhere stays.
func TestToldToGo(t *testing.T) {
	r := newRig(t, nil)
	key := naming.Key{Namespace: "public", Group: "g", Name: "orders"}
	for _, told := range []bool{false, true} {
		p := r.dial()
		p.setup()
		if _, got := p.ask(typeInstance, `{`+orders+`,"type":"registerInstance",`+instanceJSON("10.0.0.1")+`}`); !strings.Contains(got, `"success":true`) {
			t.Fatal(got)
		}
		if told {
			r.server.Shrink(0, "")
			p.pushed()
		}
		p.conn.Close()
		eventually(t, "the client is gone", func() bool { return r.server.Len() == 0 && r.open() == 0 })
		if listed := r.View(key) != nil && len(r.View(key).Instances) == 1; listed != told {
			t.Errorf("told %v: listed %v", told, listed)
		}
	}
}
