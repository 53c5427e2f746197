package http

import (
	"bytes"
	"errors"
	"html"
	"strings"
	"time"
	"unicode"

	"github.com/valyala/fasthttp"

	"nactor/naming"
	"nactor/naming/wire"
)

// fail answers an error that a handler returned. This is the one place where kinds become
// status codes: a packaged Nacos answers 400 to illegal arguments and 500 to all else that
// its handlers throw, the message between "caused: " and ";". A message may hold a chain
// of causes, joined as Nacos does.
func (r *request) fail(err error) {
	status := fasthttp.StatusInternalServerError
	body := "caused: " + err.Error() + ";"
	switch naming.KindOf(err) {
	case naming.KindInvalid:
		status = fasthttp.StatusBadRequest
	case naming.KindUnavailable:
		// Not Nacos's: it would keep the client waiting. Clients try another server.
		status, body = fasthttp.StatusServiceUnavailable, err.Error()
	case naming.KindInternal:
		var known *naming.Error
		if !errors.As(err, &known) {
			r.s.cfg.Logger.Error("request failed", "method", string(r.Method()), "path", cut(string(r.Path())), "error", err)
		}
	}
	r.Response.ResetBody()
	r.SetStatusCode(status)
	// Never HTML: the message may repeat what the client sent.
	r.SetContentType(plainText)
	r.SetBodyString(printable(body))
}

// printable replaces what is no text in what a client sent: broken UTF-8 and control characters.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return '?'
		}
		return c
	}, strings.ToValidUTF8(s, "?"))
}

// refuse answers as Spring Boot does when a request finds no handler: a page for those who
// prefer HTML, among them the JDK's client, else JSON.
func (r *request) refuse(status int, message string) {
	path := cut(string(r.URI().PathOriginal()))
	reason := fasthttp.StatusMessage(status)
	r.Response.ResetBody()
	r.SetStatusCode(status)
	now := time.Now()
	if r.prefersHTML() {
		r.SetContentType(htmlText)
		r.SetBodyString("<html><body><h1>Whitelabel Error Page</h1><p>This application has no explicit mapping for /error, so you are seeing this as a fallback.</p>" +
			"<div id='created'>" + now.Format(time.UnixDate) + "</div>" +
			"<div>There was an unexpected error (type=" + reason + ", status=" + itoa(status) + ").</div><div>" + html.EscapeString(message) + "</div></body></html>")
		return
	}
	b := append(r.begin(), `{"timestamp":"`...)
	b = now.AppendFormat(b, "2006-01-02T15:04:05.000-07:00")
	b = append(b, `","status":`+itoa(status)+`,"error":`...)
	b = wire.AppendString(b, reason)
	b = wire.AppendString(append(b, `,"message":`...), message)
	b = wire.AppendString(append(b, `,"path":`...), path)
	r.json(append(b, '}'))
}

// prefersHTML reports whether the client asks for HTML first.
func (r *request) prefersHTML() bool {
	return bytes.HasPrefix(r.Request.Header.Peek(fasthttp.HeaderAccept), []byte("text/html"))
}

// notFound answers what no route takes.
func (s *Server) notFound(r *request) {
	path := string(r.URI().PathOriginal())
	method := string(r.Method())
	if betweenServers(path) {
		r.refuse(fasthttp.StatusNotImplemented, trafficOfNacos)
		return
	}
	if inNaming(path) {
		r.refuse(fasthttp.StatusNotImplemented, "no such api:"+method+":"+cut(path))
		return
	}
	if allow := s.methods[trimSlash(path)]; allow != "" {
		if method == fasthttp.MethodOptions { // Spring's answer; the route check of the naming API has none
			r.Response.Header.Set(fasthttp.HeaderAllow, strings.ReplaceAll(allow, "GET", "GET, HEAD")+", OPTIONS")
			return
		}
		r.Response.Header.Set(fasthttp.HeaderAllow, allow)
		r.refuse(fasthttp.StatusMethodNotAllowed, "Request method '"+method+"' not supported")
		return
	}
	r.refuse(fasthttp.StatusNotFound, "No message available")
}

// cut shortens what a client sent before an answer or a log repeats it.
func cut(s string) string {
	if len(s) <= maxEcho {
		return s
	}
	return s[:maxEcho] + "…"
}
