package http

import (
	"strconv"
	"sync"

	"github.com/valyala/fasthttp"

	"nactor/naming"
)

const (
	plainText = "text/plain;charset=UTF-8"
	htmlText  = "text/html;charset=UTF-8"
	jsonText  = "application/json;charset=UTF-8"
)

// request is one request: its parameters in Nacos's reading, and the forms of answer. It
// is used again for another request once the handler has returned.
type request struct {
	*fasthttp.RequestCtx
	s    *Server
	form *fasthttp.Args // parameters in the body; nil: none

	// structure is the one that the request names; 0: it means whichever serves.
	structure naming.Structure

	// err is the first thing wrong with a parameter. Reading goes on after it and returns
	// zero values, so that handlers check once, before they act.
	err error
}

var requests = sync.Pool{New: func() any { return &request{} }}

func (s *Server) newRequest(ctx *fasthttp.RequestCtx) *request {
	r := requests.Get().(*request)
	r.RequestCtx, r.s = ctx, s
	return r
}

func (r *request) release() {
	if r.form != nil && len(r.Request.Body()) <= keepBody {
		fasthttp.ReleaseArgs(r.form)
	}
	*r = request{}
	requests.Put(r)
}

// keepBody is the size of an answer up to which a connection keeps the buffer for the next.
const keepBody = 64 << 10

// begin returns an empty buffer to render an answer into; json sends it.
func (r *request) begin() []byte { return r.Response.SwapBody(nil)[:0] }

// json answers 200 (unless another status is set) with the JSON in b.
func (r *request) json(b []byte) {
	r.Response.Header.SetContentType(jsonText)
	if cap(b) > keepBody {
		r.Response.SetBodyRaw(b)
		return
	}
	r.Response.SwapBody(b)
}

// text answers one of our own texts, such as "ok", typed as the client prefers.
func (r *request) text(s string) {
	if r.prefersHTML() {
		r.SetContentType(htmlText)
	} else {
		r.SetContentType(plainText)
	}
	r.SetBodyString(s)
}

// agent returns what kind of client this is. Valid while the request is.
func (r *request) agent() []byte {
	if a := r.UserAgent(); len(a) > 0 {
		return a
	}
	return r.Request.Header.Peek("Client-Version")
}

func itoa(n int) string { return strconv.Itoa(n) }
