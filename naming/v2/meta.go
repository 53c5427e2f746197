package v2

import (
	"slices"
	"strings"

	"nactor/naming"
)

func (t *step) createService(c naming.CreateService) {
	if t.born {
		t.Err = naming.Rejected("specified service %s already exists!", t.key.Grouped())
		return
	}
	t.born, t.ephemeral = true, false
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
	if meta.Selector.Type == "" {
		meta.Selector.Type = "none" // tells an operator's metadata from none, also in 1.x; see v1.Implied
	}
	t.meta = &meta
	if len(t.pubs) > 0 {
		t.wake(t.now) // it may say whether beats are judged
	}
	t.record(naming.Record{Kind: naming.RecordService, Service: t.meta})
	t.changed(naming.ServiceMetadataChanged, nil)
}

// removeService deletes an empty service with all that is remembered of it. One that does
// not exist is fine (Nacos 2.0).
func (t *step) removeService() {
	if len(t.pubs) > 0 {
		t.Err = naming.Rejected("Service %s is not empty, can't be delete. Please unregister instance first", t.key.Grouped())
		return
	}
	if t.born {
		t.vanish()
	}
}

// vanish ends the service.
func (t *step) vanish() {
	if t.meta != nil {
		t.record(naming.Record{Kind: naming.RecordService, Delete: true})
	}
	for addr := range t.overlays {
		t.record(naming.Record{Kind: naming.RecordOverlay, Addr: addr, Delete: true})
	}
	t.meta, t.shown, t.born, t.waiting = nil, nil, false, false
	clear(t.overlays)
	t.changed(naming.ServiceRemoved, nil)
}
