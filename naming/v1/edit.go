package v1

import (
	"strconv"
	"strings"

	"nactor/naming"
)

// update replaces weight, enabled and metadata of an instance. It must be there.
func (t *step) update(c naming.Update) {
	if !t.born {
		t.Err = naming.Rejected("service not found, namespace: %s, service: %s", t.key.Namespace, t.key.Grouped())
		return
	}
	n := t.at(c.Addr, func(r *record) {
		in := *r.inst
		in.Weight, in.Enabled, in.Metadata = c.Overlay.Weight, c.Overlay.Enabled, c.Overlay.Metadata
		t.write(r, in)
	})
	if n == 0 {
		t.Err = naming.Rejected("instance not exist: %s:%d:unknown:%s_%s_true_false_%s",
			c.IP, c.Port, c.Cluster, javaDouble(c.Overlay.Weight), c.Cluster)
	}
}

// patch changes the fields that are given. Metadata, when given, replaces all of it.
func (t *step) patch(c naming.Patch) {
	n := t.at(c.Addr, func(r *record) {
		in := *r.inst
		if c.Weight != nil {
			in.Weight = *c.Weight
		}
		if c.Enabled != nil {
			in.Enabled = *c.Enabled
		}
		if c.Metadata != nil {
			in.Metadata = *c.Metadata
		}
		if c.Healthy != nil {
			in.Healthy = *c.Healthy
			if in.Healthy {
				r.clock.Hear(t.now) // else it would not last
			}
		}
		t.write(r, in)
	})
	if n == 0 {
		t.Err = naming.Invalid("instance not found")
	}
}

// editMetadata puts or removes metadata keys of the targets, or of every instance. Keys
// that came with the registration go like all others.
func (t *step) editMetadata(c naming.EditMetadata) {
	edit := func(r *record) {
		in := *r.inst
		if c.Remove {
			in.Metadata = in.Metadata.Without(c.Metadata)
		} else {
			in.Metadata = in.Metadata.Merge(c.Metadata)
		}
		t.write(r, in)
		t.Result.Updated = append(t.Result.Updated, r.inst)
	}
	if len(c.Targets) == 0 {
		t.each(edit)
		return
	}
	for _, addr := range c.Targets {
		t.at(addr, edit)
	}
}

// write stores what an operator made of an instance.
func (t *step) write(r *record, in naming.Instance) {
	in.Weight, in.Registered = storedWeight(in.Weight), nil
	if same(r.inst, &in) {
		return
	}
	in.Stamp = t.stamp // here an edit is a word as good as a registration
	r.inst = &in
	t.wakeFor(r.inst, r.clock.Last)
	t.save(r.inst)
	t.changed(naming.InstanceMetadataChanged, r.inst)
	t.overwritten(r.inst.Addr())
}

// javaDouble prints a weight as Java does.
func javaDouble(f float64) string {
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.ContainsAny(s, ".N") {
		s += ".0"
	}
	return s
}
