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
	cache := sw.DefaultPushCacheMillis
	if pushed := udpPort > 0 && sw.PushEnabled && r.subscribe(key, udpPort, clusters, sw); !pushed && r.s.cfg.By1X() {
		cache = sw.DefaultCacheMillis // 2.0 has one for all
	}
	r.json(wire.AppendList(r.begin(), key, r.s.cfg.Reader.View(key), wire.Query{
		Clusters: clusters, HealthyOnly: healthyOnly, CacheMillis: cache, Now: time.Now(),
	}))
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
	r.json(wire.AppendStatuses(r.begin(), r.s.cfg.Reader.View(key)))
	return nil
}
