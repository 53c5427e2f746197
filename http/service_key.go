package http

import (
	"bytes"
	"strings"

	"nactor/naming"
)

// key reads which service a request of the instance endpoints is about.
func (r *request) key() naming.Key {
	if r.s.is142 && r.raw("serviceName") == nil {
		if old := r.raw("dom"); old != nil { // as clients before 1.0 call it
			return r.keyOf(bytes.TrimSpace(old))
		}
	}
	return r.keyOf(r.required("serviceName"))
}

// springKey is key for the endpoints that read serviceName as Spring's parameter.
func (r *request) springKey() naming.Key {
	name := r.spring("serviceName")
	if r.err != nil {
		return naming.Key{}
	}
	return r.keyOf([]byte(strings.TrimSpace(name)))
}

var separator = []byte("@@")

// keyOf returns the key of a serviceName parameter, grouped or not, which is trimmed.
func (r *request) keyOf(name []byte) naming.Key {
	if r.err != nil {
		return naming.Key{}
	}
	// A grouped name may be as long as its parts.
	if err := checkName("serviceName", name); err != nil {
		r.fault(err)
		return naming.Key{}
	}
	if len(name) == 0 {
		r.fault(naming.Invalid("Param 'serviceName' is illegal, it should be format as 'groupName@@serviceName'"))
		return naming.Key{}
	}
	k := naming.Key{
		Namespace: r.name("namespaceId", naming.DefaultNamespace),
		Group:     r.name("groupName", naming.DefaultGroup),
	}
	if r.err != nil {
		return naming.Key{}
	}
	group, service, grouped := bytes.Cut(name, separator)
	var err error
	switch {
	case grouped && len(group) > 0 && len(service) > 0 && !bytes.Contains(service, separator) && strings.IndexByte(k.Namespace, '@') < 0:
		// What official clients send.
		k.Group, k.Name = r.own("groupName", group), string(service)
	default:
		k, err = naming.NewKey(k.Namespace, k.Group, string(name))
	}
	if err == nil {
		err = k.Check()
	}
	r.faultIf(err)
	return k
}
