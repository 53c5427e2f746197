package http

import (
	"bytes"
	"slices"

	"nactor/naming"
	"nactor/naming/wire"
)

// Where the 1.x structure serves, Nacos answers in other words and shapes: 2.0.3 before the
// switch in some, 1.4.2, which a node of 1.X stands for, in more. They are here, beside what
// package naming/v1 says of commands; docs/compatibility.md tells what is left.

// by1X reports whether the 1.x structure answers: it serves, or the request names it.
func (r *request) by1X() bool {
	return r.structure == naming.V1 || r.structure == 0 && (r.s.is142 || r.s.cfg.By1X())
}

// is142 reports whether the answer is that of Nacos 1.4.2, which has no operations of the
// upgrade.
func (r *request) is142() bool { return r.s.is142 && r.structure == 0 }

// unknown is the error for a service that the 1.x structure does not have: 2.0.3 has one for
// all endpoints, 1.4.2 one for each.
func (r *request) unknown(key naming.Key, in142 error) error {
	if r.is142() {
		return in142
	}
	return naming.Rejected("service not found, namespace: %s, serviceName: %s", key.Namespace, key.Grouped())
}

// java reports whether the client is Java's from 1.0.0 on, which 1.4.2 treats otherwise than
// all others.
func (r *request) java() bool {
	agent := r.agent()
	_, v, _ := bytes.Cut(agent, []byte(":v"))
	return bytes.HasPrefix(agent, []byte("Nacos-Java-Client")) && !parseVersion(string(v)).less(version{1, 0, 0})
}

// list142 answers a list as Nacos 1.4.2. A check for whether there is anybody gets an empty
// object if there is.
func (r *request) list142(key naming.Key, v *naming.View, q wire.Query) error {
	env := r.textOf("env")
	if r.err != nil {
		return r.err
	}
	if v != nil && parseStrict(r.optional("isCheck")) {
		clusters := wire.SplitClusters(q.Clusters)
		for _, in := range v.Instances {
			if len(clusters) == 0 || slices.Contains(clusters, in.Cluster) {
				r.json(append(r.begin(), "{}"...))
				return nil
			}
		}
	}
	r.json(wire.AppendList142(r.begin(), key, v, wire.Query142{Query: q, Grouped: r.java(), Env: env}))
	return nil
}

// only142 serves a route that Nacos 1.4.2 has and 2.0.3 has not.
func only142(handle func(*request) error) func(*request) error {
	return func(r *request) error {
		if r.s.is142 {
			return handle(r)
		}
		r.s.notFound(r)
		return nil
	}
}

// from2 is the reverse.
func from2(handle func(*request) error) func(*request) error {
	return func(r *request) error {
		if !r.s.is142 {
			return handle(r)
		}
		r.s.notFound(r)
		return nil
	}
}

// distroStatus lists the members, if that is what is asked for.
func (r *request) distroStatus() error {
	action := r.springOr("action", "view")
	if r.err != nil {
		return r.err
	}
	if action != "view" {
		r.json(append(r.begin(), "{}"...))
		return nil
	}
	r.json(append(appendMembers(append(r.begin(), `{"status":`...), r.s.members()), '}'))
	return nil
}
