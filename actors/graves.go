package actors

import (
	"sync"

	"nactor/naming"
)

// graves remembers the services that went, and at which revision, so that a replica that
// did not hear of it is not taken for one that knows more. The latest maxGraves.
type graves struct {
	mu    sync.Mutex
	by    map[naming.Key]naming.Revision
	order []naming.Key
}

const maxGraves = 1 << 16

func (g *graves) add(key naming.Key, rev naming.Revision) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.by == nil {
		g.by = map[naming.Key]naming.Revision{}
	}
	if _, ok := g.by[key]; !ok {
		if len(g.order) >= maxGraves {
			delete(g.by, g.order[0])
			g.order = g.order[1:]
		}
		g.order = append(g.order, key)
	}
	g.by[key] = rev
}

func (g *graves) find(key naming.Key) (naming.Revision, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	rev, ok := g.by[key]
	return rev, ok
}
