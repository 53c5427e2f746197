package http

import (
	"bytes"
	"strings"

	"github.com/valyala/fasthttp"
)

// gate is Nacos's traffic filter on the naming API: URLs that an operator closed, then the
// state of the server. It reports whether the request may pass.
func (r *request) gate() bool {
	sw := r.s.cfg.Settings.Switches()
	if len(sw.LimitedURLMap) > 0 {
		target := string(r.URI().PathOriginal()) + "?null"
		if q := r.URI().QueryString(); len(q) > 0 {
			target = string(r.Request.Header.RequestURI())
		}
		longest := ""
		for prefix := range sw.LimitedURLMap {
			if len(prefix) > len(longest) && strings.HasPrefix(target, prefix) {
				longest = prefix // Nacos takes any
			}
		}
		if longest != "" {
			r.SetStatusCode(sw.LimitedURLMap[longest])
			return false
		}
	}
	st := r.s.status()
	if st.State == "UP" {
		return true
	}
	get := r.IsGet()
	switch {
	case bytes.HasPrefix(r.agent(), []byte("Nacos-Server")):
		return true // how an operator lifts an override
	case st.State == "WRITE_ONLY" && !get, st.State == "READ_ONLY" && get:
		return true
	}
	text := "server is " + st.State + "now, please try again later!"
	if st.Reason != "" {
		text = "server is " + st.State + "now, detailed error message: Optional[" + st.Reason + "]"
	}
	r.SetStatusCode(fasthttp.StatusServiceUnavailable)
	r.SetContentType("") // Nacos sends none
	r.SetBodyString(text)
	return false
}

// status is the state of the server: the operator's word if there is one.
func (s *Server) status() Status {
	if o := s.cfg.Settings.Switches().OverriddenServerStatus; o != nil && strings.TrimSpace(*o) != "" {
		return Status{State: *o}
	}
	return s.cfg.Members.Status()
}
