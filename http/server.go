package http

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"
)

// contextPath is where Nacos lives on its port.
const contextPath = "/nacos"

// Server is the HTTP front of a node.
type Server struct {
	cfg     Config
	fast    *fasthttp.Server
	conns   conns
	metrics *metrics
	pushes  pushBase
	own     ownCounts
	methods map[string]string // path to the methods it takes, for 405
	is142   bool              // answers as Nacos 1.4.2
}

// New returns a server that serves nothing yet.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg.withDefaults(), methods: map[string]string{}}
	s.is142 = strings.HasPrefix(s.cfg.Version, "1.")
	s.metrics = newMetrics(s)
	r := router.New()
	// One path, one meaning: what is not spelled like a route is none, and nothing is
	// redirected.
	r.RedirectTrailingSlash, r.RedirectFixedPath = false, false
	r.HandleMethodNotAllowed, r.HandleOPTIONS = false, false
	for _, rt := range routes() {
		path := contextPath + rt.path
		h := s.handler(rt)
		r.Handle(rt.method, path, h)
		if rt.method == fasthttp.MethodGet && !inNaming(path) {
			// Spring lets HEAD in where GET is; the route check of the naming API does not.
			r.Handle(fasthttp.MethodHead, path, h)
		}
		s.methods[path] = strings.TrimPrefix(s.methods[path]+", "+rt.method, ", ")
	}
	unknown := s.handler(route{path: "other", handle: func(r *request) error { s.notFound(r); return nil }})
	r.NotFound = func(ctx *fasthttp.RequestCtx) {
		// Nacos takes a slash at the end of any path; the router cannot have both forms.
		if path, ok := strings.CutSuffix(string(ctx.URI().PathOriginal()), "/"); ok {
			if h, _ := r.Lookup(string(ctx.Method()), path, ctx); h != nil {
				h(ctx)
				return
			}
		}
		unknown(ctx)
	}
	s.fast = &fasthttp.Server{
		Handler:               r.Handler,
		ErrorHandler:          s.malformed,
		ExpectHandler:         s.expect,
		ConnState:             s.conns.state,
		Logger:                fastLog{s.cfg.Logger},
		SecureErrorLogMessage: true,
		NoDefaultServerHeader: true,
		NoDefaultContentType:  true,
		CloseOnShutdown:       true,
		// Multipart forms are read with a limit, where parameters are.
		DisablePreParseMultipartForm: true,

		ReadBufferSize:     s.cfg.Limits.Header,
		MaxRequestBodySize: s.cfg.Limits.Body,
		Concurrency:        s.cfg.Limits.Connections,
		MaxConnsPerIP:      s.cfg.Limits.ConnectionsByIP,
		MaxRequestsPerConn: 100_000,
		ReadTimeout:        s.cfg.ReadTimeout,
		WriteTimeout:       s.cfg.WriteTimeout,
		IdleTimeout:        s.cfg.IdleTimeout,
	}
	return s
}

// Serve answers the connections of ln until Shutdown; then it returns nil.
func (s *Server) Serve(ln net.Listener) error {
	if err := s.fast.Serve(patient{ln}); err != nil {
		return fmt.Errorf("serve HTTP on %v: %w", ln.Addr(), err)
	}
	return nil
}

// Shutdown stops accepting, answers the requests that were read, and closes connections as
// they fall idle. When ctx ends before that is done, the rest is cut off.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.fast.ShutdownWithContext(ctx)
	if err == nil {
		return nil
	}
	if n := s.conns.closeAll(); n > 0 {
		return fmt.Errorf("shut down HTTP: %d connections cut off: %w", n, err)
	}
	return fmt.Errorf("shut down HTTP: %w", err)
}
