package v1

import (
	"cmp"
	"slices"
	"strings"

	"nactor/naming"
)

// record is one instance as it is stored. inst is replaced, never changed.
type record struct {
	inst  *naming.Instance
	clock *naming.BeatClock
}

// set holds the instances of one kind in one cluster, sorted by ip and port. A sorted
// slice takes a fifth of a map's memory.
type set []record

func (s set) search(ip string, port int) (int, bool) {
	return slices.BinarySearchFunc(s, record{}, func(r, _ record) int {
		if c := strings.Compare(r.inst.IP, ip); c != 0 {
			return c
		}
		return cmp.Compare(r.inst.Port, port)
	})
}

// cluster is one cluster of a service.
type cluster struct {
	name       string
	ephemeral  set
	persistent set
}

func (c *cluster) set(ephemeral bool) *set {
	if ephemeral {
		return &c.ephemeral
	}
	return &c.persistent
}

func (c *cluster) empty() bool { return len(c.ephemeral)+len(c.persistent) == 0 }

// cluster returns where the cluster of that name is, or would be.
func (s *Service) cluster(name string) (int, bool) {
	if len(s.clusters) == 1 && s.clusters[0].name == name {
		return 0, true
	}
	return slices.BinarySearchFunc(s.clusters, name, func(c cluster, name string) int { return strings.Compare(c.name, name) })
}

// find returns a record, or nil. It is good until the next insert or remove.
func (s *Service) find(addr naming.Addr, ephemeral bool) *record {
	i, found := s.cluster(addr.Cluster)
	if !found {
		return nil
	}
	in := *s.clusters[i].set(ephemeral)
	if j, found := in.search(addr.IP, addr.Port); found {
		return &in[j]
	}
	return nil
}

// at calls f for each record at addr: an ephemeral and a persistent one at most.
func (s *Service) at(addr naming.Addr, f func(*record)) (n int) {
	for _, ephemeral := range [...]bool{true, false} {
		if r := s.find(addr, ephemeral); r != nil {
			n++
			f(r)
		}
	}
	return n
}

// insert adds an instance that is not there.
func (s *Service) insert(r record) {
	i, found := s.cluster(r.inst.Cluster)
	if !found {
		s.clusters = slices.Insert(s.clusters, i, cluster{name: r.inst.Cluster})
	}
	to := s.clusters[i].set(r.inst.Ephemeral)
	j, _ := to.search(r.inst.IP, r.inst.Port)
	*to = slices.Insert(*to, j, r)
}

// remove takes an instance out, and its cluster with the last one.
func (s *Service) remove(in *naming.Instance) {
	i, found := s.cluster(in.Cluster)
	if !found {
		return
	}
	from := s.clusters[i].set(in.Ephemeral)
	if j, found := from.search(in.IP, in.Port); found {
		*from = slices.Delete(*from, j, j+1)
	}
	s.sweep(i)
}

// sweep drops the cluster at i if it is empty.
func (s *Service) sweep(i int) {
	if s.clusters[i].empty() {
		s.clusters = slices.Delete(s.clusters, i, i+1)
	}
}

// each calls f for every record: cluster by cluster, ephemeral ones first.
func (s *Service) each(f func(*record)) {
	for i := range s.clusters {
		for _, in := range [...]set{s.clusters[i].ephemeral, s.clusters[i].persistent} {
			for j := range in {
				f(&in[j])
			}
		}
	}
}

// all returns the instances sorted by address, as views hold them.
func (s *Service) all() []*naming.Instance {
	sets := make([]set, 0, 2*len(s.clusters))
	for i := range s.clusters {
		for _, in := range [...]set{s.clusters[i].ephemeral, s.clusters[i].persistent} {
			if len(in) > 0 {
				sets = append(sets, in)
			}
		}
	}
	return merge(make([]*naming.Instance, 0, s.Len()), sets)
}

// merge appends the instances of sets, each sorted, in the order of addresses.
func merge(dst []*naming.Instance, sets []set) []*naming.Instance {
	switch len(sets) {
	case 0:
		return dst
	case 1:
		for _, r := range sets[0] {
			dst = append(dst, r.inst)
		}
		return dst
	}
	half := len(sets) / 2
	size := 0
	for _, in := range sets {
		size += len(in)
	}
	a := merge(make([]*naming.Instance, 0, size), sets[:half])
	b := merge(a[len(a):], sets[half:])
	for len(a) > 0 && len(b) > 0 {
		if compareInstances(a[0], b[0]) <= 0 {
			dst, a = append(dst, a[0]), a[1:]
		} else {
			dst, b = append(dst, b[0]), b[1:]
		}
	}
	dst = append(dst, a...)
	return append(dst, b...)
}

// compareInstances orders by ip, port, cluster, ephemeral ones first.
func compareInstances(a, b *naming.Instance) int {
	if c := compareHosts(a, b); c != 0 {
		return c
	}
	if c := strings.Compare(a.Cluster, b.Cluster); c != 0 {
		return c
	}
	switch {
	case a.Ephemeral == b.Ephemeral:
		return 0
	case a.Ephemeral:
		return -1
	default:
		return 1
	}
}

// compareHosts orders by ip and port.
func compareHosts(a, b *naming.Instance) int {
	if c := strings.Compare(a.IP, b.IP); c != 0 {
		return c
	}
	return cmp.Compare(a.Port, b.Port)
}
