package probe

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"nactor/naming"
)

type kind uint8

const (
	kindTCP kind = iota
	kindHTTP
	kindMySQL
	kindNone
)

// spec says how the instances of a cluster are checked. The zero value is the default: TCP
// on the instance's own port (Nacos, ClusterMetadata).
type spec struct {
	kind      kind
	fixedPort bool // check port, not the instance's
	port      int

	path, headers string // HTTP
	expected      int    // HTTP status; 0: 200

	user, password, command string // MYSQL
}

// plan is a spec made ready. Immutable; the targets of a cluster share one.
type plan struct {
	spec
	url    *url.URL // path and query; nil: the path is none
	host   string   // Host header; "": the address
	header http.Header
}

var plain = &plan{}

func specOf(meta *naming.ServiceMeta, cluster string) spec {
	if meta == nil {
		return spec{}
	}
	i, found := slices.BinarySearchFunc(meta.Clusters, cluster, func(m naming.ClusterMeta, name string) int {
		return strings.Compare(m.Name, name)
	})
	if !found {
		return spec{}
	}
	m := &meta.Clusters[i]
	s := spec{}
	if !m.UseInstancePort {
		s.fixedPort, s.port = true, m.CheckPort
	}
	switch strings.ToUpper(m.Checker.Type) {
	case "", "TCP":
	case "HTTP":
		s.kind, s.path, s.headers, s.expected = kindHTTP, m.Checker.Path, m.Checker.Headers, m.Checker.ExpectedResponseCode
	case "MYSQL":
		// On the instance's own port whatever the cluster says, as in Nacos.
		s = spec{kind: kindMySQL, user: m.Checker.User, password: m.Checker.Password, command: m.Checker.Command}
	default:
		s.kind = kindNone // an unknown type counts as NONE in Nacos
	}
	return s
}

func newPlan(s spec) *plan {
	p := &plan{spec: s}
	if s.kind != kindHTTP {
		return p
	}
	if p.expected == 0 {
		p.expected = http.StatusOK
	}
	path := s.path
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	// Only a path with a query: an absolute URL would name another host, which Nacos asks
	// then.
	if u, err := url.ParseRequestURI(path); err == nil {
		p.url = &url.URL{Scheme: "http", Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}
	}
	p.header, p.host = headers(s.headers)
	return p
}

// headers reads "k:v|k2:v2"; what is no such pair is passed over (Nacos, Http.getCustomHeaders).
// Headers that belong to the connection are left out.
func headers(s string) (h http.Header, host string) {
	h = http.Header{"User-Agent": {"VIPServer"}}
	for pair := range strings.SplitSeq(s, "|") {
		k, v, ok := strings.Cut(pair, ":")
		if !ok || strings.Contains(v, ":") {
			continue
		}
		k, v = http.CanonicalHeaderKey(strings.TrimSpace(k)), strings.TrimSpace(v)
		switch k {
		case "", "Connection", "Upgrade", "Expect":
		case "Host":
			host = v
		default:
			h[k] = []string{v}
		}
	}
	return h, host
}

// params returns the bounds of the interval.
func (p *plan) params(s *naming.Switches) naming.HealthParams {
	switch p.kind {
	case kindHTTP:
		return s.HTTPHealthParams
	case kindMySQL:
		return s.MySQLHealthParams
	}
	return s.TCPHealthParams
}

// portOf returns the port to check of an instance that has port.
func (p *plan) portOf(port int) int {
	if p.fixedPort {
		return p.port
	}
	return port
}
