package bench

import (
	"bytes"
	"fmt"
	"net"

	"github.com/valyala/fasthttp"
)

// ServeBare answers every request with size bytes until the listener is closed: the
// ceiling that the server is measured against.
func ServeBare(ln net.Listener, size int) error {
	body := bytes.Repeat([]byte{'x'}, size)
	s := &fasthttp.Server{
		NoDefaultServerHeader: true,
		ReadBufferSize:        16 << 10,
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
