package http

import (
	"bytes"
	"runtime/debug"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"nactor/naming"
)

// maxParams is Tomcat's limit divided by ten; the busiest endpoint takes fourteen.
const maxParams = 1000

// handler returns what serves a route: everything that is the same for all of them.
func (s *Server) handler(rt route) fasthttp.RequestHandler {
	ok := s.metrics.requests.WithLabelValues(rt.method, rt.path, "200")
	// What an upgrade waits for is asked while a node does not serve yet, above all.
	gated := inNaming(contextPath+rt.path) && (rt.access != public || !strings.HasPrefix(rt.path, "/v1/ns/upgrade/"))
	return func(ctx *fasthttp.RequestCtx) {
		r := s.newRequest(ctx)
		defer r.finish(&rt, ok)
		ctx.Response.Header.SetCanonical(nosniffName, nosniff)
		if !r.wellFormed() {
			return
		}
		if (gated || rt.method == "" && inNaming(string(r.URI().PathOriginal()))) && !r.gate() {
			return
		}
		err := r.parse()
		if err == nil {
			err = rt.handle(r)
		}
		if err != nil {
			r.fail(err)
		}
	}
}

var nosniffName, nosniff = []byte("X-Content-Type-Options"), []byte("nosniff")

// finish ends a request, also one whose handler panicked.
func (r *request) finish(rt *route, ok prometheus.Counter) {
	if p := recover(); p != nil {
		r.s.cfg.Logger.Error("handler panicked", "method", rt.method, "path", rt.path, "panic", p, "stack", string(debug.Stack()))
		r.Response.Reset()
		r.Response.Header.SetCanonical(nosniffName, nosniff)
		r.SetContentType(plainText)
		r.SetStatusCode(fasthttp.StatusInternalServerError)
	}
	if code := r.Response.StatusCode(); code == fasthttp.StatusOK {
		ok.Inc()
	} else {
		r.s.metrics.requests.WithLabelValues(rt.method, rt.path, itoa(code)).Inc()
	}
	r.release()
}

// wellFormed refuses what fasthttp lets through and another server might read otherwise.
func (r *request) wellFormed() bool {
	h := &r.Request.Header
	folded, contradictory := framing(h.RawHeaders())
	switch {
	case !h.IsHTTP11() && string(h.Protocol()) != "HTTP/1.0":
		r.reject(fasthttp.StatusHTTPVersionNotSupported, "HTTP version not supported")
	case contradictory:
		r.reject(fasthttp.StatusBadRequest, "Transfer-Encoding and Content-Length in one request")
	case folded:
		r.reject(fasthttp.StatusBadRequest, "folded header")
	case len(h.RequestURI()) > 0 && h.RequestURI()[0] != '/' && !bytes.EqualFold(r.URI().Host(), h.Host()):
		r.reject(fasthttp.StatusBadRequest, "the request target names another host")
	case len(h.ContentEncoding()) > 0:
		r.reject(fasthttp.StatusUnsupportedMediaType, "request bodies must not be compressed")
	case r.method() == "":
		r.reject(fasthttp.StatusMethodNotAllowed, "unknown method")
		r.Response.Header.Set(fasthttp.HeaderAllow, "GET, HEAD, POST, PUT, PATCH, DELETE")
	default:
		return true
	}
	return false
}

// method returns the method if HTTP knows it.
func (r *request) method() string {
	switch m := string(r.Method()); m {
	case fasthttp.MethodGet, fasthttp.MethodPut, fasthttp.MethodPost, fasthttp.MethodDelete, fasthttp.MethodPatch, fasthttp.MethodHead,
		fasthttp.MethodOptions, fasthttp.MethodConnect, fasthttp.MethodTrace:
		return m
	}
	return ""
}

// framing looks for what two servers may read in two ways: a header that goes on in the
// next line, and two statements of the body's length.
func framing(headers []byte) (folded, contradictory bool) {
	var length, encoding bool
	for len(headers) > 0 {
		switch headers[0] {
		case ' ', '\t':
			folded = true
		case 'c', 'C':
			length = length || hasPrefixFold(headers, "Content-Length:")
		case 't', 'T':
			encoding = encoding || hasPrefixFold(headers, "Transfer-Encoding:")
		}
		n := bytes.IndexByte(headers, '\n')
		if n < 0 {
			break
		}
		headers = headers[n+1:]
	}
	return folded, length && encoding
}

// reject answers a request whose form is wrong and ends the connection.
func (r *request) reject(status int, text string) {
	r.SetStatusCode(status)
	r.SetContentType(plainText)
	r.SetBodyString(text)
	r.SetConnectionClose()
}

// parse reads the parameters in the body, once.
func (r *request) parse() error {
	if bytes.Count(r.URI().QueryString(), []byte("&")) >= maxParams {
		return naming.Invalid("more than %d parameters", maxParams)
	}
	if r.IsGet() || r.IsHead() {
		return nil
	}
	ct := r.Request.Header.ContentType()
	switch {
	case hasPrefixFold(ct, "application/x-www-form-urlencoded"):
		body := r.Request.Body()
		if len(body) == 0 {
			return nil
		}
		if bytes.Count(body, []byte("&")) >= maxParams {
			return naming.Invalid("more than %d parameters", maxParams)
		}
		r.form = fasthttp.AcquireArgs()
		r.form.ParseBytes(body)
	case hasPrefixFold(ct, "multipart/form-data"):
		form, err := r.Request.MultipartFormWithLimit(r.s.cfg.Limits.Body)
		if err != nil {
			return naming.Invalid("malformed multipart form")
		}
		defer r.Request.RemoveMultipartFormFiles()
		r.form = fasthttp.AcquireArgs()
		for name, values := range form.Value {
			r.form.Set(name, values[0])
		}
	}
	return nil
}

func hasPrefixFold(b []byte, prefix string) bool {
	if len(b) < len(prefix) {
		return false
	}
	b = b[:len(prefix)]
	return string(b) == prefix || strings.EqualFold(string(b), prefix)
}

// inNaming reports whether a path is in the naming API, which has rules of its own.
func inNaming(path string) bool {
	rest, ok := strings.CutPrefix(path, contextPath+"/v1/ns")
	return ok && (rest == "" || rest[0] == '/')
}

func trimSlash(path string) string { return strings.TrimSuffix(path, "/") }
