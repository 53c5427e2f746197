package grpc

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"nactor/grpc/grpcpb"
	"nactor/naming"
	"nactor/naming/namingtest"
)

// rig is a front over a registry in memory.
type rig struct {
	*namingtest.Oracle
	t        testing.TB
	server   *Server
	addr     string
	starting atomic.Bool
	by1X     atomic.Bool
	switches atomic.Pointer[naming.Switches]

	mu    sync.Mutex
	conns map[string]*fakeConnection
}

func newRig(t testing.TB, change func(*Config)) *rig {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return rigOn(t, l, change)
}

// rigOn is [newRig] on a listener.
func rigOn(t testing.TB, l net.Listener, change func(*Config)) *rig {
	t.Helper()
	r := &rig{Oracle: namingtest.NewOracle(namingtest.V2), t: t, conns: map[string]*fakeConnection{}}
	r.switches.Store(naming.DefaultSwitches())
	cfg := Config{Logger: slog.New(slog.DiscardHandler), Registry: r.Oracle, Reader: r.Oracle, Connections: r,
		Switches: r.switches.Load, Starting: r.starting.Load, By1X: r.by1X.Load}
	if change != nil {
		change(&cfg)
	}
	r.server = New(cfg)
	r.addr = l.Addr().String()
	over := make(chan error, 1)
	go func() { over <- r.server.Serve(l) }()
	t.Cleanup(func() {
		if err := r.server.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-over; err != nil {
			t.Error(err)
		}
		if n := r.open(); n != 0 {
			t.Errorf("%d connections are open after the end", n)
		}
	})
	return r
}

// fakeConnection publishes at once, and tells all that are subscribed.
type fakeConnection struct {
	r    *rig
	info naming.ConnectionInfo

	mu   sync.Mutex
	pubs map[naming.Key][]*naming.Instance
	subs map[naming.Key]bool
}

func (r *rig) Connect(info naming.ConnectionInfo) naming.Connection {
	c := &fakeConnection{r: r, info: info, pubs: map[naming.Key][]*naming.Instance{}, subs: map[naming.Key]bool{}}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns[info.ID] = c
	return c
}

func (r *rig) open() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.conns)
}

func (r *rig) tell(key naming.Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		c.mu.Lock()
		if c.subs[key] {
			c.info.Changed(key)
		}
		c.mu.Unlock()
	}
}

func (c *fakeConnection) Publish(ctx context.Context, key naming.Key, instances []*naming.Instance) error {
	c.mu.Lock()
	before := c.pubs[key]
	c.pubs[key] = instances
	c.mu.Unlock()
	for _, in := range before {
		if _, err := c.r.Do(ctx, key, naming.Deregister{Addr: in.Addr(), Ephemeral: true}); err != nil {
			return err
		}
	}
	for _, in := range instances {
		own := *in
		if _, err := c.r.Do(ctx, key, naming.Register{Instance: &own}); err != nil {
			return err
		}
	}
	c.r.tell(key)
	return nil
}

func (c *fakeConnection) Withdraw(ctx context.Context, key naming.Key) error {
	return c.Publish(ctx, key, nil)
}

func (c *fakeConnection) Subscribe(key naming.Key, _ string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.subs[key] = true
}

func (c *fakeConnection) Unsubscribe(key naming.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.subs, key)
}

func (c *fakeConnection) Leave() {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	delete(c.r.conns, c.info.ID)
}

func (c *fakeConnection) Close() {
	c.mu.Lock()
	pubs := c.pubs
	c.pubs = map[naming.Key][]*naming.Instance{}
	c.mu.Unlock()
	for key, list := range pubs {
		for _, in := range list {
			if _, err := c.r.Do(context.Background(), key, naming.Deregister{Addr: in.Addr(), Ephemeral: true}); err != nil {
				c.r.t.Errorf("withdraw %s: %v", in.IP, err)
			}
		}
	}
	c.Leave()
}

// peer is a client that knows no more than the frames.
type peer struct {
	t      testing.TB
	conn   *grpc.ClientConn
	stream grpc.ClientStream
	pushes chan *grpcpb.Payload
}

// dial connects without a setup.
func (r *rig) dial(opts ...grpc.DialOption) *peer {
	r.t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+r.addr, append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	return &peer{t: r.t, conn: conn, pushes: make(chan *grpcpb.Payload, 1000)}
}

// setup opens the stream and sets the client up.
func (p *peer) setup() {
	p.t.Helper()
	p.open()
	p.send(typeSetup, `{"clientVersion":"Test:v1","tenant":"","labels":{"source":"sdk","module":"naming","AppName":"app"}}`)
}

// open opens the stream; what is pushed arrives at pushes, which is closed at its end.
func (p *peer) open() {
	p.t.Helper()
	var err error
	p.stream, err = p.conn.NewStream(p.t.Context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/BiRequestStream/requestBiStream")
	if err != nil {
		p.t.Fatal(err)
	}
	go func() {
		defer close(p.pushes)
		for {
			in := &grpcpb.Payload{}
			if p.stream.RecvMsg(in) != nil {
				return
			}
			p.pushes <- in
		}
	}()
}

func (p *peer) send(kind, body string) {
	p.t.Helper()
	if err := p.stream.SendMsg(frame(kind, []byte(body))); err != nil {
		p.t.Fatal(err)
	}
}

// ask returns the type and the JSON of the answer.
func (p *peer) ask(kind, body string) (string, string) {
	p.t.Helper()
	out := &grpcpb.Payload{}
	if err := p.conn.Invoke(p.t.Context(), "/Request/request", frame(kind, []byte(body)), out); err != nil {
		p.t.Fatalf("%s: %v: SDKs reconnect upon an error of gRPC", kind, err)
	}
	return out.GetMetadata().GetType(), string(out.GetBody().GetValue())
}

// pushed returns the next push.
func (p *peer) pushed() (kind string, body map[string]any) {
	p.t.Helper()
	select {
	case in, ok := <-p.pushes:
		if !ok {
			p.t.Fatal("the stream has ended")
		}
		if err := json.Unmarshal(in.GetBody().GetValue(), &body); err != nil {
			p.t.Fatal(err)
		}
		return in.GetMetadata().GetType(), body
	case <-time.After(10 * time.Second):
		p.t.Fatal("no push")
	}
	return "", nil
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("not within 10 s: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}
