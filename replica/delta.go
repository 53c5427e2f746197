package replica

import (
	"cmp"
	"strings"

	"nactor/naming"
)

// Delta is the difference between two views of a service that follow each other.
type Delta struct {
	Key       naming.Key
	Base      naming.Revision // of the view that it changes; zero: there was none
	Next      naming.Revision // of the view that comes out
	Stored    uint64          // of that view
	Gone      bool            // the service is no more; nothing below counts
	Ephemeral bool
	Meta      *naming.ServiceMeta
	Put       []*naming.Instance // new or changed, sorted
	Remove    []*naming.Instance // only what identifies them counts, sorted

	LineageChanged bool
	Lineage        naming.Lineage // when changed

	OverlaysChanged bool
	Overlays        map[naming.Addr]*naming.Overlay // all of them, when changed
}

// Diff returns what leads from base, nil for none, to next. Instances that both share are
// not compared: a view shares what did not change with the one before.
func Diff(base, next *naming.View) *Delta {
	d := &Delta{Key: next.Key, Next: next.Revision, Stored: next.Stored, Ephemeral: next.Ephemeral, Meta: next.Meta}
	var old []*naming.Instance
	var overlays map[naming.Addr]*naming.Overlay
	var lineage naming.Lineage
	if base != nil {
		d.Base, old, overlays, lineage = base.Revision, base.Instances, base.Overlays, base.Lineage
	}
	if !next.Lineage.Equal(lineage) {
		d.LineageChanged, d.Lineage = true, next.Lineage
	}
	i, j := 0, 0
	for i < len(old) || j < len(next.Instances) {
		c := 0
		switch {
		case i == len(old):
			c = 1
		case j == len(next.Instances):
			c = -1
		case old[i] != next.Instances[j]:
			c = compare(old[i], next.Instances[j])
		}
		switch {
		case c < 0:
			d.Remove = append(d.Remove, old[i])
			i++
		case c > 0:
			d.Put = append(d.Put, next.Instances[j])
			j++
		default:
			if old[i] != next.Instances[j] {
				d.Put = append(d.Put, next.Instances[j])
			}
			i, j = i+1, j+1
		}
	}
	if !sameOverlays(overlays, next.Overlays) {
		d.OverlaysChanged, d.Overlays = true, next.Overlays
	}
	return d
}

// Apply returns the view that comes out of base, which must have the revision d.Base; nil
// when it is zero.
func (d *Delta) Apply(base *naming.View) *naming.View {
	v := &naming.View{Key: d.Key, Revision: d.Next, Stored: d.Stored, Ephemeral: d.Ephemeral, Meta: d.Meta}
	var old []*naming.Instance
	if base != nil {
		old, v.Overlays, v.Lineage = base.Instances, base.Overlays, base.Lineage
	}
	if d.LineageChanged {
		v.Lineage = d.Lineage
	}
	if d.OverlaysChanged {
		v.Overlays = d.Overlays
	}
	v.Instances = make([]*naming.Instance, 0, max(0, len(old)+len(d.Put)-len(d.Remove)))
	put, remove := d.Put, d.Remove
	for _, in := range old {
		for len(put) > 0 && compare(put[0], in) < 0 {
			v.Instances, put = append(v.Instances, put[0]), put[1:]
		}
		for len(remove) > 0 && compare(remove[0], in) < 0 {
			remove = remove[1:]
		}
		switch {
		case len(remove) > 0 && compare(remove[0], in) == 0:
		case len(put) > 0 && compare(put[0], in) == 0:
			v.Instances, put = append(v.Instances, put[0]), put[1:]
		default:
			v.Instances = append(v.Instances, in)
		}
	}
	v.Instances = append(v.Instances, put...)
	return v
}

// Outcome says what became of a [Delta].
type Outcome uint8

// The outcomes.
const (
	Applied Outcome = iota
	Known           // this node shows that revision or a later one
	Gap             // the view that it changes is not the one that is held
)

// Apply shows what d says.
func (s *Store) Apply(d *Delta) Outcome {
	if d.Gone {
		s.Drop(d.Key, d.Next)
		return Applied
	}
	base := s.View(d.Key)
	switch {
	case base == nil && d.Base != (naming.Revision{}):
		return Gap
	case base == nil:
		s.Put(d.Apply(nil))
		return Applied
	case base.Revision.Compare(d.Next) >= 0:
		return Known
	case base.Revision != d.Base:
		return Gap
	}
	if !s.Replace(base, d.Apply(base)) {
		return Gap
	}
	return Applied
}

// compare orders instances as views do.
func compare(a, b *naming.Instance) int {
	if c := cmp.Or(strings.Compare(a.IP, b.IP), cmp.Compare(a.Port, b.Port), strings.Compare(a.Cluster, b.Cluster)); c != 0 {
		return c
	}
	switch {
	case a.Ephemeral == b.Ephemeral:
		return 0
	case a.Ephemeral:
		return -1
	}
	return 1
}

func sameOverlays(a, b map[naming.Addr]*naming.Overlay) bool {
	if len(a) != len(b) {
		return false
	}
	for addr, o := range a {
		if b[addr] != o {
			return false
		}
	}
	return true
}
