package http

import (
	"bytes"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"nactor/naming"
)

// subscribe takes a list query that names a UDP port for a subscription, if its client
// can read pushes and may have them sent where it says, and tells whether it did. A client
// that is not pushed polls.
func (r *request) subscribe(key naming.Key, udpPort int, clusters string, sw *naming.Switches) bool {
	if udpPort < 1024 || udpPort > 65535 || !pushable(r.agent(), sw) {
		return false
	}
	ip, err := netip.ParseAddr(string(r.optional("clientIP")))
	if err != nil {
		return false
	}
	ip = ip.WithZone("").Unmap()
	if ip.IsUnspecified() || ip.IsMulticast() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return false
	}
	peer, ok := netip.AddrFromSlice(r.RemoteIP())
	if !ok || !r.s.cfg.PushAllowed(ip, peer.Unmap()) {
		return false
	}
	app := "unknown"
	if b := r.optional("app"); len(b) > 0 {
		app = echo(b)
	}
	r.s.cfg.Subscriptions.Subscribe(key, naming.Subscriber{
		Addr:     netip.AddrPortFrom(ip, uint16(udpPort)),
		Agent:    echo(r.agent()),
		App:      app,
		Clusters: clusters,
	})
	return true
}

// DefaultPushAllowed returns the rule for who may be pushed. Nacos pushes to any address
// that a query names, so that anybody can aim its packets at a victim. Here a client may
// name
//
//   - the address that it connects from;
//   - an address in one of the trusted networks, or any address if it connects from one;
//   - a private or link-local address, if it connects from such a one or over the loopback
//     interface: clients name the address of their first interface, whichever way the
//     connection took;
//   - any address of this host, if it connects from this host.
func DefaultPushAllowed(trusted []netip.Prefix) func(clientIP, peer netip.Addr) bool {
	trusted = slices.Clone(trusted)
	in := func(a netip.Addr) bool {
		return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	inside := func(a netip.Addr) bool { return a.IsPrivate() || a.IsLinkLocalUnicast() }
	var own hostAddrs
	return func(clientIP, peer netip.Addr) bool {
		return clientIP == peer || in(clientIP) || in(peer) ||
			inside(clientIP) && (inside(peer) || peer.IsLoopback()) ||
			own.contain(clientIP) && own.contain(peer)
	}
}

// hostAddrs are the addresses of this host, looked up at most once in a while.
type hostAddrs struct {
	mu    sync.Mutex
	at    time.Time
	addrs []netip.Addr
}

func (h *hostAddrs) contain(a netip.Addr) bool {
	if a.IsLoopback() {
		return true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := time.Now(); h.at.IsZero() || now.Sub(h.at) > 30*time.Second {
		h.at, h.addrs = now, nil
		list, _ := net.InterfaceAddrs() // none known: none allowed
		for _, addr := range list {
			if p, err := netip.ParsePrefix(addr.String()); err == nil {
				h.addrs = append(h.addrs, p.Addr().Unmap())
			}
		}
	}
	return slices.Contains(h.addrs, a)
}

// pushable reports whether a client of this agent can read pushes: its kind and version
// ("Nacos-Go-Client:v1.1.6"), in the order in which Nacos asks.
func pushable(agent []byte, sw *naming.Switches) bool {
	least := ""
	switch {
	case bytes.HasPrefix(agent, []byte("Nacos-Go-Client")):
		least = sw.PushGoVersion
	case bytes.HasPrefix(agent, []byte("Nacos-Java-Client")):
		least = sw.PushJavaVersion
	case bytes.HasPrefix(agent, []byte("Nacos-C-Client")), bytes.HasPrefix(agent, []byte("vip-client4cpp")):
		least = sw.PushCVersion
	case bytes.HasPrefix(agent, []byte("Nacos-CSharp-Client")):
		least = sw.PushCSharpVersion
	case bytes.HasPrefix(agent, []byte("Nacos-DNS")):
		least = sw.PushPythonVersion
	default:
		return false
	}
	_, version, _ := bytes.Cut(agent, []byte(":v"))
	return !parseVersion(string(version)).less(parseVersion(least))
}

// version is major, minor, patch.
type version [3]int

func (v version) less(o version) bool { return slices.Compare(v[:], o[:]) < 0 }

// parseVersion reads as many leading numbers as there are; "" is 0.0.0.
func parseVersion(s string) (v version) {
	for i := range v {
		part := s
		if n := strings.IndexAny(s, ".-_/;:"); n >= 0 {
			part, s = s[:n], s[n+1:]
		} else {
			s = ""
		}
		for _, c := range []byte(part) {
			if c < '0' || c > '9' || v[i] > 1e6 {
				break
			}
			v[i] = v[i]*10 + int(c-'0')
		}
	}
	return v
}
