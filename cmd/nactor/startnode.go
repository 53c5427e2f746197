package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"

	"nactor/cmd/nactor/config"
	"nactor/cmd/nactor/logging"
)

// startNode is a stand-in until cmd/nactor/node is there: it only says that it is ready.
func startNode(_ context.Context, cfg *config.Config, _ *logging.Logs) (runner, error) {
	ln, err := net.Listen("tcp", net.JoinHostPort(cfg.BindAddress, strconv.Itoa(cfg.Port)))
	if err != nil {
		return nil, err
	}
	s := &standIn{ln: ln, done: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /nacos/v1/console/health/readiness", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "OK")
	})
	s.server.Handler = mux
	go s.server.Serve(ln)
	return s, nil
}

type standIn struct {
	ln     net.Listener
	server http.Server
	done   chan struct{}
}

func (s *standIn) Stop(ctx context.Context) error { return s.server.Shutdown(ctx) }
func (s *standIn) Done() <-chan struct{}          { return s.done }
func (s *standIn) Err() error                     { return errors.New("stand-in") }
func (s *standIn) Addr() string                   { return s.ln.Addr().String() }
