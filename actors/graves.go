package actors

import (
	"sync"

	"nactor/naming"
)

// graves remembers the services that went, and at which revision, so that a replica that
// did not hear of it is not taken for one that knows more. The latest maxGraves.
type graves struct {
	mu    sync.Mutex
	by    map[naming.Key]grave
	order []naming.Key
}

// grave is where a service went, and what its last life held of others.
type grave struct {
	naming.Revision
	lineage naming.Lineage
}

const maxGraves = 1 << 16

func (g *graves) add(key naming.Key, rev naming.Revision, lineage naming.Lineage) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.by == nil {
		g.by = map[naming.Key]grave{}
	}
	if _, ok := g.by[key]; !ok {
		if len(g.order) >= maxGraves {
			delete(g.by, g.order[0])
			g.order = g.order[1:]
		}
		g.order = append(g.order, key)
	}
	g.by[key] = grave{rev, lineage}
}

// find returns the revision at which a service went, if that held all that a view at rev did.
func (g *graves) find(key naming.Key, rev naming.Revision) (naming.Revision, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	at, ok := g.by[key]
	return at.Revision, ok && at.Follows(at.lineage, rev)
}
