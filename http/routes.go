package http

import (
	"strconv"

	"github.com/valyala/fasthttp"
)

// Access says who may use a route once authentication is on.
type Access uint8

// The classes of access.
const (
	Public Access = iota
	ClientRead
	ClientWrite
	Admin
)

// Route is one endpoint, below /nacos.
type Route struct {
	Method, Path string
	Access       Access
	handle       func(*request) error
}

// Routes is everything that the front serves.
var Routes []Route

func init() {
	const get, post, put, patch, del = fasthttp.MethodGet, fasthttp.MethodPost, fasthttp.MethodPut, fasthttp.MethodPatch, fasthttp.MethodDelete
	Routes = []Route{
		{post, "/v1/ns/instance", ClientWrite, (*request).registerInstance},
		{del, "/v1/ns/instance", ClientWrite, (*request).deregisterInstance},
		{put, "/v1/ns/instance", ClientWrite, (*request).updateInstance},
		{patch, "/v1/ns/instance", ClientWrite, (*request).patchInstance},
		{get, "/v1/ns/instance", ClientRead, (*request).instanceDetail},
		{get, "/v1/ns/instance/list", ClientRead, (*request).listInstances},
		{put, "/v1/ns/instance/beat", ClientWrite, (*request).beat},
		{put, "/v1/ns/instance/metadata/batch", ClientWrite, (*request).putMetadata},
		{del, "/v1/ns/instance/metadata/batch", ClientWrite, (*request).deleteMetadata},
		{get, "/v1/ns/instance/statuses", ClientRead, (*request).statuses},

		{post, "/v1/ns/service", ClientWrite, (*request).createService},
		{del, "/v1/ns/service", ClientWrite, (*request).deleteService},
		{put, "/v1/ns/service", ClientWrite, (*request).updateService},
		{get, "/v1/ns/service", ClientRead, (*request).serviceDetail},
		{get, "/v1/ns/service/list", ClientRead, (*request).listServices},

		{get, "/v1/ns/operator/switches", Public, (*request).switches},
		{put, "/v1/ns/operator/switches", Admin, (*request).setSwitch},
		{get, "/v1/ns/operator/metrics", Public, (*request).operatorMetrics},
		{get, "/v1/ns/operator/servers", Public, (*request).servers},
		{get, "/v1/ns/ops/switches", Public, (*request).switches},
		{put, "/v1/ns/ops/switches", Admin, (*request).setSwitch},
		{get, "/v1/ns/ops/metrics", Public, (*request).operatorMetrics},
		{get, "/v1/ns/ops/servers", Public, (*request).servers},

		{get, "/v1/console/namespaces", Public, (*request).namespaces},
		{post, "/v1/console/namespaces", Admin, (*request).createNamespace},
		{put, "/v1/console/namespaces", Admin, (*request).updateNamespace},
		{del, "/v1/console/namespaces", Admin, (*request).deleteNamespace},
		{get, "/v1/console/health/liveness", Public, (*request).liveness},
		{get, "/v1/console/health/readiness", Public, (*request).readiness},
		{get, "/v1/console/server/state", Public, (*request).serverState},

		{get, "/v1/core/cluster/nodes", Public, (*request).nodes},
		{get, "/v1/core/cluster/self", Public, (*request).self},
		{get, "/v1/core/ops/actors", Admin, (*request).actors},
		{get, "/v1/core/ops/actors/detail", Admin, (*request).actorDetail},
		{get, "/actuator/prometheus", Public, (*request).prometheus},
	}
}

// handler adapts a route: its error becomes Nacos's answer, its outcome a count.
func (s *Server) handler(route Route) fasthttp.RequestHandler {
	ok := s.requests.WithLabelValues(route.Method, route.Path, "200")
	return func(ctx *fasthttp.RequestCtx) {
		r := &request{ctx, s}
		if err := route.handle(r); err != nil {
			r.fail(err)
		}
		if code := ctx.Response.StatusCode(); code != fasthttp.StatusOK {
			s.requests.WithLabelValues(route.Method, route.Path, strconv.Itoa(code)).Inc()
			return
		}
		ok.Inc()
	}
}
