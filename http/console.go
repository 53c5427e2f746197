package http

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/valyala/fasthttp"

	"nactor/naming"
)

// namespaceJSON is a namespace as the console shows it.
type namespaceJSON struct {
	Namespace   string  `json:"namespace"`
	ShowName    string  `json:"namespaceShowName"`
	Description *string `json:"namespaceDesc,omitempty"`
	Quota       int     `json:"quota"`
	ConfigCount int     `json:"configCount"`
	Type        int     `json:"type"` // 0: public, 2: created
}

const namespaceQuota = 200

func (r *request) namespaces() error {
	if v, err := r.optional("checkNamespaceIdExist", ""); err != nil {
		return err
	} else if strict(v) {
		return r.namespaceExists()
	}
	if v, err := r.optional("show", ""); err != nil {
		return err
	} else if v == "all" {
		return r.namespaceDetail()
	}
	list := []namespaceJSON{{ShowName: "public", Quota: namespaceQuota}}
	for _, ns := range r.s.cfg.Settings.Namespaces() {
		list = append(list, namespaceJSON{Namespace: ns.ID, ShowName: ns.Name, Quota: namespaceQuota, Type: 2})
	}
	b, err := json.Marshal(list)
	if err != nil {
		return fmt.Errorf("render namespaces: %w", err)
	}
	r.json(result(b))
	return nil
}

func (r *request) namespace(id string) (naming.Namespace, bool) {
	for _, ns := range r.s.cfg.Settings.Namespaces() {
		if ns.ID == id {
			return ns, true
		}
	}
	return naming.Namespace{}, false
}

func (r *request) namespaceExists() error {
	id, err := r.optional("customNamespaceId", "")
	if err != nil {
		return err
	}
	_, ok := r.namespace(id)
	r.json(fmt.Appendf(nil, "%t", ok && id != ""))
	return nil
}

func (r *request) namespaceDetail() error {
	id, err := r.optional("namespaceId", "")
	if err != nil {
		return err
	}
	desc := "Public Namespace"
	n := namespaceJSON{ShowName: "Public", Description: &desc, Quota: namespaceQuota}
	if id != "" {
		ns, ok := r.namespace(id)
		if !ok {
			return naming.NotFound("namespace %s does not exist", id)
		}
		n = namespaceJSON{Namespace: ns.ID, ShowName: ns.Name, Description: &ns.Description, Quota: namespaceQuota, Type: 2}
	}
	b, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("render namespace %s: %w", id, err)
	}
	r.json(b)
	return nil
}

func (r *request) createNamespace() error {
	id, err := r.spring("customNamespaceId", "String")
	if err != nil {
		return err
	}
	name, err := r.spring("namespaceName", "String")
	if err != nil {
		return err
	}
	desc, err := r.optional("namespaceDesc", "")
	if err != nil {
		return err
	}
	ctx, cancel := r.within()
	defer cancel()
	ok, err := r.s.cfg.Settings.CreateNamespace(ctx, naming.Namespace{ID: strings.TrimSpace(id), Name: name, Description: desc})
	if err != nil {
		return err
	}
	r.json(fmt.Appendf(nil, "%t", ok))
	return nil
}

func (r *request) updateNamespace() error {
	id, err := r.spring("namespace", "String")
	if err != nil {
		return err
	}
	name, err := r.spring("namespaceShowName", "String")
	if err != nil {
		return err
	}
	desc, err := r.optional("namespaceDesc", "")
	if err != nil {
		return err
	}
	ctx, cancel := r.within()
	defer cancel()
	if err := r.s.cfg.Settings.UpdateNamespace(ctx, naming.Namespace{ID: id, Name: name, Description: desc}); err != nil {
		return err
	}
	r.json([]byte("true"))
	return nil
}

func (r *request) deleteNamespace() error {
	id, err := r.spring("namespaceId", "String")
	if err != nil {
		return err
	}
	ctx, cancel := r.within()
	defer cancel()
	if err := r.s.cfg.Settings.RemoveNamespace(ctx, id); err != nil {
		return err
	}
	r.json([]byte("true"))
	return nil
}

func (r *request) liveness() error {
	r.text(fasthttp.StatusOK, "OK")
	return nil
}

// readiness is 200 when the node serves. Nacos answers 500 otherwise; load balancers
// want to hear 503.
func (r *request) readiness() error {
	if status, reason := r.s.cfg.Node.Status(); status != "UP" {
		r.text(fasthttp.StatusServiceUnavailable, strings.TrimSpace("Naming is not in readiness "+reason))
		return nil
	}
	r.text(fasthttp.StatusOK, "OK")
	return nil
}

func (r *request) serverState() error {
	mode := "cluster"
	if r.s.cfg.Standalone {
		mode = "standalone"
	}
	b, err := json.Marshal(map[string]any{"version": r.s.cfg.Version, "standalone_mode": mode, "function_mode": nil})
	if err != nil {
		return fmt.Errorf("render the server state: %w", err)
	}
	r.json(b)
	return nil
}
