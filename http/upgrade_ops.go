package http

import (
	"context"
	"time"

	"github.com/valyala/fasthttp"

	"nactor/naming"
	"nactor/naming/wire"
)

// The operations of upgrade/ops are those of the service and instance endpoints on the
// structure that the request names, so that an operator can compare the two and repair one.

// upgradeOps returns the routes that take ver=v1 or v2.
func upgradeOps() []route {
	const ops = "/v1/ns/upgrade/ops"
	list := []route{
		{fasthttp.MethodPost, ops + "/service", clientWrite, (*request).createService},
		{fasthttp.MethodDelete, ops + "/service", clientWrite, (*request).removeService},
		{fasthttp.MethodPut, ops + "/service", clientWrite, (*request).updateService},
		{fasthttp.MethodGet, ops + "/service", clientRead, (*request).showService},
		{fasthttp.MethodGet, ops + "/service/list", clientRead, (*request).listServices},
		{fasthttp.MethodGet, ops + "/service/names", clientRead, (*request).serviceNames},
		{fasthttp.MethodPost, ops + "/instance", clientWrite, (*request).registerInstance},
		{fasthttp.MethodDelete, ops + "/instance", clientWrite, (*request).deregisterInstance},
		{fasthttp.MethodPut, ops + "/instance", clientWrite, (*request).updateInstance},
		{fasthttp.MethodGet, ops + "/instance", clientRead, (*request).showInstance},
		{fasthttp.MethodGet, ops + "/instance/list", clientRead, (*request).listInstancesIn},
	}
	for i := range list {
		list[i].handle = inStructure(list[i].handle)
	}
	return list
}

// inStructure has a handler work on the structure that the request names by ver: v2, which
// is what it means without, or v1, which is what Nacos takes all else for.
func inStructure(handle func(*request) error) func(*request) error {
	return func(r *request) error {
		r.structure = naming.V1
		if r.springOr("ver", "v2") == "v2" {
			r.structure = naming.V2
		}
		return handle(r)
	}
}

// view returns what readers are shown of a service, or the structure that the request names
// holds of it; nil for nothing.
func (r *request) view(key naming.Key) (*naming.View, error) {
	if r.structure == 0 {
		return r.s.cfg.Reader.View(key), nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), inspectTimeout)
	defer cancel()
	return r.s.cfg.Structures.ViewIn(ctx, key, r.structure)
}

// detail is view for what Nacos refuses to describe when its 1.x structure does not have it.
// in142 is what 1.4.2 says then.
func (r *request) detail(key naming.Key, in142 error) (*naming.View, error) {
	v, err := r.view(key)
	if err == nil && v == nil && r.by1X() {
		err = r.unknown(key, in142)
	}
	return v, err
}

// services returns the services of a namespace, of all for "", that readers are shown or the
// structure has that the request names. Sorted.
func (r *request) services(ns string) ([]naming.Key, error) {
	if r.structure != 0 {
		ctx, cancel := context.WithTimeout(context.Background(), inspectTimeout)
		defer cancel()
		return r.s.cfg.Structures.ServicesIn(ctx, ns, r.structure)
	}
	if ns != "" {
		return r.s.cfg.Reader.Services(ns), nil
	}
	var all []naming.Key
	for _, ns := range r.s.cfg.Reader.Namespaces() {
		all = append(all, r.s.cfg.Reader.Services(ns)...)
	}
	return all, nil
}

// searched returns a service's name as a search for names shows it: the 1.x structure has
// no groups to Nacos there.
func (r *request) searched(k naming.Key) string {
	if r.by1X() {
		return k.Name
	}
	return k.Grouped()
}

// listInstancesIn lists the instances of a structure. Nobody subscribes by it.
func (r *request) listInstancesIn() error {
	key := r.key()
	clusters := r.name("clusters", "")
	r.intOr("udpPort", 0)
	healthyOnly := parseStrict(r.optional("healthyOnly"))
	if r.err != nil {
		return r.err
	}
	v, err := r.view(key)
	if err != nil {
		return err
	}
	sw := r.s.cfg.Settings.Switches()
	cache := sw.DefaultPushCacheMillis
	if r.structure == naming.V1 {
		cache = sw.DefaultCacheMillis
	}
	r.json(wire.AppendListOfOps(r.begin(), key, v, wire.Query{
		Clusters: clusters, HealthyOnly: healthyOnly, CacheMillis: cache, Now: time.Now(),
	}))
	return nil
}
