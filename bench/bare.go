package bench

import (
	"bytes"
	"fmt"
	"net"
	"time"

	"github.com/valyala/fasthttp"
)

// ServeBare answers every request with size bytes until the listener is closed: the
// ceiling that the server is measured against. Only the handler is bare; the time-outs are
// the server's, without which nobody could run either.
func ServeBare(ln net.Listener, size int) error {
	body := bytes.Repeat([]byte{'x'}, size)
	s := &fasthttp.Server{
		NoDefaultServerHeader: true,
		ReadBufferSize:        16 << 10,
		ReadTimeout:           5 * time.Second,
		WriteTimeout:          10 * time.Second,
		IdleTimeout:           60 * time.Second,
		Handler: func(ctx *fasthttp.RequestCtx) {
			ctx.SetContentType("application/json;charset=UTF-8")
			ctx.Response.SetBodyRaw(body)
		},
	}
	if err := s.Serve(ln); err != nil {
		return fmt.Errorf("bare handler on %s: %w", ln.Addr(), err)
	}
	return nil
}
