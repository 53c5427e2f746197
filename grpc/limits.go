package grpc

import (
	"encoding/json"
	"fmt"
)

// Limits bound how many clients may be connected to a server. They are Nacos's rule of limits,
// and its JSON (data/loader/limitRule). Immutable.
type Limits struct {
	Traced     []string       `json:"monitorIpList"`                // Nacos logs what these say; here for the form
	Total      int            `json:"countLimit"`                   // all; 0 or less: no limit
	PerAddress int            `json:"countLimitPerClientIpDefault"` // at one ip; 0 or less: no limit
	Addresses  map[string]int `json:"countLimitPerClientIp"`        // the same for these ips, before all else; less than 0: not said
	Apps       map[string]int `json:"countLimitPerClientApp"`       // at one ip, for a client of this application
}

// String returns the limits as JSON, as Nacos shows them.
func (l *Limits) String() string {
	shown := *l
	if shown.Traced == nil {
		shown.Traced = []string{}
	}
	if shown.Addresses == nil {
		shown.Addresses = map[string]int{}
	}
	if shown.Apps == nil {
		shown.Apps = map[string]int{}
	}
	text, err := json.Marshal(shown)
	if err != nil {
		panic(err) // numbers and texts
	}
	return string(text)
}

// DefaultLimits keep a server from running out of memory; Nacos has none.
var DefaultLimits = &Limits{Total: 50_000}

// at returns how many clients may be connected from an ip, as a client of app counts them;
// less than 0: no limit.
func (l *Limits) at(ip, app string) int {
	if n, ok := l.Addresses[ip]; ok && n >= 0 {
		return n
	}
	if n, ok := l.Apps[app]; ok && n >= 0 {
		return n
	}
	if l.PerAddress > 0 {
		return l.PerAddress
	}
	return -1
}

// admit reports why one more client is one too many.
func (l *Limits) admit(all, here int, ip, app string) error {
	if l.Total > 0 && all >= l.Total {
		return fmt.Errorf("%d clients are connected, the limit is %d", all, l.Total)
	}
	if n := l.at(ip, app); n >= 0 && here >= n {
		return fmt.Errorf("%d clients are connected from %s, the limit is %d", here, ip, n)
	}
	return nil
}

// excess returns clients that are too many since the limits have changed.
func (s *Server) excess() []*client {
	l := s.cfg.Limits()
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*client
	over := map[string]int{}
	for ip, n := range s.at {
		over[ip] = n
	}
	left := len(s.clients)
	for _, c := range s.clients {
		ip := c.transport.remote.Addr().String()
		if n := l.at(ip, c.app); n >= 0 && over[ip] > n {
			over[ip]--
			left--
			out = append(out, c)
		}
	}
	if l.Total <= 0 || left <= l.Total {
		return out
	}
	chosen := make(map[*client]bool, len(out))
	for _, c := range out {
		chosen[c] = true
	}
	for _, c := range s.clients {
		if left <= l.Total {
			break
		}
		if !chosen[c] {
			left--
			out = append(out, c)
		}
	}
	return out
}
