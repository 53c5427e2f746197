package http

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"nactor/naming"
	"nactor/naming/wire"
)

// do carries out a command. The context is the front's own: fasthttp's ends with the
// request and its memory is used again.
func (r *request) do(key naming.Key, cmd naming.Command) (naming.Result, error) {
	return r.s.cfg.Registry.Do(context.Background(), key, cmd)
}

// key reads the service that a request is about.
func (r *request) key() (naming.Key, error) {
	service, err := r.required("serviceName")
	if err != nil {
		return naming.Key{}, err
	}
	group, err := r.optional("groupName", "")
	if err != nil {
		return naming.Key{}, err
	}
	ns, err := r.optional("namespaceId", "")
	if err != nil {
		return naming.Key{}, err
	}
	k, err := naming.NewKey(ns, group, service)
	if err == nil {
		err = k.Check()
	}
	return k, err
}

// addr reads ip, port and cluster.
func (r *request) addr() (naming.Addr, error) {
	ip, err := r.required("ip")
	if err != nil {
		return naming.Addr{}, err
	}
	p, err := r.required("port")
	if err != nil {
		return naming.Addr{}, err
	}
	port, err := integer(p)
	if err != nil {
		return naming.Addr{}, err
	}
	cluster, err := r.cluster()
	if err != nil {
		return naming.Addr{}, err
	}
	a := naming.Addr{IP: ip, Port: port, Cluster: cluster}
	return a, a.Check()
}

func (r *request) cluster() (string, error) {
	c, err := r.optional("clusterName", "")
	if err == nil && c == "" {
		c, err = r.optional("cluster", naming.DefaultCluster)
	}
	return c, err
}

func parseWeight(v string) (float64, error) {
	w, err := strconv.ParseFloat(v, 64)
	if err != nil {
		return 0, naming.Invalid("For input string: %q", v)
	}
	return w, naming.CheckWeight(w)
}

// instance reads all that describes an instance, in Nacos's order of checks.
func (r *request) instance() (naming.Key, *naming.Instance, error) {
	key, err := r.key()
	if err != nil {
		return key, nil, err
	}
	addr, err := r.addr()
	if err != nil {
		return key, nil, err
	}
	in := &naming.Instance{IP: addr.IP, Port: addr.Port, Cluster: addr.Cluster, Enabled: true, Healthy: true}
	v, err := r.optional("weight", "1")
	if err != nil {
		return key, nil, err
	}
	if in.Weight, err = parseWeight(v); err != nil {
		return key, nil, err
	}
	if v, err = r.optional("enabled", ""); err == nil && v == "" {
		v, err = r.optional("enable", "true")
	}
	if err != nil {
		return key, nil, err
	}
	in.Enabled = loose(v)
	if v, err = r.optional("healthy", "true"); err != nil {
		return key, nil, err
	}
	in.Healthy = loose(v)
	if in.Ephemeral, err = r.ephemeral(); err != nil {
		return key, nil, err
	}
	in.Metadata, err = r.metadata("metadata")
	return key, in, err
}

func (r *request) ephemeral() (bool, error) {
	v, err := r.optional("ephemeral", "")
	if err != nil || v == "" {
		return r.s.cfg.Settings.Switches().DefaultInstanceEphemeral, err
	}
	return loose(v), nil
}

func (r *request) metadata(name string) (naming.Metadata, error) {
	v, err := r.optional(name, "")
	if err != nil {
		return nil, err
	}
	return parseMetadata(v)
}

func parseMetadata(v string) (naming.Metadata, error) {
	md, err := naming.ParseMetadata(v)
	if err == nil {
		err = naming.CheckMetadata(md)
	}
	return md, err
}

func (r *request) registerInstance() error {
	key, in, err := r.instance()
	if err != nil {
		return err
	}
	if _, err := r.do(key, naming.Register{Instance: in}); err != nil {
		return err
	}
	r.text(fasthttp.StatusOK, "ok")
	return nil
}

func (r *request) deregisterInstance() error {
	key, in, err := r.instance()
	if err != nil {
		return err
	}
	if _, err := r.do(key, naming.Deregister{Addr: in.Addr(), Ephemeral: in.Ephemeral}); err != nil {
		return err
	}
	r.text(fasthttp.StatusOK, "ok")
	return nil
}

func (r *request) updateInstance() error {
	key, in, err := r.instance()
	if err != nil {
		return err
	}
	cmd := naming.Update{Addr: in.Addr(), Ephemeral: in.Ephemeral, Overlay: naming.Overlay{Weight: in.Weight, Enabled: in.Enabled, Metadata: in.Metadata}}
	if _, err := r.do(key, cmd); err != nil {
		return err
	}
	r.text(fasthttp.StatusOK, "ok")
	return nil
}

func (r *request) patchInstance() error {
	key, err := r.key()
	if err != nil {
		return err
	}
	addr, err := r.addr()
	if err != nil {
		return err
	}
	cmd := naming.Patch{Addr: addr}
	if v, err := r.optional("metadata", ""); err != nil {
		return err
	} else if v != "" {
		m, err := parseMetadata(v)
		if err != nil {
			return err
		}
		cmd.Metadata = &m
	}
	if v, err := r.optional("weight", ""); err != nil {
		return err
	} else if v != "" {
		w, err := parseWeight(v)
		if err != nil {
			return err
		}
		cmd.Weight = &w
	}
	if v, err := r.optional("enabled", ""); err != nil {
		return err
	} else if v != "" {
		b := loose(v)
		cmd.Enabled = &b
	}
	if _, err := r.do(key, cmd); err != nil {
		return err
	}
	r.text(fasthttp.StatusOK, "ok")
	return nil
}

func (r *request) putMetadata() error    { return r.editMetadata(false) }
func (r *request) deleteMetadata() error { return r.editMetadata(true) }

func (r *request) editMetadata(remove bool) error {
	key, err := r.key()
	if err != nil {
		return err
	}
	raw, err := r.required("metadata")
	if err != nil {
		return err
	}
	md, err := parseMetadata(raw)
	if err != nil {
		return err
	}
	cmd := naming.EditMetadata{Remove: remove, Metadata: md}
	instances, err := r.optional("instances", "")
	if err != nil {
		return err
	}
	var named []struct {
		IP          string
		Port        int
		ClusterName string
	}
	// What cannot be read counts as none given, as in Nacos: that means all instances.
	if json.Unmarshal([]byte(instances), &named) == nil {
		for _, n := range named {
			if n.ClusterName == "" {
				n.ClusterName = naming.DefaultCluster
			}
			cmd.Targets = append(cmd.Targets, naming.Addr{IP: n.IP, Port: n.Port, Cluster: n.ClusterName})
		}
	}
	res, err := r.do(key, cmd)
	if err != nil {
		return err
	}
	r.json(wire.AppendUpdated(nil, res.Updated))
	return nil
}

func (r *request) instanceDetail() error {
	key, err := r.key()
	if err != nil {
		return err
	}
	addr, err := r.addr()
	if err != nil {
		return err
	}
	v := r.s.cfg.Reader.View(key)
	if v == nil || len(v.Instances) == 0 {
		return naming.NotFound("no ips found for cluster %s in service %s", addr.Cluster, key.Grouped())
	}
	in := v.Find(addr)
	if in == nil {
		return naming.NotFound("no matched ip found!")
	}
	r.json(wire.AppendDetail(nil, key, in))
	return nil
}

func (r *request) statuses() error {
	raw, err := r.spring("key", "String")
	if err != nil {
		return err
	}
	ns, name, ok := strings.Cut(raw, "##")
	if !ok {
		ns, name = "", raw
	}
	if !strings.Contains(name, "@@") {
		return naming.Invalid("Param 'serviceName' is illegal, it should be format as 'groupName@@serviceName'")
	}
	key, err := naming.NewKey(ns, "", name)
	if err != nil {
		return err
	}
	r.json(wire.AppendStatuses(nil, r.s.cfg.Reader.View(key)))
	return nil
}
