package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Peer is a node of the cluster as the operator listed it. The text of the list is the
// node's identity: a host name is not resolved, so "host" and its address are two peers.
type Peer struct {
	Host string
	Port int
}

// String returns host:port, with brackets around an IPv6 address.
func (p Peer) String() string { return net.JoinHostPort(p.Host, strconv.Itoa(p.Port)) }

// parseMembers reads conf/cluster.conf: one address a line or several with commas
// between them, # starts a comment. name is how errors name the text.
func parseMembers(text, name string, defaultPort int) ([]Peer, error) {
	var peers []Peer
	var errs []error
	text = strings.TrimPrefix(text, "\ufeff")
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		for field := range strings.SplitSeq(line, ",") {
			if field = strings.TrimSpace(field); field == "" {
				continue
			}
			peer, problem := parsePeer(field, defaultPort)
			if problem != "" {
				errs = append(errs, fmt.Errorf("%s: %w", name, &Error{Key: "line " + strconv.Itoa(i+1), Value: field, Problem: problem}))
			} else if !slices.Contains(peers, peer) {
				peers = append(peers, peer)
			}
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return peers, nil
}

// noPort stands for no default port: each address must have one.
const noPort = -1

// parsePeer reads ip, ip:port, host, host:port, [ip6], [ip6]:port and a bare ip6. On
// failure it returns what is wrong.
func parsePeer(s string, defaultPort int) (Peer, string) {
	if before, _, found := strings.Cut(s, "?"); found {
		return Peer{}, "has a ?: write " + before + ", the other ports follow from this one"
	}
	host, port := s, ""
	bracketed := strings.HasPrefix(s, "[")
	switch {
	case bracketed && strings.HasSuffix(s, "]"):
		host = s[1 : len(s)-1]
	case bracketed || strings.Count(s, ":") == 1:
		var err error
		if host, port, err = net.SplitHostPort(s); err != nil {
			return Peer{}, "is not an address of the form ip:port"
		}
	}
	if !validHost(host) || bracketed && !strings.Contains(host, ":") {
		return Peer{}, "is not an address of the form ip:port"
	}
	if port == "" {
		if strings.HasSuffix(s, ":") {
			return Peer{}, "ends in a colon without a port"
		}
		if defaultPort == noPort {
			return Peer{}, "has no port: write " + Peer{host, 8848}.String() + ", or whatever its server.port is"
		}
		return Peer{host, defaultPort}, ""
	}
	n, err := parsePort(port)
	if err != nil || n == 0 {
		return Peer{}, "has no port number from 1 to 65535 after the colon"
	}
	return Peer{host, n}, ""
}

// validHost reports whether s is an IP address or could be a host name.
func validHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	if s == "" || len(s) > 253 || strings.Trim(s, "0123456789.") == "" {
		return false // 10.0.0 and 10.0.0.256 are mistyped addresses, not names
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(s, "."), ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if c := label[i]; c != '-' && c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
				return false
			}
		}
	}
	return true
}

// unlisted warns of a list of nodes that this node is not on: the others do not expect it.
func unlisted(c *Config) []string {
	self := Peer{c.IP, c.Port}
	if len(c.Peers) == 0 || len(c.Join) > 0 || c.Port == 0 || slices.Contains(c.Peers, self) {
		return nil
	}
	return []string{fmt.Sprintf("this node, %s, is not on the list of nodes: on the first start of a cluster the others do not wait for it. "+
		"Add it to conf/cluster.conf on all nodes, or set %s to its address on the list", self, keyIP)}
}

// members finds the list of nodes: -c, else conf/cluster.conf, else nacos.member.list.
func members(flag, home string, p *Properties, port int) ([]Peer, error) {
	if flag != "" {
		return parseMembers(flag, "-c", port)
	}
	const name = "conf/cluster.conf"
	text, err := os.ReadFile(filepath.Join(home, "conf", "cluster.conf"))
	if err == nil {
		return parseMembers(string(text), name, port)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s cannot be read: %w", name, err)
	}
	list, err := p.String(keyMembers, "")
	if err != nil {
		return nil, err
	}
	return parseMembers(list, keyMembers, port)
}
