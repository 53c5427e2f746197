package http

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"nactor/naming"
	"nactor/naming/wire"
)

// members are all nodes, in the order in which Nacos shows them.
func (s *Server) members() []Member {
	list := slices.Clone(s.cfg.Members.Members())
	slices.SortFunc(list, func(a, b Member) int { return strings.Compare(a.Address(), b.Address()) })
	return list
}

const (
	restOK  = `{"code":200,"message":null,"data":`
	restEnd = '}'
)

func (r *request) clusterSelf() error {
	r.json(append(appendMember(append(r.begin(), restOK...), r.s.cfg.Members.Self()), restEnd))
	return nil
}

func (r *request) clusterNodes() error {
	keyword := r.springOr("keyword", "")
	if r.err != nil {
		return r.err
	}
	var list []Member
	for _, m := range r.s.members() {
		if strings.HasPrefix(m.Address(), keyword) {
			list = append(list, m)
		}
	}
	r.json(append(appendMembers(append(r.begin(), restOK...), list), restEnd))
	return nil
}

func (r *request) clusterSimpleNodes() error {
	var list []string
	for _, m := range r.s.members() {
		if m.State == "UP" {
			list = append(list, m.Address())
		}
	}
	r.json(append(wire.AppendStrings(append(r.begin(), restOK...), list), restEnd))
	return nil
}

// removeTimeout bounds how long a removal is waited for; a CLI waits a little longer.
const removeTimeout = 4 * time.Second

// removeMembers removes dead members for good: a JSON array of ip:port, as in Nacos, or ids.
// Nacos takes whoever is named off its list, the living too.
func (r *request) removeMembers() error {
	var names []string
	if err := json.Unmarshal(r.Request.Body(), &names); err != nil || len(names) == 0 {
		return naming.Invalid(`the body must name the dead members that are to be removed for good, as in ["10.0.0.3:8848"]`)
	}
	ctx, cancel := context.WithTimeout(context.Background(), removeTimeout)
	defer cancel()
	if err := r.s.cfg.Members.RemoveMembers(ctx, names); err != nil {
		return err
	}
	r.json(append(r.begin(), restOK+`"ok"`+"}"...))
	return nil
}

// idInfo tells of generators of ids, of which there are none.
func (r *request) idInfo() error {
	r.json(append(append(r.begin(), restOK...), `{}}`...))
	return nil
}

func (r *request) clusterHealth() error {
	r.json(append(wire.AppendString(append(r.begin(), restOK...), r.s.cfg.Members.Self().State), restEnd))
	return nil
}
