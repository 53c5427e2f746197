package grpc

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// ClientInfo is a client as operators are shown it.
type ClientInfo struct {
	ID         string         // of the connection
	Addr       netip.AddrPort // the client's end
	Version    string         // what the client calls itself, such as Nacos-Java-Client:v2.0.4
	App        string
	Tenant     string
	Labels     map[string]string // as the client gave them; do not modify
	Since      time.Time
	LastActive time.Time // when it was last heard of
}

// Clients returns who is connected, sorted by id.
func (s *Server) Clients() []ClientInfo {
	var out []ClientInfo
	for _, c := range s.all() {
		t := c.transport
		out = append(out, ClientInfo{
			ID: t.id, Addr: t.remote, Version: c.version, App: c.app, Tenant: c.tenant, Labels: c.labels,
			Since: c.since, LastActive: time.Unix(0, t.active.Load()),
		})
	}
	slices.SortFunc(out, func(a, b ClientInfo) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// Count returns how many clients are connected, and how many of them say that they are an SDK.
func (s *Server) Count() (all, sdk int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.clients {
		if strings.EqualFold(c.labels["source"], "sdk") {
			sdk++
		}
	}
	return len(s.clients), sdk
}

// Reset tells one client to connect to another server. One that is not here is passed over,
// as in Nacos.
func (s *Server) Reset(id string, to Redirect) {
	s.mu.Lock()
	c := s.clients[id]
	s.mu.Unlock()
	if c != nil {
		ip, port := to.split()
		c.reset(ip, port)
	}
}

// Shrink tells so many clients to connect to another server that keep are left, and returns
// how many were told. Clients that have been here longest stay.
func (s *Server) Shrink(keep int, to Redirect) int {
	all := s.all()
	slices.SortFunc(all, func(a, b *client) int { return a.since.Compare(b.since) })
	ip, port := to.split()
	going := all[min(max(keep, 0), len(all)):]
	for _, c := range going {
		c.reset(ip, port)
	}
	return len(going)
}

// identity is what a client says of itself, within bounds.
type identity struct {
	version, app, tenant string
	labels               map[string]string
}

// Bounds of what a client says of itself. It is kept for as long as the client is connected.
const (
	maxWord   = 256 // bytes
	maxLabels = 64
)

// identify keeps what a client says of itself. app is the header of the same name.
func identify(set setup, app string) identity {
	out := identity{version: word(set.ClientVersion), tenant: word(set.Tenant), labels: map[string]string{}}
	for _, a := range []string{app, set.Labels["AppName"], "unknown"} {
		if out.app = word(a); out.app != "" {
			break
		}
	}
	for _, k := range []string{"source", "module", "AppName"} { // these first
		if v, ok := set.Labels[k]; ok {
			out.labels[k] = word(v)
		}
	}
	for k, v := range set.Labels {
		if len(out.labels) >= maxLabels {
			break
		}
		if k = word(k); out.labels[k] == "" {
			out.labels[k] = word(v)
		}
	}
	return out
}

// word returns a copy of s, cut to maxWord bytes of valid UTF-8.
func word(s string) string {
	return strings.Clone(strings.ToValidUTF8(s[:min(len(s), maxWord)], ""))
}
