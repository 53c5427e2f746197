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

	MaxMessage int            // bytes; 0: 10 MiB, as in Nacos
	PushWindow time.Duration  // for which changes of a service are gathered after a push, at most; 0: 500 ms, as in Nacos
	Limits     func() *Limits // of clients; another pointer when they have changed; nil: [DefaultLimits]
}

const (
	// farewell is how long clients have to go elsewhere when the server stops.
	farewell = time.Second

	// readBuffer is what each connection keeps to read into. Requests have some hundred bytes;
	// gRPC's 32 KiB were two thirds of the heap that an idle connection takes. What does not fit
	// is read past it.
	readBuffer = 4 << 10
	// window is what a client may send before it is read. Naming it ends gRPC's search for a
	// better one, which is a ping and its answer for nearly every request.
	window = 256 << 10

	defaultMaxMessage = 10 << 20

	// What a connection may hold open. SDKs have a stream and a request for each thread of the
	// application under way; more wait on their side.
	maxStreams = 256
	maxHeaders = 64 << 10
	// handshake bounds the time until a TCP connection speaks HTTP/2, loneTime how long one stays
	// that has nothing under way: a client's stream is always under way.
	handshake = 5 * time.Second
	loneTime  = time.Minute
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
	stats    pushStats
	quit     chan struct{}
	wg       sync.WaitGroup
}

// New returns a server that does not serve yet.
func New(cfg Config) *Server {
	if cfg.MaxMessage == 0 {
		cfg.MaxMessage = defaultMaxMessage
	}
	if cfg.Limits == nil {
		cfg.Limits = func() *Limits { return DefaultLimits }
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
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.MaxHeaderListSize(maxHeaders),
		grpc.ConnectionTimeout(handshake),
		// SDKs ping once a minute and more often; a peer that is gone without a word is found
		// within 40 s at the latest.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: loneTime, Time: 30 * time.Second, Timeout: 10 * time.Second}),
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
		c.reset("", "")
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
	id := identify(set, app)
	ip := t.remote.Addr().String()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return nil, errors.New("the server is stopping")
	}
	if err := s.cfg.Limits().admit(len(s.clients), s.at[ip], ip, id.app); err != nil {
		return nil, err
	}
	c := newClient(s, t, id)
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
