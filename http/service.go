package http

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"nactor/naming"
	"nactor/naming/wire"
)

func (r *request) createService() error {
	key := r.springKey()
	var threshold float64
	if s := r.springOr("protectThreshold", "0"); r.err == nil {
		f, err := parseDouble(strings.TrimSpace(s))
		if err != nil {
			r.fault(naming.Rejected("Failed to convert value of type 'java.lang.String' to required type 'float'; nested exception is java.lang.NumberFormatException: %s;caused: %s", err, err))
		}
		threshold = f
	}
	meta := naming.ServiceMeta{ProtectThreshold: clampThreshold(threshold), Selector: r.selector()}
	meta.Metadata = r.metadata()
	if r.err != nil {
		return r.err
	}
	return r.doOK(key, naming.CreateService{Meta: meta})
}

func (r *request) removeService() error {
	key := r.springKey()
	if r.err != nil {
		return r.err
	}
	return r.doOK(key, naming.RemoveService{})
}

func (r *request) updateService() error {
	key := r.key()
	threshold, _ := parseDouble(string(r.required("protectThreshold"))) // what is no number is 0
	meta := naming.ServiceMeta{ProtectThreshold: clampThreshold(threshold), Metadata: r.metadata(), Selector: r.selector()}
	if r.err != nil {
		return r.err
	}
	return r.doOK(key, naming.UpdateService{Meta: meta})
}

// clampThreshold makes a number of what may be none; outside 0 to 1 it means what the
// nearer end means.
func clampThreshold(f float64) float64 {
	if !(f > 0) {
		return 0
	}
	return min(f, 1)
}

// selector reads the selector, which clients escape twice.
func (r *request) selector() naming.Selector {
	s := r.textOf("selector")
	if s == "" || r.err != nil {
		return naming.Selector{Type: "none"}
	}
	if un, err := url.QueryUnescape(s); err == nil {
		s = un
	}
	sel, err := wire.ParseSelector(s)
	r.faultIf(err)
	if r.err == nil {
		r.faultIf(checkName("selector", []byte(sel.Expression)))
	}
	return sel
}

func (r *request) showService() error {
	key := r.springKey()
	if r.err != nil {
		return r.err
	}
	v, err := r.detail(key, naming.NotFound("service %s is not found!", key.Grouped()))
	if err != nil {
		return err
	}
	r.json(wire.AppendService(r.begin(), key, v, r.by1X()))
	return nil
}

func (r *request) listServices() error {
	no, size := r.requiredLenient("pageNo"), r.requiredLenient("pageSize")
	ns := r.name("namespaceId", naming.DefaultNamespace)
	group := r.name("groupName", naming.DefaultGroup)
	pass := r.filter()
	if r.err != nil {
		return r.err
	}
	keys, err := r.services(ns)
	if err != nil {
		return err
	}
	every := group == "*" && r.is142()
	var names []string
	for _, k := range keys {
		if k.Group != group && !every {
			continue
		}
		if pass != nil {
			if v := r.s.cfg.Reader.View(k); v == nil || !pass(v) {
				continue
			}
		}
		if every {
			names = append(names, k.Grouped())
		} else {
			names = append(names, k.Name)
		}
	}
	r.json(wire.AppendServiceList(r.begin(), pageOf(names, no, size), len(names)))
	return nil
}

// filter reads which services a list is to show; nil: all. 2.0 passes over it, and so do the
// operations of the upgrade: each service would be a question to another node.
func (r *request) filter() func(*naming.View) bool {
	if !r.by1X() || r.structure != 0 {
		return nil
	}
	s := r.textOf("selector")
	if s == "" || r.err != nil {
		return nil
	}
	pass, err := wire.ParseFilter(s)
	r.faultIf(err)
	return pass
}

// pageOf returns page no (from 1) of list.
func pageOf[T any](list []T, no, size int) []T {
	size = min(max(size, 0), len(list))
	if no < 1 {
		no = 1
	}
	if size == 0 || no-1 > len(list)/size {
		return nil
	}
	begin := (no - 1) * size
	return list[min(begin, len(list)):min(begin+size, len(list))]
}

func (r *request) serviceNames() error {
	ns, expr := strings.TrimSpace(r.springOr("namespaceId", "")), r.springOr("expr", "")
	own := r.springBool("responsibleOnly", false) && r.by1X() // 2.0 passes over it
	match := r.pattern("expr", expr)
	if r.err != nil {
		return r.err
	}
	keys, err := r.services(ns)
	if err != nil {
		return err
	}
	names := map[string][]string{}
	if ns != "" {
		names[ns] = nil
	}
	for _, k := range keys {
		list := names[k.Namespace]
		if match(k.Grouped()) && (!own || r.s.cfg.Owner(k) == r.s.cfg.Members.Self().Address()) {
			list = append(list, r.searched(k))
		}
		names[k.Namespace] = list
	}
	count := 0
	b := append(r.begin(), `{"services":{`...)
	for i, ns := range slices.Sorted(maps.Keys(names)) {
		slices.Sort(names[ns])
		names[ns] = slices.Compact(names[ns])
		count += len(names[ns])
		if i > 0 {
			b = append(b, ',')
		}
		b = wire.AppendStrings(append(wire.AppendString(b, ns), ':'), names[ns])
	}
	if r.is142() {
		count = len(names) // of namespaces
	}
	b = strconv.AppendInt(append(b, `},"count":`...), int64(count), 10)
	r.json(append(b, '}'))
	return nil
}

// pattern returns a filter of grouped names: they must contain the pieces of expr in this
// order. Nacos takes expr for a regular expression; of those only ".*", or "*", is left.
func (r *request) pattern(param, expr string) func(string) bool {
	if len(expr) > maxName {
		r.fault(naming.Invalid("parameter %s is longer than %d bytes", param, maxName))
	}
	pieces := strings.Split(strings.ReplaceAll(expr, ".*", "*"), "*")
	return func(s string) bool {
		for _, p := range pieces {
			i := strings.Index(s, p)
			if i < 0 {
				return false
			}
			s = s[i+len(p):]
		}
		return true
	}
}
