package http

import (
	"strings"
	"time"

	"nactor/naming"
	"nactor/naming/wire"
)

func (r *request) listInstances() error {
	key := r.key()
	clusters := r.name("clusters", "")
	udpPort := r.intOr("udpPort", 0)
	healthyOnly := parseStrict(r.optional("healthyOnly"))
	if r.err != nil {
		return r.err
	}
	sw := r.s.cfg.Settings.Switches()
	by1X := r.by1X()
	cache := sw.DefaultPushCacheMillis
	if pushed := udpPort > 0 && sw.PushEnabled && r.subscribe(key, udpPort, clusters, sw); !pushed && by1X {
		cache = sw.DefaultCacheMillis // 2.0 has one for all
	}
	v, q := r.s.cfg.Reader.View(key), wire.Query{Clusters: clusters, HealthyOnly: healthyOnly, CacheMillis: cache, Now: time.Now()}
	switch {
	case r.is142():
		return r.list142(key, v, q)
	case by1X:
		r.json(wire.AppendListBy1X(r.begin(), key, v, q))
	default:
		r.json(wire.AppendList(r.begin(), key, v, q))
	}
	return nil
}

func (r *request) instanceStatuses() error {
	s := r.spring("key")
	if r.err != nil {
		return r.err
	}
	ns, name, ok := strings.Cut(s, "##")
	if !ok {
		ns, name = "", s
	}
	if err := checkName("key", []byte(s)); err != nil {
		return err
	}
	if !strings.Contains(name, "@@") {
		return naming.Invalid("Param 'serviceName' is illegal, it should be format as 'groupName@@serviceName'")
	}
	key, err := naming.NewKey(ns, "", name)
	if err != nil {
		return err
	}
	v := r.s.cfg.Reader.View(key)
	if v == nil && r.by1X() {
		return r.unknown(key, naming.NotFound("service: %s not found.", key.Grouped()))
	}
	r.json(wire.AppendStatuses(r.begin(), v))
	return nil
}
