package http

import (
	"encoding/json"

	"nactor/naming"
	"nactor/naming/wire"
)

func (r *request) putMetadata() error    { return r.editMetadata(false) }
func (r *request) removeMetadata() error { return r.editMetadata(true) }

// editMetadata puts or removes metadata of many instances of a service.
func (r *request) editMetadata(remove bool) error {
	key := r.key()
	if len(r.required("metadata")) == 0 {
		r.fault(naming.Invalid("Param 'metadata' is required."))
	}
	kind := string(r.optional("consistencyType"))
	cmd := naming.EditMetadata{Remove: remove, Metadata: r.metadata(), Targets: r.targets()}
	if r.err != nil {
		return r.err
	}
	if r.by1X() {
		// There the kind stands for all instances of it, and nothing at all for none.
		switch {
		case kind == "ephemeral" || kind == "persist":
			cmd.Targets = r.ofKind(key, kind == "ephemeral")
		case kind != "":
			cmd.Targets = nil
		}
		if len(cmd.Targets) == 0 {
			r.json(wire.AppendUpdated(r.begin(), nil))
			return nil
		}
	}
	res, err := r.do(key, cmd)
	if err != nil {
		return err
	}
	r.json(wire.AppendUpdated(r.begin(), res.Updated))
	return nil
}

// targets reads the instances named in a batch; none means all. What cannot be read is an
// error: Nacos takes it for none and so edits every instance of the service.
func (r *request) targets() []naming.Addr {
	s := r.textOf("instances")
	if s == "" || r.err != nil {
		return nil
	}
	var list []struct {
		IP          string
		Port        int
		ClusterName string
	}
	if err := json.Unmarshal([]byte(s), &list); err != nil {
		r.fault(naming.Rejected("errCode: 101, errMsg: Nacos deserialize for class [java.util.List] failed.  ;caused: not a JSON array of instances"))
		return nil
	}
	out := make([]naming.Addr, 0, len(list))
	for _, in := range list {
		a := naming.Addr{IP: in.IP, Port: in.Port, Cluster: in.ClusterName}
		if a.Cluster == "" {
			a.Cluster = naming.DefaultCluster
		}
		r.faultIf(checkName("ip", []byte(a.IP)))
		r.faultIf(checkName("clusterName", []byte(a.Cluster)))
		r.faultIf(a.Check())
		out = append(out, a)
	}
	return out
}

// ofKind returns the ephemeral or the persistent instances of a service.
func (r *request) ofKind(key naming.Key, ephemeral bool) []naming.Addr {
	v := r.s.cfg.Reader.View(key)
	if v == nil {
		return nil
	}
	var out []naming.Addr
	for _, in := range v.Instances {
		if in.Ephemeral == ephemeral {
			out = append(out, in.Addr())
		}
	}
	return out
}
