package v1

import (
	"slices"
	"strings"

	"nactor/naming"
)

func (t *step) createService(c naming.CreateService) {
	if t.born {
		t.Err = naming.Invalid("specified service already exists, serviceName : %s", t.key.Grouped())
		return
	}
	if t.Err = t.admitName(); t.Err != nil {
		return
	}
	t.born = true
	t.setMeta(c.Meta)
}

func (t *step) updateService(c naming.UpdateService) {
	if !t.born {
		t.Err = naming.Rejected("service %s not found!", t.key.Grouped())
		return
	}
	meta := c.Meta
	meta.Clusters = nil
	if t.meta != nil {
		meta.Clusters = t.meta.Clusters
	}
	t.setMeta(meta)
}

func (t *step) updateCluster(c naming.UpdateCluster) {
	if !t.born {
		t.Err = naming.Rejected("service not found:%s", t.key.Grouped())
		return
	}
	if t.Err = t.admit(c.Cluster.Name); t.Err != nil {
		return
	}
	var meta naming.ServiceMeta
	if t.meta != nil {
		meta = *t.meta
	}
	meta.Clusters = slices.Clone(meta.Clusters)
	i, found := slices.BinarySearchFunc(meta.Clusters, c.Cluster.Name, func(m naming.ClusterMeta, name string) int {
		return strings.Compare(m.Name, name)
	})
	if found {
		meta.Clusters[i] = c.Cluster
	} else {
		meta.Clusters = slices.Insert(meta.Clusters, i, c.Cluster)
	}
	t.setMeta(meta)
}

func (t *step) setMeta(meta naming.ServiceMeta) {
	t.meta = explicit(&meta)
	if len(t.clusters) > 0 {
		t.wake(t.now) // it may say whether beats are judged
	}
	t.record(naming.Record{Kind: naming.RecordService, Service: t.meta})
	t.changed(naming.ServiceMetadataChanged, nil)
}

// explicit marks metadata as an operator's; see [Implied].
func explicit(meta *naming.ServiceMeta) *naming.ServiceMeta {
	if meta.Selector.Type != "" {
		return meta
	}
	m := *meta
	m.Selector.Type = "none"
	return &m
}

// removeService deletes a service with all its instances, as Nacos 1.4.2 does
// (ServiceManager.onDelete). Those that live come back with their next heartbeat.
func (t *step) removeService() {
	if !t.born {
		t.Err = naming.Invalid("specified service not exist, serviceName : %s", t.key.Grouped())
		return
	}
	for _, in := range t.all() {
		t.removed(in)
	}
	t.vanish()
}

// vanish ends the service.
func (t *step) vanish() {
	if t.meta != nil {
		t.record(naming.Record{Kind: naming.RecordService, Delete: true})
	}
	for addr := range t.carried {
		t.record(naming.Record{Kind: naming.RecordOverlay, Addr: addr, Delete: true})
	}
	t.meta, t.carried, t.born, t.waiting = nil, nil, false, false
	t.changed(naming.ServiceRemoved, nil)
}
