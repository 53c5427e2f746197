package http

import "github.com/valyala/fasthttp"

// access says who may use a route. Nobody is turned away yet.
type access uint8

const (
	public      access = iota // everyone, always
	clientRead                // clients of the naming API: reads
	clientWrite               // and writes
	admin                     // operators
)

func (a access) String() string {
	return [...]string{"public", "client-read", "client-write", "admin"}[a]
}

// route is one method of one path below the context path. Each path is also served with a
// slash at its end.
type route struct {
	method, path string
	access       access
	handle       func(*request) error
}

// routes returns everything that is served.
func routes() []route {
	const (
		get, post, put   = fasthttp.MethodGet, fasthttp.MethodPost, fasthttp.MethodPut
		patch, deleteAny = fasthttp.MethodPatch, fasthttp.MethodDelete
	)
	list := []route{
		{post, "/v1/ns/instance", clientWrite, (*request).registerInstance},
		{deleteAny, "/v1/ns/instance", clientWrite, (*request).deregisterInstance},
		{put, "/v1/ns/instance", clientWrite, (*request).updateInstance},
		{patch, "/v1/ns/instance", clientWrite, (*request).patchInstance},
		{get, "/v1/ns/instance", clientRead, (*request).showInstance},
		{get, "/v1/ns/instance/list", clientRead, (*request).listInstances},
		{put, "/v1/ns/instance/beat", clientWrite, (*request).beat},
		{put, "/v1/ns/instance/metadata/batch", clientWrite, (*request).putMetadata},
		{deleteAny, "/v1/ns/instance/metadata/batch", clientWrite, (*request).removeMetadata},
		{get, "/v1/ns/instance/statuses", clientRead, (*request).instanceStatuses},

		{post, "/v1/ns/service", clientWrite, (*request).createService},
		{deleteAny, "/v1/ns/service", clientWrite, (*request).removeService},
		{put, "/v1/ns/service", clientWrite, (*request).updateService},
		{get, "/v1/ns/service", clientRead, (*request).showService},
		{get, "/v1/ns/service/list", clientRead, (*request).listServices},
		{get, "/v1/ns/service/names", clientRead, (*request).serviceNames},
		{get, "/v1/ns/service/subscribers", clientRead, (*request).listSubscribers},

		{get, "/v1/ns/catalog/service", clientRead, (*request).catalogService},
		{get, "/v1/ns/catalog/services", clientRead, (*request).catalogServices},
		{get, "/v1/ns/catalog/instances", clientRead, (*request).catalogInstances},
		{get, "/v1/ns/catalog/rt/service", clientRead, (*request).checkTimes},

		{put, "/v1/ns/cluster", clientWrite, (*request).updateCluster},
		{put, "/v1/ns/health", clientWrite, (*request).setHealth},
		{put, "/v1/ns/health/instance", clientWrite, (*request).setHealth},
		{get, "/v1/ns/health/server", public, (*request).healthServer},
		{get, "/v1/ns/health/checkers", public, (*request).healthCheckers},
	}
	for _, operator := range []string{"/v1/ns/operator", "/v1/ns/ops"} {
		list = append(list,
			route{get, operator + "/switches", clientRead, (*request).showSwitches},
			route{put, operator + "/switches", admin, (*request).setSwitch},
			route{get, operator + "/metrics", public, (*request).operatorMetrics},
			route{get, operator + "/servers", public, (*request).operatorServers},
			route{get, operator + "/cluster/state", clientRead, (*request).clusterState},
			route{get, operator + "/push/state", clientRead, (*request).pushState},
			route{get, operator + "/distro/server", clientRead, (*request).responsibleForService},
			route{get, operator + "/distro/client", clientRead, from2((*request).responsibleForClient)},
			route{get, operator + "/distro/status", clientRead, only142((*request).distroStatus)},
			route{put, operator + "/log", admin, (*request).setLogLevel},
		)
	}
	list = append(list,
		route{get, "/v1/ns/upgrade/ops/metrics", public, (*request).upgradeMetrics},
		route{get, "/v1/ns/upgrade/ops/explain", public, (*request).explainUpgrade},
	)
	list = append(append(list, upgradeOps()...), foreign()...)
	return append(list,
		route{get, "/v1/console/namespaces", clientRead, (*request).listNamespaces},
		route{post, "/v1/console/namespaces", admin, (*request).createNamespace},
		route{put, "/v1/console/namespaces", admin, (*request).updateNamespace},
		route{deleteAny, "/v1/console/namespaces", admin, (*request).removeNamespace},
		route{get, "/v1/console/health/liveness", public, (*request).liveness},
		route{get, "/v1/console/health/readiness", public, (*request).readiness},
		route{get, "/v1/console/server/state", public, (*request).serverState},

		route{get, "/v1/core/cluster/nodes", clientRead, (*request).clusterNodes},
		route{get, "/v1/core/cluster/simple/nodes", clientRead, (*request).clusterSimpleNodes},
		route{get, "/v1/core/cluster/self", clientRead, (*request).clusterSelf},
		route{get, "/v1/core/cluster/health", public, (*request).clusterHealth},
		route{post, "/v1/core/cluster/server/leave", admin, (*request).removeMembers},
		route{get, "/v1/core/ops/idInfo", admin, (*request).idInfo},
		route{put, "/v1/core/ops/log", admin, (*request).setCoreLogLevel},
		route{get, "/v1/core/ops/actors", admin, (*request).listActors},
		route{get, "/v1/core/ops/actors/detail", admin, (*request).actorDetail},

		route{get, "/v2/core/loader/current", admin, (*request).listClients},
		route{get, "/v2/core/loader/cluster", admin, (*request).clusterLoad},
		route{get, "/v2/core/loader/reloadCurrent", admin, (*request).reloadClients},
		route{get, "/v2/core/loader/reloadClient", admin, (*request).reloadClient},
		route{get, "/v2/core/loader/smartReloadCluster", admin, (*request).spreadClients},

		route{get, "/v1/openapi.yaml", public, (*request).openAPI},
		route{get, "/actuator/prometheus", public, (*request).prometheus},
	)
}
