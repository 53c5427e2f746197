package http

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"nactor/naming"
	"nactor/naming/wire"
)

// listInstances answers what consumers poll, and takes them on as subscribers.
func (r *request) listInstances() error {
	key, err := r.key()
	if err != nil {
		return err
	}
	sw := r.s.cfg.Settings.Switches()
	q := wire.Query{CacheMillis: sw.DefaultPushCacheMillis, Now: time.Now()}
	if q.Clusters, err = r.optional("clusters", ""); err != nil {
		return err
	}
	udpPort, err := r.optionalInt("udpPort", 0)
	if err != nil {
		return err
	}
	healthyOnly, err := r.optional("healthyOnly", "false")
	if err != nil {
		return err
	}
	q.HealthyOnly = strict(healthyOnly)
	if udpPort > 0 && sw.PushEnabled && pushable(agent(r), sw) {
		if err := r.subscribe(key, udpPort, q.Clusters); err != nil {
			return err
		}
	}
	r.json(wire.AppendList(nil, key, r.s.cfg.Reader.View(key), q))
	return nil
}

// subscribe announces the client for pushes, if the address it names can be its own:
// anyone may name any address, and pushes are larger than the request.
func (r *request) subscribe(key naming.Key, udpPort int, clusters string) error {
	ip, err := r.optional("clientIP", "")
	if err != nil {
		return err
	}
	addr, err := netip.ParseAddr(ip)
	peer, ok := netip.AddrFromSlice(r.RemoteIP())
	if err != nil || !ok || udpPort < 1024 || udpPort > 65535 || !r.s.mayPush(addr.Unmap(), peer.Unmap()) {
		return nil
	}
	app, err := r.optional("app", "unknown")
	if err != nil {
		return err
	}
	r.s.cfg.Subscriptions.Subscribe(key, naming.Subscriber{
		Addr: netip.AddrPortFrom(addr.Unmap(), uint16(udpPort)), Agent: agent(r), App: app, Clusters: clusters,
	})
	return nil
}

// mayPush reports whether a client that connects from peer may be pushed at addr. SDKs
// name their host's outward address, which differs from the peer address on the host
// itself and behind a NAT of a private network.
func (s *Server) mayPush(addr, peer netip.Addr) bool {
	if addr.IsMulticast() || addr.IsUnspecified() || addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return false
	}
	if addr == peer {
		return true
	}
	for _, p := range s.cfg.TrustedCIDRs {
		if p.Contains(addr) {
			return true
		}
	}
	inside := func(a netip.Addr) bool { return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() }
	if addr.IsLoopback() {
		return peer.IsLoopback()
	}
	return peer.IsLoopback() || inside(addr) && inside(peer)
}

// pushable reports whether a client of this kind and version understands pushes
// (Nacos's ClientInfo and PushService).
func pushable(agent string, sw *naming.Switches) bool {
	for _, c := range []struct{ prefix, min string }{
		{"Nacos-Go-Client", sw.PushGoVersion},
		{"Nacos-Java-Client", sw.PushJavaVersion},
		{"Nacos-C-Client", sw.PushCVersion},
		{"vip-client4cpp", sw.PushCVersion},
		{"Nacos-CSharp-Client", sw.PushCSharpVersion},
		{"Nacos-DNS", sw.PushPythonVersion},
	} {
		if strings.HasPrefix(agent, c.prefix) {
			_, version, _ := strings.Cut(agent, ":v")
			return !versionLess(version, c.min)
		}
	}
	return false
}

// versionLess compares dotted versions; what is missing or no number counts as 0.
func versionLess(a, b string) bool {
	for a != "" || b != "" {
		var x, y string
		x, a, _ = strings.Cut(a, ".")
		y, b, _ = strings.Cut(b, ".")
		if m, n := leading(x), leading(y); m != n {
			return m < n
		}
	}
	return false
}

func leading(s string) int {
	end := 0
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	n, _ := strconv.Atoi(s[:end])
	return n
}
