package http

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"

	"nactor/naming"
	"nactor/naming/wire"
)

// What Nacos's servers say to each other, and operations on parts that are not here, are
// refused with a reason, so that nobody takes them for a typing error.

// foreign returns the routes that are refused.
func foreign() []route {
	const get, post, put, deleteAny = fasthttp.MethodGet, fasthttp.MethodPost, fasthttp.MethodPut, fasthttp.MethodDelete
	var list []route
	add := func(handle func(*request) error, path string, methods ...string) {
		for _, m := range methods {
			list = append(list, route{m, path, admin, handle})
		}
	}
	const raft = "/v1/ns/raft"
	add((*request).oldRaft, raft+"/vote", post)
	add((*request).oldRaft, raft+"/beat", post)
	add((*request).oldRaft, raft+"/peer", get)
	add((*request).oldRaft, raft+"/datum", get, post, deleteAny)
	add((*request).oldRaft, raft+"/datum/reload", put)
	add((*request).oldRaft, raft+"/datum/commit", post, deleteAny)
	add((*request).oldRaft, raft+"/state", get)
	add((*request).oldRaft, raft+"/leader", get)
	add((*request).oldRaft, raft+"/listeners", get)

	add((*request).otherMake, "/v1/ns/distro/datum", get, put)
	add((*request).otherMake, "/v1/ns/distro/datums", get)
	add((*request).otherMake, "/v1/ns/distro/checksum", put)
	add((*request).otherMake, "/v1/ns/service/status", post)
	add((*request).otherMake, "/v1/ns/service/checksum", put)
	add((*request).otherMake, "/v1/ns/operator/server/status", get)
	add((*request).otherMake, "/v1/ns/ops/server/status", get)

	add((*request).unknownMember, "/v1/core/cluster/report", post)
	add(notHere("the nodes find each other by gossip, from conf/cluster.conf or --join; there is no lookup to switch"), "/v1/core/cluster/switch/lookup", post)
	add(notHere("the members of the store follow the list of nodes, and its leader is chosen by them; there is nothing to command"), "/v1/core/ops/raft", post)
	return list
}

// oldRaft answers as a Nacos all of whose members are 1.4 or later.
func (r *request) oldRaft() error { return naming.Rejected("old raft protocol already stop") }

// betweenServers reports whether a path, whatever the method, is one of those on which Nacos's
// servers speak to each other.
func betweenServers(path string) bool {
	path, _ = strings.CutPrefix(trimSlash(path), contextPath+"/v1/ns/")
	return strings.HasPrefix(path, "distro/") || slices.Contains([]string{"service/status", "service/checksum", "operator/server/status", "ops/server/status"}, path)
}

// otherMake refuses a server of another make.
func (r *request) otherMake() error {
	r.refuse(fasthttp.StatusNotImplemented, trafficOfNacos)
	return nil
}

const trafficOfNacos = "this is traffic between servers of Nacos; the nodes of this cluster have a protocol of their own, and cannot be mixed with another make: start the new cluster beside the old one"

// unknownMember is what Nacos answers a report of a server that is no member, and of none.
func (r *request) unknownMember() error {
	var m struct {
		IP   string
		Port int
	}
	if err := json.Unmarshal(r.Request.Body(), &m); err != nil || strings.TrimSpace(m.IP) == "" || m.Port <= 0 {
		r.json(append(r.begin(), `{"code":400,"message":"Node information is illegal","data":null}`...))
		return nil
	}
	r.json(append(r.begin(), restOK+`"false"`+"}"...))
	return nil
}

// notHere refuses an operation of the core API, in its form: status 200, code 500.
func notHere(why string) func(*request) error {
	return func(r *request) error {
		b := wire.AppendString(append(r.begin(), `{"code":500,"message":`...), why)
		r.json(append(b, `,"data":null}`...))
		return nil
	}
}
