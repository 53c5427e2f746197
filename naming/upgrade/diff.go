package upgrade

import (
	"fmt"
	"iter"
	"math"
	"strconv"

	"nactor/naming"
	"nactor/naming/v1"
)

// Difference is one way in which the two structures of a service disagree.
type Difference struct {
	Subject string // "service", "metadata", "cluster c1", "instance 1.1.1.1:80:DEFAULT (ephemeral)"
	Field   string // "" when one structure lacks the subject as a whole
	V1, V2  string // what each has; "" for nothing
}

// String tells an operator what differs.
func (d Difference) String() string {
	if d.Field == "" {
		missing := "v2"
		if d.V1 == "" {
			missing = "v1"
		}
		return d.Subject + " is missing in " + missing
	}
	return fmt.Sprintf("%s, %s: v1 has %s, v2 has %s", d.Subject, d.Field, orNothing(d.V1), orNothing(d.V2))
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

const there = "there"

// Equal reports whether the two views of a service have the same content: existence,
// metadata, and every instance that both structures can hold. See DESIGN.md for what
// counts. Either may be nil for a service that is not there.
func Equal(v1, v2 *naming.View) bool {
	for range Diff(v1, v2) {
		return false
	}
	return true
}

// Diff yields how the content of a 1.x view and a 2.0 view differ, service first, then
// instances by address.
func Diff(one, two *naming.View) iter.Seq[Difference] {
	return func(yield func(Difference) bool) {
		d := differ{yield: yield}
		switch {
		case one == nil && two == nil:
		case one == nil:
			d.missing("service", false)
		case two == nil:
			d.missing("service", true)
		default:
			d.metas(operators(one), two.Meta)
			d.instances(one.Instances, two.Instances)
		}
	}
}

// operators returns the metadata of a 1.x view if it is an operator's.
func operators(one *naming.View) *naming.ServiceMeta {
	if v1.Implied(one.Meta) {
		return nil
	}
	return one.Meta
}

// differ yields differences until nobody wants more.
type differ struct {
	yield func(Difference) bool
	done  bool
}

func (d *differ) say(diff Difference) {
	if !d.done {
		d.done = !d.yield(diff)
	}
}

// missing says that only one structure has the subject.
func (d *differ) missing(subject string, hasV1 bool) {
	diff := Difference{Subject: subject, V2: there}
	if hasV1 {
		diff.V1, diff.V2 = there, ""
	}
	d.say(diff)
}

func (d *differ) field(subject, name, a, b string) {
	if a != b {
		d.say(Difference{Subject: subject, Field: name, V1: a, V2: b})
	}
}

// instances compares two sorted lists, ip:port by ip:port.
func (d *differ) instances(one, two []*naming.Instance) {
	for (len(one) > 0 || len(two) > 0) && !d.done {
		var a, b []*naming.Instance
		c := compareHosts(one, two)
		if c <= 0 {
			a, one = cutHost(one)
		}
		if c >= 0 {
			b, two = cutHost(two)
		}
		if len(a) == 1 && len(b) == 1 && a[0] == b[0] {
			continue
		}
		for _, ephemeral := range [...]bool{true, false} {
			d.host(ofKind(a, ephemeral), ofKind(b, ephemeral))
		}
	}
}

// host compares what the structures hold of one ip:port and kind. Where 1.x has it in
// several clusters it is enough that 2.0 has it in one of them.
func (d *differ) host(a, b []*naming.Instance) {
	matched := 0
	for _, y := range b {
		x := inCluster(a, y.Cluster)
		if x == nil {
			d.missing(subject(y), false)
			continue
		}
		matched++
		d.instance(x, y)
	}
	if matched > 0 {
		return
	}
	for _, x := range a {
		d.missing(subject(x), true)
	}
}

func (d *differ) instance(x, y *naming.Instance) {
	if x == y {
		return
	}
	if weightBits(x.Weight) != weightBits(y.Weight) {
		d.field(subject(x), "weight", number(x.Weight), number(y.Weight))
	}
	if x.Enabled != y.Enabled {
		d.field(subject(x), "enabled", strconv.FormatBool(x.Enabled), strconv.FormatBool(y.Enabled))
	}
	if !x.Ephemeral && x.Healthy != y.Healthy {
		d.field(subject(x), "healthy", strconv.FormatBool(x.Healthy), strconv.FormatBool(y.Healthy))
	}
	if !x.Metadata.Equal(y.Metadata) {
		d.metadata(subject(x), x.Metadata, y.Metadata)
	}
}

// metadata compares key by key.
func (d *differ) metadata(subject string, a, b naming.Metadata) {
	for _, p := range a.Merge(b) {
		d.field(subject, "metadata "+p.Key, value(a, p.Key), value(b, p.Key))
	}
}

func value(m naming.Metadata, key string) string {
	if v, ok := m.Get(key); ok {
		return strconv.Quote(v)
	}
	return ""
}

func subject(in *naming.Instance) string {
	kind := "persistent"
	if in.Ephemeral {
		kind = "ephemeral"
	}
	return fmt.Sprintf("instance %s:%d:%s (%s)", in.IP, in.Port, in.Cluster, kind)
}

func number(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// weightBits makes weights comparable: all NaN are one, and so are the two zeros.
func weightBits(w float64) uint64 {
	if w != w {
		return math.Float64bits(math.NaN())
	}
	return math.Float64bits(w + 0)
}
