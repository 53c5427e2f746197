package replica

import (
	"slices"
	"sync"

	"nactor/naming"
)

// names is the index of services by namespace. Adding and removing is constant; the
// sorted list is made when somebody asks and kept until the next change.
type names struct {
	sync.Mutex
	by map[string]*namespace
}

type namespace struct {
	keys   map[naming.Key]struct{}
	sorted []naming.Key // nil: to be made
}

func (n *names) add(key naming.Key) {
	n.Lock()
	defer n.Unlock()
	ns := n.by[key.Namespace]
	if ns == nil {
		if n.by == nil {
			n.by = map[string]*namespace{}
		}
		ns = &namespace{keys: map[naming.Key]struct{}{}}
		n.by[key.Namespace] = ns
	}
	ns.keys[key] = struct{}{}
	ns.sorted = nil
}

func (n *names) remove(key naming.Key) {
	n.Lock()
	defer n.Unlock()
	ns := n.by[key.Namespace]
	if ns == nil {
		return
	}
	delete(ns.keys, key)
	ns.sorted = nil
	if len(ns.keys) == 0 {
		delete(n.by, key.Namespace)
	}
}

func (n *names) of(namespace string) []naming.Key {
	n.Lock()
	defer n.Unlock()
	ns := n.by[namespace]
	if ns == nil {
		return nil
	}
	if ns.sorted == nil {
		ns.sorted = make([]naming.Key, 0, len(ns.keys))
		for key := range ns.keys {
			ns.sorted = append(ns.sorted, key)
		}
		slices.SortFunc(ns.sorted, naming.Key.Compare)
	}
	return ns.sorted
}

func (n *names) namespaces() []string {
	n.Lock()
	defer n.Unlock()
	out := make([]string, 0, len(n.by))
	for name := range n.by {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}
