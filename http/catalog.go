package http

import (
	"slices"
	"strings"

	"nactor/naming"
	"nactor/naming/wire"
)

// The catalog is what the console shows.

func (r *request) catalogService() error {
	key := r.springKey()
	if r.err != nil {
		return r.err
	}
	v := r.s.cfg.Reader.View(key)
	if v == nil {
		return r.notInCatalog(key)
	}
	r.json(wire.AppendCatalogService(r.begin(), v, r.by1X()))
	return nil
}

func (r *request) catalogInstances() error {
	key := r.springKey()
	cluster := r.spring("clusterName")
	no, size := r.springInt("pageNo"), r.springInt("pageSize")
	if r.err != nil {
		return r.err
	}
	if err := checkName("clusterName", []byte(cluster)); err != nil {
		return err
	}
	v := r.s.cfg.Reader.View(key)
	if v == nil {
		return r.notInCatalog(key)
	}
	by1X := r.by1X()
	if !wire.HasCluster(v, cluster, by1X) {
		return naming.NotFound("cluster %s is not found!", cluster)
	}
	var list []*naming.Instance
	for _, in := range v.Instances {
		if in.Cluster == cluster {
			list = append(list, in)
		}
	}
	r.json(wire.AppendCatalogInstances(r.begin(), key, pageOf(list, no, size), len(list), by1X))
	return nil
}

// notInCatalog is the error for an unknown service; 2.0.3 by the logic of 1.X leaves out its
// group.
func (r *request) notInCatalog(key naming.Key) error {
	if r.by1X() && !r.is142() {
		return naming.Rejected("service not found, namespace: %s, serviceName: %s", key.Namespace, key.Name)
	}
	return naming.NotFound("service %s is not found!", key.Grouped())
}

func (r *request) catalogServices() error {
	ns := r.springOr("namespaceId", naming.DefaultNamespace)
	details := r.springBool("withInstances", false)
	occupied := r.springBool("hasIpCount", false)
	no, size := r.springPrimitive("pageNo"), r.springPrimitive("pageSize")
	match := r.pattern("serviceNameParam", r.springOr("groupNameParam", "")+"*@@*"+r.springOr("serviceNameParam", ""))
	with := ""
	if r.by1X() && !details { // 2.0 passes over it
		with = strings.TrimSpace(r.springOr("instance", ""))
	}
	if r.err != nil {
		return r.err
	}
	var list []*naming.View
	for _, k := range r.s.cfg.Reader.Services(ns) {
		if !match(k.Grouped()) {
			continue
		}
		if v := r.s.cfg.Reader.View(k); v != nil && (!occupied || len(v.Instances) > 0) && (with == "" || hasInstance(v, with)) {
			list = append(list, v)
		}
	}
	page := pageOf(list, no, min(size, maxPageSize))
	if details {
		r.json(wire.AppendCatalogDetails(r.begin(), page, r.by1X()))
	} else {
		r.json(wire.AppendCatalogServices(r.begin(), page, len(list), r.by1X()))
	}
	return nil
}

// hasInstance reports whether a service has an instance at "ip" or "ip:port".
func hasInstance(v *naming.View, at string) bool {
	return slices.ContainsFunc(v.Instances, func(in *naming.Instance) bool {
		return in.IP == at || in.IP+":"+itoa(in.Port) == at
	})
}

// checkTimes tells how long checks take, by cluster: -1, Nacos's word for not known, as
// nobody measures.
func (r *request) checkTimes() error {
	key := r.key()
	if r.err != nil {
		return r.err
	}
	v := r.s.cfg.Reader.View(key)
	if v == nil {
		return r.unknown(key, naming.Invalid("request service doesn't exist"))
	}
	b := append(r.begin(), `{"clusters":[`...)
	for i, name := range v.Clusters() {
		if i > 0 {
			b = append(b, ',')
		}
		b = wire.AppendString(append(b, `{"name":`...), name)
		b = append(b, `,"checkRTBest":-1,"checkRTWorst":-1,"checkRTNormalized":-1}`...)
	}
	r.json(append(b, `]}`...))
	return nil
}

// springPrimitive returns a number that Nacos declares as optional and yet cannot do
// without.
func (r *request) springPrimitive(param string) int {
	if len(r.raw(param)) == 0 {
		r.fault(naming.Rejected("Optional int parameter '%s' is present but cannot be translated into a null value due to being declared as a primitive type. Consider declaring it as object wrapper for the corresponding primitive type.", param))
		return 0
	}
	return r.springInt(param)
}
