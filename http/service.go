package http

import (
	"encoding/json"
	"math"
	"net/url"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"nactor/naming"
	"nactor/naming/wire"
)

// javaFloat parses as NumberUtils.toFloat does: what is no number is 0.
func javaFloat(v string) float64 {
	f, err := strconv.ParseFloat(strings.TrimSpace(v), 32)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return f
}

// serviceMeta reads metadata and selector of a service.
func (r *request) serviceMeta() (m naming.ServiceMeta, err error) {
	if m.Metadata, err = r.metadata("metadata"); err != nil {
		return m, err
	}
	raw, err := r.optional("selector", "")
	if err != nil {
		return m, err
	}
	m.Selector, err = parseSelector(raw)
	return m, err
}

func parseSelector(raw string) (naming.Selector, error) {
	if decoded, err := url.QueryUnescape(raw); err == nil {
		raw = decoded
	}
	if raw == "" {
		return naming.Selector{}, nil
	}
	var s struct{ Type, Expression string }
	if err := json.Unmarshal([]byte(raw), &s); err != nil {
		return naming.Selector{}, naming.Rejected("errCode: 101, errMsg: Nacos deserialize for class [com.fasterxml.jackson.databind.JsonNode] failed.  ;caused: %s", brief(err))
	}
	switch s.Type {
	case "", "none":
		return naming.Selector{Type: "none"}, nil
	case "label":
		return naming.Selector{Type: "label", Expression: s.Expression}, checkLabels(s.Expression)
	case "unknown":
		return naming.Selector{}, naming.Rejected("not match any type of selector!")
	}
	return naming.Selector{}, naming.Invalid("No enum constant com.alibaba.nacos.api.selector.SelectorType.%s", s.Type)
}

// checkLabels checks "CONSUMER.label.A = PROVIDER.label.A & …".
func checkLabels(expression string) error {
	for term := range strings.SplitSeq(expression, "&") {
		left, right, ok := strings.Cut(term, "=")
		c, okC := strings.CutPrefix(strings.TrimSpace(left), "CONSUMER.label.")
		p, okP := strings.CutPrefix(strings.TrimSpace(right), "PROVIDER.label.")
		if !ok || !okC || !okP || c != p || c == "" {
			return naming.Rejected("parse expression failed!")
		}
	}
	return nil
}

// springService is the service of requests whose serviceName Spring requires.
func (r *request) springService() (naming.Key, error) {
	v, err := r.spring("serviceName", "String")
	if err != nil {
		return naming.Key{}, err
	}
	if strings.TrimSpace(v) == "" {
		return naming.Key{}, naming.Invalid("Param 'serviceName' is required.")
	}
	return r.key()
}

func (r *request) createService() error {
	key, err := r.springService()
	if err != nil {
		return err
	}
	meta, err := r.serviceMeta()
	if err != nil {
		return err
	}
	threshold, err := r.optional("protectThreshold", "0")
	if err != nil {
		return err
	}
	f, err := strconv.ParseFloat(threshold, 32)
	if err != nil || math.IsNaN(f) {
		return naming.Rejected("Failed to convert value of type 'java.lang.String' to required type 'float'; nested exception is java.lang.NumberFormatException: For input string: %q;caused: For input string: %q", threshold, threshold)
	}
	meta.ProtectThreshold = f
	if _, err := r.do(key, naming.CreateService{Meta: meta}); err != nil {
		return err
	}
	r.text(fasthttp.StatusOK, "ok")
	return nil
}

func (r *request) deleteService() error {
	key, err := r.springService()
	if err != nil {
		return err
	}
	if _, err := r.do(key, naming.RemoveService{}); err != nil {
		return err
	}
	r.text(fasthttp.StatusOK, "ok")
	return nil
}

func (r *request) updateService() error {
	key, err := r.key()
	if err != nil {
		return err
	}
	threshold, err := r.required("protectThreshold")
	if err != nil {
		return err
	}
	meta, err := r.serviceMeta()
	if err != nil {
		return err
	}
	meta.ProtectThreshold = javaFloat(threshold)
	if _, err := r.do(key, naming.UpdateService{Meta: meta}); err != nil {
		return err
	}
	r.text(fasthttp.StatusOK, "ok")
	return nil
}

func (r *request) serviceDetail() error {
	key, err := r.springService()
	if err != nil {
		return err
	}
	r.json(wire.AppendService(nil, key, r.s.cfg.Reader.View(key)))
	return nil
}

func (r *request) listServices() error {
	pageNo, err := r.required("pageNo")
	if err != nil {
		return err
	}
	pageSize, err := r.required("pageSize")
	if err != nil {
		return err
	}
	ns, err := r.optional("namespaceId", naming.DefaultNamespace)
	if err != nil {
		return err
	}
	group, err := r.optional("groupName", naming.DefaultGroup)
	if err != nil {
		return err
	}
	var names []string
	for _, k := range r.s.cfg.Reader.Services(ns) {
		if k.Group == group {
			names = append(names, k.Name)
		}
	}
	page := paged(names, javaInt(pageNo), javaInt(pageSize))
	b := []byte(`{"doms":[`)
	for i, n := range page {
		if i > 0 {
			b = append(b, ',')
		}
		b = wire.AppendString(b, n)
	}
	b = strconv.AppendInt(append(b, `],"count":`...), int64(len(names)), 10)
	r.json(append(b, '}'))
	return nil
}

// javaInt parses as NumberUtils.toInt does: what is no number is 0.
func javaInt(v string) int {
	n, err := strconv.ParseInt(v, 10, 32)
	if err != nil {
		return 0
	}
	return int(n)
}

// maxPage bounds a page, whatever is asked.
const maxPage = 1000

// paged returns page no (from 1) of all; a page before the first is the first.
func paged[T any](all []T, no, size int) []T {
	size = min(max(size, 0), maxPage)
	begin := min(max(no-1, 0)*size, len(all))
	return all[begin:min(begin+size, len(all))]
}
