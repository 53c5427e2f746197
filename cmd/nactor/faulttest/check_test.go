package faulttest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// The kinds of broken promises. The numbers are the invariants of the documentation.
const (
	lost       = "I1 lost"        // an acknowledged registration is not listed
	lostSaved  = "I4 lost"        // the same of a persistent one
	ownWrite   = "own write lost" // what a node took is not listed by the same node a moment later
	unhealthy  = "I5 unhealthy"   // an instance that beats is shown as unhealthy
	ghost      = "I6 ghost"       // a deregistered instance is listed
	undead     = "I6 undead"      // an instance without beats is listed
	unknown    = "I6 unknown"     // nobody has registered what is listed
	exposed    = "disabled shown" // a disabled instance is listed
	lostEdit   = "edit lost"      // an instance is listed with a content from before an acknowledged edit
	torn       = "content torn"   // or with one that it never had
	emptyList  = "empty list"     // of a service that has instances
	failedRead = "failed read"    // of a node that is up
)

// verdict is what a check has found.
type verdict struct {
	reads    int // lists that were compared
	judged   int // instances in them that something was demanded of
	broken   map[string]int
	keys     map[string]int        // how many instances, or services, or nodes
	spans    map[string][2]instant // when the first and the last of a kind was read
	settling bool                  // of what is judged now
	// samples tell of some of each kind.
	samples []string
	told    map[string]bool
}

// maxSamples is how many are told of each kind.
const maxSamples = 4

// settlingMark ends the kinds of what was read soon after nodes heard each other again.
const settlingMark = ", settling"

func (v *verdict) fail(kind string, key any, at instant, format string, args ...any) {
	if v.settling {
		kind += settlingMark
	}
	v.broken[kind]++
	span, ok := v.spans[kind]
	if !ok {
		span[0] = at
	}
	v.spans[kind] = [2]instant{span[0], at}
	id := fmt.Sprint(kind, key)
	if v.told[id] {
		return
	}
	v.told[id] = true
	v.keys[kind]++
	if v.keys[kind] <= maxSamples {
		v.samples = append(v.samples, kind+": "+fmt.Sprintf(format, args...))
	}
}

// tell describes what is broken, of what was read while nodes settled or at other times.
func (v *verdict) tell(settling bool) (text string, ok bool) {
	var parts []string
	for kind, n := range v.broken {
		if strings.HasSuffix(kind, settlingMark) != settling {
			continue
		}
		span := v.spans[kind]
		parts = append(parts, fmt.Sprintf("%s %d (of %d, %v–%v)", strings.TrimSuffix(kind, settlingMark), n, v.keys[kind], short(span[0]), short(span[1])))
	}
	if len(parts) == 0 {
		return fmt.Sprintf("0 of %d", v.reads), true
	}
	slices.Sort(parts)
	return fmt.Sprintf("%s of %d", strings.Join(parts, ", "), v.reads), false
}

// check compares what readers saw with what clients were told.
func (h *history) check() *verdict {
	h.mu.Lock()
	defer h.mu.Unlock()
	v := &verdict{broken: map[string]int{}, keys: map[string]int{}, spans: map[string][2]instant{}, told: map[string]bool{}}
	slices.SortStableFunc(h.reads, func(a, b read) int { return int(a.call - b.call) })
	byService := map[int][]*instance{}
	for _, in := range h.instances {
		in.mu.Lock()
		defer in.mu.Unlock()
		byService[in.service] = append(byService[in.service], in)
	}
	made := map[[2]int][]demand{} // by node and instance
	for _, r := range h.reads {
		if r.err != "" {
			if !h.excused(r) {
				v.fail(failedRead, r.node, r.call, "node %d at %v: %s", r.node, r.call, r.err)
			}
			continue
		}
		v.reads++
		v.settling = h.settling(r)
		h.judge(v, r, byService[r.service], made)
	}
	return v
}

// excused reports whether a node need not have answered.
func (h *history) excused(r read) bool {
	return slices.ContainsFunc(h.absences, func(a absence) bool {
		return a.node == r.node && a.from <= r.ret && a.to >= r.call
	})
}

// judge holds one list against the demands.
func (h *history) judge(v *verdict, r read, instances []*instance, made map[[2]int][]demand) {
	seen := make(map[int]shown, len(r.shown))
	for _, s := range r.shown {
		seen[s.id] = s
		if s.id < 0 || s.id >= len(h.instances) || h.instances[s.id].service != r.service {
			v.fail(unknown, r.service, r.call, "node %d at %v lists instance %d in service %d", r.node, r.call, s.id, r.service)
		}
	}
	alive := 0
	for _, in := range instances {
		key := [2]int{r.node, in.id}
		ds, ok := made[key]
		if !ok {
			ds = h.demands(in, r.node)
			made[key] = ds
		}
		s, listed := seen[in.id]
		judged := false
		if listed && (s.torn || s.edit > in.edits) {
			v.fail(torn, in.id, r.call, "node %d at %v: instance %d of service %d with edit %d of %d", r.node, r.call, in.id, in.service, s.edit, in.edits)
		}
		for _, d := range ds {
			if r.call < d.from || r.ret > d.to {
				continue
			}
			judged = true
			if d.what == present {
				alive++
			}
			if kind := d.breach(r, in, s, listed); kind != "" {
				v.fail(kind, in.id, r.call, "node %d at %v (answered after %v): %s", r.node, r.call, short(r.ret-r.call), in.describe(d, r))
				break
			}
		}
		if judged {
			v.judged++
		}
	}
	if alive > 0 && len(r.shown) == 0 {
		v.fail(emptyList, r.service, r.call, "node %d at %v: service %d has instances", r.node, r.call, r.service)
	}
}

// breach tells which promise is broken, if any.
func (d demand) breach(r read, in *instance, s shown, listed bool) string {
	switch {
	case d.what == present && !listed && r.call < d.own:
		return ownWrite
	case d.what == present && !listed && in.persistent:
		return lostSaved
	case d.what == present && !listed:
		return lost
	case d.what == healthy && listed && !s.healthy:
		return unhealthy
	case d.what == absent && listed:
		return ghost
	case d.what == expired && listed:
		return undead
	case d.what == hidden && listed:
		return exposed
	case d.what == edited && listed && s.edit < d.edit:
		return lostEdit
	}
	return ""
}

// describe tells an instance's story up to a read.
func (in *instance) describe(d demand, r read) string {
	var b strings.Builder
	fmt.Fprintf(&b, "instance %d of service %d; write at %v asks for it from %v on;", in.id, in.service, d.since, d.from)
	var past []write
	for _, w := range in.writes {
		if w.call <= r.ret {
			past = append(past, w)
		}
	}
	for i, w := range past {
		if i < len(past)-6 && w.outcome == acked && w.op == beat {
			continue
		}
		fmt.Fprintf(&b, " %v@%d %v..%v %v;", w.op, w.node, w.call.Round(1e6), w.ret.Round(1e6), w.outcome)
	}
	return b.String()
}

// story is describe of all that has happened so far.
func (in *instance) story() string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.describe(demand{}, read{ret: forever})
}

// report notes the verdict in the table.
func (v *verdict) report(t testing.TB, fault string, settled bool) {
	t.Helper()
	for _, s := range v.samples {
		if strings.Contains(s, settlingMark+": ") {
			t.Log(s)
			continue
		}
		t.Error(s)
	}
	text, ok := v.tell(false)
	results.expect(t, ok, fault, "lists that break a promise", text, "0")
	if settled {
		// Told, not judged: parts that went on by themselves take this time to agree.
		text, _ = v.tell(true)
		results.expect(t, true, fault, "the same in the first 10 s after the nodes met again", text, "")
	}
	if v.judged == 0 {
		t.Error("nothing was judged")
	}
}
