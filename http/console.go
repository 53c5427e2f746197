package http

import (
	"github.com/valyala/fasthttp"

	"nactor/naming/wire"
)

func (r *request) liveness() error {
	r.text("OK")
	return nil
}

// readiness says whether clients may be sent here: once the gate lets them in.
func (r *request) readiness() error {
	if st := r.s.status(); st.State != "UP" {
		r.SetStatusCode(fasthttp.StatusServiceUnavailable) // Nacos answers 500, which reads as a fault
		text := "Naming is not in readiness"
		if st.Reason != "" {
			text += ": " + st.Reason
		}
		r.text(text)
		return nil
	}
	r.text("OK")
	return nil
}

// openAPI answers the description of the API.
func (r *request) openAPI() error {
	if r.s.cfg.OpenAPI == nil {
		r.refuse(fasthttp.StatusNotFound, "No message available")
		return nil
	}
	r.SetContentType("application/yaml")
	r.Response.SetBodyRaw(r.s.cfg.OpenAPI)
	return nil
}

func (r *request) serverState() error {
	mode := "cluster"
	if r.s.cfg.Standalone {
		mode = "standalone"
	}
	b := wire.AppendString(append(r.begin(), `{"version":`...), r.s.cfg.Version)
	r.json(append(b, `,"standalone_mode":"`+mode+`","function_mode":"naming"}`...))
	return nil
}
