package config

import (
	"net"
	"net/netip"
	"os"
)

// ownAddress finds the address that other nodes reach this one at.
func (r *reader) ownAddress() string {
	for _, key := range []string{keyServerIP, keyIP} {
		if host := r.host(key); host != "" {
			return host
		}
	}
	if r.bool(keyPreferHostname, false) {
		if name, err := os.Hostname(); err == nil && name != "" {
			return name
		}
	}
	return firstAddress()
}

// firstAddress returns the first IPv4 address of this machine that is not a loopback
// one, else an IPv6 address, else 127.0.0.1.
func firstAddress() string {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return "127.0.0.1"
	}
	var second string
	for _, a := range addrs {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		switch addr := prefix.Addr(); {
		case !addr.IsGlobalUnicast():
		case addr.Is4():
			return addr.String()
		case second == "":
			second = addr.String()
		}
	}
	if second != "" {
		return second
	}
	return "127.0.0.1"
}

// ownAmong returns the host of the one listed node that is this one: it has this node's
// port and an address of this machine. Empty: there is none, or more than one.
func ownAmong(peers []Peer, port int) string {
	local := map[netip.Addr]bool{}
	if addrs, err := net.InterfaceAddrs(); err == nil {
		for _, a := range addrs {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil {
				local[prefix.Addr()] = true
			}
		}
	}
	own := ""
	for _, p := range peers {
		a, err := netip.ParseAddr(p.Host)
		if p.Port != port || err != nil || !a.IsLoopback() && !local[a] {
			continue
		}
		if own != "" {
			return ""
		}
		own = p.Host
	}
	return own
}
