package grpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"nactor/grpc/grpcpb"
	"nactor/naming"
)

// Config is what the front needs.
type Config struct {
	Logger      *slog.Logger
	Registry    naming.Registry
	Reader      naming.Reader
	Connections naming.Connections
	Switches    func() *naming.Switches

	// Starting reports whether the node does not serve yet. By1X reports whether the cluster
	// goes by the logic of 1.X: naming requests are refused then, and nobody is pushed.
	Starting func() bool
	By1X     func() bool

	MaxMessage     int           // bytes; 0: 10 MiB, as in Nacos
	MaxConnections int           // of clients; 0: 50,000
	MaxPerAddress  int           // of clients at one ip; 0: no limit
	PushWindow     time.Duration // for which changes of a service are gathered after a push, at most; 0: 500 ms, as in Nacos
}

const (
	checkEvery = 500 * time.Millisecond
	// A client that was not heard of for idleTime is asked for a sign of life, and ejected when
	// it gives none within detectTime (Nacos: KEEP_ALIVE_TIME).
	idleTime   = 20 * time.Second
	detectTime = 3 * time.Second
	// farewell is how long clients have to go elsewhere when the server stops.
	farewell = time.Second

	// readBuffer is what each connection keeps to read into. Requests have some hundred bytes;
	// gRPC's 32 KiB were two thirds of the heap that an idle connection takes. What does not fit
	// is read past it.
	readBuffer = 4 << 10
	// window is what a client may send before it is read. Naming it ends gRPC's search for a
	// better one, which is a ping and its answer for nearly every request.
	window = 256 << 10

	defaultMaxMessage     = 10 << 20
	defaultMaxConnections = 50_000
)

// Server is the front. Create it with New.
type Server struct {
	cfg   Config
	grpc  *grpc.Server
	conns *connections

	mu      sync.Mutex
	clients map[string]*client // by connection id
	at      map[string]int     // clients by ip
	closing bool

	requests atomic.Uint64 // numbers what clients are pushed
	quit     chan struct{}
	wg       sync.WaitGroup
}

// New returns a server that does not serve yet.
func New(cfg Config) *Server {
	if cfg.MaxMessage == 0 {
		cfg.MaxMessage = defaultMaxMessage
	}
	if cfg.MaxConnections == 0 {
		cfg.MaxConnections = defaultMaxConnections
	}
	if cfg.PushWindow == 0 {
		cfg.PushWindow = defaultPushWindow
	}
	s := &Server{cfg: cfg, clients: map[string]*client{}, at: map[string]int{}, quit: make(chan struct{}), conns: &connections{}}
	s.grpc = grpc.NewServer(
		grpc.StatsHandler(s),
		grpc.MaxRecvMsgSize(cfg.MaxMessage),
		grpc.ReadBufferSize(readBuffer),
		grpc.InitialWindowSize(window),
		grpc.InitialConnWindowSize(window),
		// SDKs ping once a minute and more often; a peer that is gone without a word is found
		// within 40 s at the latest.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 30 * time.Second, Timeout: 10 * time.Second}),
	)
	s.grpc.RegisterService(&grpc.ServiceDesc{
		ServiceName: "Request", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "request", Handler: s.unary}},
	}, s)
	s.grpc.RegisterService(&grpc.ServiceDesc{
		ServiceName: "BiRequestStream", HandlerType: (*any)(nil),
		Streams: []grpc.StreamDesc{{StreamName: "requestBiStream", Handler: s.stream, ServerStreams: true, ClientStreams: true}},
	}, s)
	return s
}

// Serve serves l until Shutdown. It returns an error when it ended by itself.
func (s *Server) Serve(l net.Listener) error {
	s.conns.Listener = l
	s.wg.Go(s.check)
	if err := s.grpc.Serve(s.conns); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("serve clients of 2.x on %s: %w", l.Addr(), err)
	}
	return nil
}

// Shutdown tells clients to go elsewhere, gives them a moment, and ends all connections.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	already := s.closing
	s.closing = true
	s.mu.Unlock()
	if already {
		return nil
	}
	for _, c := range s.all() {
		c.control(frame(typeReset, []byte(`{}`)))
	}
	gone := time.NewTimer(farewell)
	defer gone.Stop()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
wait:
	for s.Len() > 0 {
		select {
		case <-look.C:
		case <-gone.C:
			break wait
		case <-ctx.Done():
			break wait
		}
	}
	close(s.quit)
	s.grpc.Stop()
	for _, c := range s.all() {
		s.leave(c)
	}
	s.wg.Wait()
	return nil
}

// Len returns how many clients are connected.
func (s *Server) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.clients)
}

func (s *Server) all() []*client {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*client, 0, len(s.clients))
	for _, c := range s.clients {
		out = append(out, c)
	}
	return out
}

// enter makes a client of a transport; an error says why not.
func (s *Server) enter(t *transport, set setup, app string) (*client, error) {
	ip := t.remote.Addr().String()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closing:
		return nil, errors.New("the server is stopping")
	case len(s.clients) >= s.cfg.MaxConnections:
		return nil, fmt.Errorf("%d clients are connected", len(s.clients))
	case s.cfg.MaxPerAddress > 0 && s.at[ip] >= s.cfg.MaxPerAddress:
		return nil, fmt.Errorf("%d clients are connected from %s", s.at[ip], ip)
	}
	c := newClient(s, t, set, app)
	s.clients[t.id] = c
	s.at[ip]++
	t.client.Store(c)
	t.once.Do(func() { close(t.registered) })
	return c, nil
}

// leave ends a client. It may be called more than once.
func (s *Server) leave(c *client) {
	ip := c.transport.remote.Addr().String()
	s.mu.Lock()
	_, here := s.clients[c.transport.id]
	if here {
		delete(s.clients, c.transport.id)
		if s.at[ip]--; s.at[ip] == 0 {
			delete(s.at, ip)
		}
	}
	s.mu.Unlock()
	if here {
		c.transport.client.CompareAndSwap(c, nil)
		c.end()
	}
}

// check finds clients that are not there any more, and what has changed for all.
func (s *Server) check() {
	t := time.NewTicker(checkEvery)
	defer t.Stop()
	by1X, pushing := s.cfg.By1X(), s.cfg.Switches().PushEnabled
	for {
		select {
		case <-t.C:
		case <-s.quit:
			return
		}
		was, were := by1X, pushing
		by1X, pushing = s.cfg.By1X(), s.cfg.Switches().PushEnabled
		now := time.Now()
		for _, c := range s.all() {
			switch {
			case !by1X && c.refused.Swap(false):
				// The clients of some SDKs do not try again by themselves what was refused.
				c.control(frame(typeReset, []byte(`{}`)))
			case was && !by1X, !were && pushing:
				c.poke()
			}
			c.watch(now)
		}
	}
}

// watch asks an idle client for a sign of life, and ejects one that gives none.
func (c *client) watch(now time.Time) {
	idle := c.transport.idle(now)
	switch {
	case idle < idleTime:
		c.detecting = time.Time{}
	case c.detecting.IsZero():
		c.detecting = now
		c.control(c.server.numbered(typeDetection, nil))
	case now.Sub(c.detecting) > detectTime:
		c.server.cfg.Logger.Info("a client that gives no sign of life is disconnected", "connection", c.transport.id, "idle", idle.Round(time.Second))
		c.transport.close()
		c.server.leave(c)
	}
}

// numbered returns a message that the client has to answer. rest is JSON members, each after a
// comma.
func (s *Server) numbered(kind string, rest []byte) *grpcpb.Payload {
	body := fmt.Appendf(nil, `{"headers":{},"requestId":"%d","module":%q`, s.requests.Add(1), moduleOf(kind))
	return frame(kind, append(append(body, rest...), '}'))
}

func moduleOf(kind string) string {
	if kind == typeNotify {
		return "naming"
	}
	return "internal"
}
