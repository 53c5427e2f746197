package http

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"time"

	"github.com/valyala/fasthttp"

	"nactor/naming"
	"nactor/naming/wire"
)

// fail answers an error. This is the only place that turns kinds into status codes:
// Nacos's packaged server answers 400 to illegal arguments and 500 to everything else that
// a handler throws, with a chain of causes as text.
func (r *request) fail(err error) {
	status := fasthttp.StatusInternalServerError
	switch naming.KindOf(err) {
	case naming.KindInvalid:
		status = fasthttp.StatusBadRequest
	case naming.KindUnavailable:
		status = fasthttp.StatusServiceUnavailable
	}
	var ne *naming.Error
	if !errors.As(err, &ne) {
		r.s.cfg.Logger.Error("request failed", "method", string(r.Method()), "path", string(r.Path()), "err", err)
	}
	r.text(status, fmt.Sprintf("caused: %s;", err))
}

// text answers plain text, or what browsers and Java's HTTP client take for it.
func (r *request) text(status int, body string) {
	r.SetStatusCode(status)
	if prefersHTML(r.Request.Header.Peek("Accept")) && status == fasthttp.StatusOK {
		r.SetContentType("text/html;charset=UTF-8")
	} else {
		r.SetContentType("text/plain;charset=UTF-8")
	}
	r.SetBodyString(body)
}

func (r *request) json(body []byte) {
	r.SetContentType("application/json;charset=UTF-8")
	r.Response.SetBodyRaw(body)
}

func prefersHTML(accept []byte) bool { return bytes.HasPrefix(accept, []byte("text/html")) }

// refuse answers as Spring Boot's error page does when a filter refuses a request: JSON,
// or HTML for those who prefer it.
func (r *request) refuse(status int, message string) {
	r.SetStatusCode(status)
	path := string(r.Path())
	if prefersHTML(r.Request.Header.Peek("Accept")) {
		r.SetContentType("text/html;charset=UTF-8")
		r.SetBodyString("<html><body><h1>Whitelabel Error Page</h1><p>This application has no explicit mapping for /error, so you are seeing this as a fallback.</p>" +
			fmt.Sprintf("<div>There was an unexpected error (type=%s, status=%d).</div><div>%s</div></body></html>",
				fasthttp.StatusMessage(status), status, html.EscapeString(message)))
		return
	}
	b := fmt.Appendf(nil, `{"timestamp":"%s","status":%d,"error":"%s","message":`, time.Now().Format("2006-01-02T15:04:05.000-07:00"), status, fasthttp.StatusMessage(status))
	b = wire.AppendString(b, message)
	b = append(b, `,"path":`...)
	b = wire.AppendString(b, path)
	r.json(append(b, '}'))
}
