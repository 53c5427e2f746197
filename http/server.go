package http

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fasthttp/router"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"nactor/naming"
)

// Config is what the front needs of its node.
type Config struct {
	Logger        *slog.Logger
	Registry      naming.Registry
	Reader        naming.Reader
	Subscriptions naming.Subscriptions
	Settings      naming.Settings
	Node          Node
	Metrics       *prometheus.Registry

	Version    string // what clients are told, such as 2.0.3
	Standalone bool
	// TrustedCIDRs are networks whose clients may name another push address than their own.
	TrustedCIDRs []netip.Prefix
}

// Node answers questions about the node that the front serves.
type Node interface {
	// Status is UP, STARTING, DOWN …; reason may be empty.
	Status() (status, reason string)
	// Members are all members, this node's first.
	Members() []Member
	// Actors lists the active actors, sorted by identity, and their total before paging.
	Actors(ctx context.Context, q ActorQuery) (page []Actor, total int, err error)
	// Actor asks one actor about itself; kinds NotFound, Invalid, Unavailable.
	Actor(ctx context.Context, identity string) (Actor, error)
	// PushTotals are the pushes sent and those never acknowledged.
	PushTotals() (sent, failed int64)
}

// Server is the HTTP front.
type Server struct {
	cfg      Config
	fast     *fasthttp.Server
	closing  atomic.Bool
	requests *prometheus.CounterVec
}

// Limits of a request; a refusal names the limit.
const (
	maxHeader = 16 << 10
	maxBody   = 1 << 20
)

// New returns a server that is not serving yet.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg}
	s.measure()
	r := router.New()
	r.RedirectTrailingSlash, r.RedirectFixedPath = false, false
	r.HandleMethodNotAllowed = false
	for _, route := range Routes {
		r.Handle(route.Method, "/nacos"+route.Path, s.handler(route))
	}
	r.NotFound = func(ctx *fasthttp.RequestCtx) { s.notFound(&request{ctx, s}) }
	s.fast = &fasthttp.Server{
		Handler:               s.guard(r.Handler),
		ErrorHandler:          protocolError,
		NoDefaultServerHeader: true,
		ReadBufferSize:        maxHeader,
		MaxRequestBodySize:    maxBody,
		ReadTimeout:           5 * time.Second,
		WriteTimeout:          10 * time.Second,
		IdleTimeout:           60 * time.Second,
		Concurrency:           20_000,
		MaxConnsPerIP:         10_000,
		MaxRequestsPerConn:    1_000_000,
		CloseOnShutdown:       true,
		Logger:                quiet{},
	}
	return s
}

// quiet swallows fasthttp's own log: it reports every connection that a client broke off.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

// Serve answers connections of ln until Shutdown.
func (s *Server) Serve(ln net.Listener) error {
	if err := s.fast.Serve(patientListener{ln}); err != nil {
		return fmt.Errorf("serve HTTP on %s: %w", ln.Addr(), err)
	}
	return nil
}

// Shutdown stops accepting and answers what was accepted, until ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	s.closing.Store(true)
	if err := s.fast.ShutdownWithContext(ctx); err != nil {
		return fmt.Errorf("shut down the HTTP front: %w", err)
	}
	return nil
}

// guard is what every request passes: no panic gets out, nothing encoded gets in.
func (s *Server) guard(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		defer func() {
			if p := recover(); p != nil {
				s.cfg.Logger.Error("handler failed", "method", string(ctx.Method()), "path", string(ctx.Path()), "panic", p, "stack", string(debug.Stack()))
				ctx.Response.Reset()
				ctx.SetStatusCode(fasthttp.StatusInternalServerError)
			}
		}()
		ctx.Response.Header.Set("X-Content-Type-Options", "nosniff")
		r := &request{ctx, s}
		if enc := ctx.Request.Header.ContentEncoding(); len(enc) > 0 {
			r.text(fasthttp.StatusUnsupportedMediaType, "request bodies must not be compressed")
			return
		}
		// Nacos takes a trailing slash; from here on there is one form of each path.
		if p := ctx.Path(); len(p) > 1 && p[len(p)-1] == '/' {
			ctx.URI().SetPathBytes(p[:len(p)-1])
		}
		if s.gate(r) {
			next(ctx)
		}
		if s.closing.Load() {
			ctx.SetConnectionClose()
		}
	}
}

// gate is Nacos's traffic filter on the naming API: URLs that an operator limits, and the
// state of the server. It reports whether the request may pass.
func (s *Server) gate(r *request) bool {
	if !strings.HasPrefix(string(r.Path()), "/nacos/v1/ns/") {
		return true
	}
	sw := s.cfg.Settings.Switches()
	if len(sw.LimitedURLMap) > 0 {
		url := string(r.RequestURI())
		for prefix, status := range sw.LimitedURLMap {
			if strings.HasPrefix(url, prefix) {
				r.SetStatusCode(status)
				return false
			}
		}
	}
	status, reason := s.status(sw)
	get := r.IsGet()
	switch {
	case status == "UP", status == "WRITE_ONLY" && !get, status == "READ_ONLY" && get:
		return true
	case strings.HasPrefix(agent(r), "Nacos-Server"):
		return true
	}
	body := "server is " + status + "now, please try again later!"
	if reason != "" {
		body = "server is " + status + "now, detailed error message: Optional[" + reason + "]"
	}
	r.SetStatusCode(fasthttp.StatusServiceUnavailable)
	r.SetBodyString(body)
	return false
}

func (s *Server) status(sw *naming.Switches) (string, string) {
	if o := sw.OverriddenServerStatus; o != nil && *o != "" {
		return *o, ""
	}
	return s.cfg.Node.Status()
}

func agent(r *request) string {
	if ua := r.UserAgent(); len(ua) > 0 {
		return string(ua)
	}
	return string(r.Request.Header.Peek("Client-Version"))
}

func (s *Server) notFound(r *request) {
	path := string(r.Path())
	if strings.HasPrefix(path, "/nacos/v1/ns/") {
		r.refuse(fasthttp.StatusNotImplemented, fmt.Sprintf("no such api:%s:%s", r.Method(), path))
		return
	}
	for _, route := range Routes {
		if "/nacos"+route.Path == strings.TrimSuffix(path, "/") {
			r.refuse(fasthttp.StatusMethodNotAllowed, fmt.Sprintf("Request method '%s' not supported", r.Method()))
			return
		}
	}
	r.refuse(fasthttp.StatusNotFound, "No message available")
}

// protocolError answers what fasthttp could not read as a request. It never repeats what
// came in.
func protocolError(ctx *fasthttp.RequestCtx, err error) {
	status, text := fasthttp.StatusBadRequest, "malformed request"
	var small *fasthttp.ErrSmallBuffer
	var netErr net.Error
	switch {
	case errors.As(err, &small):
		status, text = fasthttp.StatusRequestHeaderFieldsTooLarge, fmt.Sprintf("request line and headers exceed %d bytes", maxHeader)
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		status, text = fasthttp.StatusRequestEntityTooLarge, fmt.Sprintf("request body exceeds %d bytes", maxBody)
	case errors.As(err, &netErr) && netErr.Timeout():
		status, text = fasthttp.StatusRequestTimeout, "the request did not arrive in time"
	}
	ctx.Response.Reset()
	ctx.SetStatusCode(status)
	ctx.SetContentType("text/plain;charset=UTF-8")
	ctx.SetBodyString(text)
	ctx.SetConnectionClose()
}
