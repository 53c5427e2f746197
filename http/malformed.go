package http

import (
	"errors"
	"io"
	"net"
	"time"

	"github.com/valyala/fasthttp"
)

// malformed answers what could not be read as a request. It never repeats what came: the
// text of fasthttp's errors does.
func (s *Server) malformed(ctx *fasthttp.RequestCtx, err error) {
	status, text := fasthttp.StatusBadRequest, "malformed request"
	var small *fasthttp.ErrSmallBuffer
	var timed interface{ Timeout() bool }
	switch {
	case errors.As(err, &small):
		status, text = fasthttp.StatusRequestHeaderFieldsTooLarge, "request line and headers are larger than "+itoa(s.cfg.Limits.Header)+" bytes"
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		status, text = fasthttp.StatusRequestEntityTooLarge, s.tooLarge()
		drain(ctx.Conn())
	case errors.As(err, &timed) && timed.Timeout():
		status, text = fasthttp.StatusRequestTimeout, "the request did not arrive in time"
	}
	ctx.Response.Reset()
	ctx.Response.Header.SetCanonical(nosniffName, nosniff)
	ctx.SetContentType(plainText)
	ctx.SetStatusCode(status)
	ctx.SetBodyString(text)
	ctx.SetConnectionClose()
	s.metrics.requests.WithLabelValues("", "malformed", itoa(status)).Inc()
}

func (s *Server) tooLarge() string {
	return "request body is larger than " + itoa(s.cfg.Limits.Body) + " bytes"
}

// drain takes in what a client is still sending, for a second at most: one that is busy
// with sending when the connection ends never sees the answer.
func drain(c net.Conn) {
	if c == nil || c.SetReadDeadline(time.Now().Add(time.Second)) != nil {
		return
	}
	io.CopyN(io.Discard, c, 16<<20)
}

// expect decides on a request that asks before it sends its body.
func (s *Server) expect(ctx *fasthttp.RequestCtx) int {
	if ctx.Request.Header.ContentLength() > s.cfg.Limits.Body {
		return fasthttp.StatusRequestEntityTooLarge
	}
	return fasthttp.StatusContinue
}
