package http

import (
	"context"
	"slices"

	"nactor/naming"
	"nactor/naming/wire"
)

// do carries out a command. The registry bounds the time it takes.
func (r *request) do(key naming.Key, cmd naming.Command) (naming.Result, error) {
	if r.structure != 0 {
		cmd = naming.In{Structure: r.structure, Command: cmd}
	}
	return r.s.cfg.Registry.Do(context.Background(), key, cmd)
}

// doOK carries out a command that is answered with "ok".
func (r *request) doOK(key naming.Key, cmd naming.Command) error {
	if _, err := r.do(key, cmd); err != nil {
		return err
	}
	r.text("ok")
	return nil
}

func (r *request) registerInstance() error {
	key, in := r.instance()
	if r.err != nil {
		return r.err
	}
	return r.doOK(key, naming.Register{Instance: in})
}

func (r *request) deregisterInstance() error {
	key, in := r.instance()
	if r.err != nil {
		return r.err
	}
	return r.doOK(key, naming.Deregister{Addr: in.Addr(), Ephemeral: in.Ephemeral})
}

func (r *request) updateInstance() error {
	key, in := r.instance()
	if r.err != nil {
		return r.err
	}
	if r.is142() && !r.java() {
		return r.doOK(key, naming.Register{Instance: in})
	}
	return r.doOK(key, naming.Update{Addr: in.Addr(), Ephemeral: in.Ephemeral,
		Overlay: naming.Overlay{Weight: in.Weight, Enabled: in.Enabled, Metadata: in.Metadata}})
}

func (r *request) patchInstance() error {
	key, addr := r.key(), r.addr()
	patch := naming.Patch{Addr: addr}
	if b := r.optional("metadata"); len(b) > 0 {
		m := r.metadata()
		patch.Metadata = &m
	}
	if b := r.optional("weight"); len(b) > 0 {
		w := r.weight(1)
		patch.Weight = &w
	}
	if b := r.optional("healthy"); len(b) > 0 {
		h := parseLoose(b)
		patch.Healthy = &h
	}
	if b := r.optional("enabled"); len(b) > 0 {
		e := parseLoose(b)
		patch.Enabled = &e
	}
	if r.err != nil {
		return r.err
	}
	return r.doOK(key, patch)
}

// instance reads the parameters of register, deregister and update, in Nacos's order.
func (r *request) instance() (naming.Key, *naming.Instance) {
	key, addr := r.key(), r.addr()
	in := &naming.Instance{
		IP: addr.IP, Port: addr.Port, Cluster: addr.Cluster,
		Weight:    r.weight(1),
		Enabled:   r.loose("enabled", r.loose("enable", true)),
		Healthy:   r.loose("healthy", true),
		Ephemeral: r.loose("ephemeral", r.s.cfg.Settings.Switches().DefaultInstanceEphemeral),
		Metadata:  r.metadata(),
	}
	return key, in
}

// addr reads ip, port and cluster of an instance.
func (r *request) addr() naming.Addr {
	a := naming.Addr{IP: r.requiredName("ip")}
	port := r.required("port")
	if r.err == nil {
		a.Port = r.portOf(port)
	}
	a.Cluster = r.cluster()
	r.faultIf(a.Check())
	return a
}

func (r *request) portOf(b []byte) int {
	n, err := parseInt(string(b))
	r.faultIf(err)
	return n
}

// cluster reads clusterName, or cluster as some clients call it.
func (r *request) cluster() string {
	return r.name("clusterName", r.name("cluster", naming.DefaultCluster))
}

func (r *request) weight(def float64) float64 {
	b := r.optional("weight")
	if len(b) == 0 {
		return def
	}
	w, err := parseDouble(string(b))
	if err == nil {
		err = naming.CheckWeight(w)
	}
	r.faultIf(err)
	return w
}

func (r *request) metadata() naming.Metadata {
	s := r.textOf("metadata")
	if s == "" || r.err != nil {
		return nil
	}
	m, err := naming.ParseMetadata(s)
	if err == nil {
		err = naming.CheckMetadata(m)
	}
	r.faultIf(err)
	return m
}

func (r *request) showInstance() error {
	key, addr := r.key(), r.addr()
	if r.err != nil {
		return r.err
	}
	v, err := r.detail(key, naming.NotFound("no service %s found!", key.Grouped()))
	if err != nil {
		return err
	}
	if v == nil || len(v.Instances) == 0 || r.by1X() && !slices.Contains(v.Clusters(), addr.Cluster) {
		return naming.NotFound("no ips found for cluster %s in service %s", addr.Cluster, key.Grouped())
	}
	in := v.Find(addr)
	if in == nil {
		return naming.NotFound("no matched ip found!")
	}
	r.json(wire.AppendDetail(r.begin(), key, in))
	return nil
}
