package http

import (
	"nactor/naming"
	"nactor/naming/wire"
)

// updateCluster creates or replaces what is said about one cluster of a service.
func (r *request) updateCluster() error {
	cluster := naming.ClusterMeta{Name: r.requiredName("clusterName")}
	key := r.key()
	port := r.requiredLenient("checkPort")
	use := r.required("useInstancePort4Check")
	checker := r.required("healthChecker")
	if r.err == nil {
		r.faultIf(checkText("healthChecker", checker))
	}
	if r.err == nil {
		var err error
		cluster.Checker, err = wire.ParseChecker(string(checker))
		r.faultIf(err)
	}
	cluster.Metadata = r.metadata()
	if r.err != nil {
		return r.err
	}
	if err := (naming.Addr{Cluster: cluster.Name}).Check(); err != nil {
		return err
	}
	if port < 0 || port > 65535 {
		return naming.Invalid("checkPort %d is not between 0 and 65535", port)
	}
	cluster.CheckPort, cluster.UseInstancePort = port, parseLoose(use)
	return r.doOK(key, naming.UpdateCluster{Cluster: cluster})
}

// setHealth sets the health of a persistent instance that nobody else checks.
func (r *request) setHealth() error {
	flag := r.optional("healthy")
	if len(flag) == 0 {
		flag = r.optional("valid")
	}
	if len(flag) == 0 {
		r.fault(naming.Invalid("Param 'healthy' is required."))
	}
	key, addr := r.key(), r.addr()
	if r.err != nil {
		return r.err
	}
	return r.doOK(key, naming.SetHealth{Addr: addr, Healthy: parseLoose(flag)})
}

func (r *request) healthServer() error {
	b := append(r.begin(), `{"msg":"Hello! I am Nacos-Naming and healthy! total services: `...)
	b = append(b, itoa(r.s.cfg.Reader.Counts().Services)...)
	b = append(b, `, local port:`...)
	b = append(b, itoa(r.s.cfg.Members.Self().Port)...)
	r.json(append(b, `"}`...))
	return nil
}

func (r *request) healthCheckers() error {
	r.json(append(r.begin(), `{"TCP":{"type":"TCP"},"HTTP":{"type":"HTTP","path":"","headers":"","expectedResponseCode":200},"MYSQL":{"type":"MYSQL","user":null,"pwd":null,"cmd":null},"NONE":{"type":"NONE"}}`...))
	return nil
}
