package upgrade

import (
	"math"

	"nactor/naming"
	"nactor/naming/v1"
)

// Digest stands for the content of a service, or of many: digests of different services
// may be added. Equal content has equal digests, in either structure, except where 1.x has
// an ip:port in several clusters, which only [Diff] can judge. Different content has
// different digests but for an accident of 1 in 2^64. It is the same on every node and in
// every process; zero stands for no service.
type Digest uint64

// Sum computes the digest of a view from nothing.
func Sum(view *naming.View) Digest {
	if view == nil {
		return 0
	}
	service := serviceHash(view.Key)
	d := service.end() + metaHash(service, view.Meta)
	for _, in := range view.Instances {
		d += instanceHash(service, in)
	}
	return d
}

// After returns the digest of the view that came after old, whose digest is d. Instances
// that both views share are not looked into.
func (d Digest) After(old, view *naming.View) Digest {
	if old == nil || view == nil || old.Key != view.Key {
		return d - Sum(old) + Sum(view)
	}
	service := serviceHash(view.Key)
	if old.Meta != view.Meta {
		d += metaHash(service, view.Meta) - metaHash(service, old.Meta)
	}
	a, b := old.Instances, view.Instances
	for len(a) > 0 || len(b) > 0 {
		if len(a) > 0 && len(b) > 0 && a[0] == b[0] {
			a, b = a[1:], b[1:]
			continue
		}
		c := compareHosts(a, b)
		if c <= 0 {
			d -= instanceHash(service, a[0])
			a = a[1:]
		}
		if c >= 0 {
			d += instanceHash(service, b[0])
			b = b[1:]
		}
	}
	return d
}

func serviceHash(key naming.Key) hash {
	return hash(offset).str(key.Namespace).str(key.Group).str(key.Name)
}

func instanceHash(h hash, in *naming.Instance) Digest {
	h = h.str("instance").str(in.IP).num(uint64(in.Port)).str(in.Cluster).flag(in.Ephemeral)
	h = h.num(weightBits(in.Weight)).flag(in.Enabled).flag(in.Ephemeral || in.Healthy)
	return h.pairs(in.Metadata).end()
}

func metaHash(h hash, m *naming.ServiceMeta) Digest {
	if v1.Implied(m) {
		return 0
	}
	h = h.str("metadata").num(math.Float64bits(m.ProtectThreshold)).str(selector(m.Selector)).pairs(m.Metadata)
	for _, c := range m.Clusters {
		h = h.str(c.Name).num(uint64(c.CheckPort)).flag(c.UseInstancePort).pairs(c.Metadata)
		h = h.str(c.Checker.Type).str(c.Checker.Path).str(c.Checker.Headers).num(uint64(c.Checker.ExpectedResponseCode))
		h = h.str(c.Checker.User).str(c.Checker.Password).str(c.Checker.Command)
	}
	return h.end()
}

// hash is FNV-1a, 64 bits. Strings are preceded by their length, so that no two lists of
// fields read alike.
type hash uint64

const (
	offset = 14695981039346656037
	prime  = 1099511628211
)

func (h hash) str(s string) hash {
	h = h.num(uint64(len(s)))
	for i := range len(s) {
		h = (h ^ hash(s[i])) * prime
	}
	return h
}

func (h hash) num(n uint64) hash {
	for ; n >= 0x80; n >>= 7 {
		h = (h ^ hash(n&0x7f|0x80)) * prime
	}
	return (h ^ hash(n)) * prime
}

func (h hash) flag(b bool) hash {
	if b {
		return h.num(1)
	}
	return h.num(0)
}

func (h hash) pairs(m naming.Metadata) hash {
	h = h.num(uint64(len(m)))
	for _, p := range m {
		h = h.str(p.Key).str(p.Value)
	}
	return h
}

// end mixes the bits (the end of MurmurHash3), for sums of bare FNV-1a values would let
// like changes of two instances cancel out.
func (h hash) end() Digest {
	x := uint64(h)
	x = (x ^ x>>33) * 0xff51afd7ed558ccd
	x = (x ^ x>>33) * 0xc4ceb9fe1a85ec53
	return Digest(x ^ x>>33)
}
