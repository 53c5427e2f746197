package naming

import (
	"cmp"
	"slices"
	"strings"
	"sync/atomic"
)

// View is an immutable picture of one service: all that a reader can be shown, and all
// that a new owner needs to go on from it.
type View struct {
	Key       Key
	Revision  Revision
	Lineage   Lineage           // what it holds of other lives of the service
	Stored    uint64            // place in the store's log up to which the durable part is known
	Meta      *ServiceMeta      // nil: nobody created or updated the service explicitly
	Ephemeral bool              // flag of the 2.0 service: kind of its first instance
	Instances []*Instance       // sorted by address
	Overlays  map[Addr]*Overlay // every overlay, also of instances that are gone

	renderings [5]atomic.Pointer[[]byte]
}

// Follows reports whether the view holds all that one at revision o did.
func (v *View) Follows(o Revision) bool { return v.Revision.Follows(v.Lineage, o) }

// Rendering returns what [View.KeepRendering] stored as number n, or nil.
func (v *View) Rendering(n int) []byte {
	if p := v.renderings[n].Load(); p != nil {
		return *p
	}
	return nil
}

// KeepRendering keeps something that is written of the whole view beside it, so that it is
// made once a revision and not once a read. What the numbers, 0 to 4, stand for is up to
// whoever writes (package wire).
func (v *View) KeepRendering(n int, b []byte) { v.renderings[n].Store(&b) }

// Selection is what a list query shows.
type Selection struct {
	Instances []*Instance
	Protected bool // the protect threshold was reached: all instances are to be shown healthy
	All       bool // Instances is the whole view, unfiltered and unprotected
}

// Select returns the instances that a list query shows (Nacos 2.0.3, ServiceUtil): enabled
// ones in the given clusters (empty: all), only healthy ones if healthyOnly, unless the
// protect threshold is reached: then all candidates, to be shown as healthy. Only a service
// with metadata is protected.
func (v *View) Select(clusters []string, healthyOnly bool) Selection {
	candidates, healthy := v.Instances, 0
	whole := true
	for i, in := range v.Instances {
		ok := in.Enabled && inClusters(in.Cluster, clusters)
		if ok && in.Healthy {
			healthy++
		}
		switch {
		case ok && !whole:
			candidates = append(candidates, in)
		case !ok && whole:
			whole = false
			candidates = append(make([]*Instance, 0, len(v.Instances)-1), v.Instances[:i]...)
		}
	}
	if v.Protects(healthy, len(candidates)) {
		return Selection{Instances: candidates, Protected: true}
	}
	if !healthyOnly || healthy == len(candidates) {
		return Selection{Instances: candidates, All: whole}
	}
	out := make([]*Instance, 0, healthy)
	for _, in := range candidates {
		if in.Healthy {
			out = append(out, in)
		}
	}
	return Selection{Instances: out}
}

// Protects reports whether healthy of total instances is at or under the service's
// protect threshold.
func (v *View) Protects(healthy, total int) bool {
	return v.Meta != nil && total > 0 && float32(healthy)/float32(total) <= max(0, float32(v.Meta.ProtectThreshold))
}

// HealthyCount returns how many instances are healthy, disabled ones included.
func (v *View) HealthyCount() int {
	n := 0
	for _, in := range v.Instances {
		if in.Healthy {
			n++
		}
	}
	return n
}

// Clusters returns the names of the clusters that have instances, sorted.
func (v *View) Clusters() []string {
	var names []string
	for _, in := range v.Instances {
		if i, found := slices.BinarySearch(names, in.Cluster); !found {
			names = slices.Insert(names, i, in.Cluster)
		}
	}
	return names
}

// Find returns the first instance at addr, or nil. An empty cluster matches any.
func (v *View) Find(addr Addr) *Instance {
	for _, in := range v.Instances {
		if in.IP == addr.IP && in.Port == addr.Port && (addr.Cluster == "" || in.Cluster == addr.Cluster) {
			return in
		}
	}
	return nil
}

// FindClient returns the instance that the client at ip:port published, in whichever
// cluster, or nil.
func (v *View) FindClient(ip string, port int, ephemeral bool) *Instance {
	i, _ := slices.BinarySearchFunc(v.Instances, ip, func(in *Instance, ip string) int {
		if c := strings.Compare(in.IP, ip); c != 0 {
			return c
		}
		return cmp.Compare(in.Port, port)
	})
	for ; i < len(v.Instances) && v.Instances[i].IP == ip && v.Instances[i].Port == port; i++ {
		if v.Instances[i].Ephemeral == ephemeral {
			return v.Instances[i]
		}
	}
	return nil
}

func inClusters(cluster string, clusters []string) bool {
	return len(clusters) == 0 || slices.Contains(clusters, cluster)
}
