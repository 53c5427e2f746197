package namingtest

import (
	"slices"
	"time"

	"nactor/naming"
)

var instanceBehaviours = []behaviour{
	{name: "a registration is shown when it is answered", run: func(s *suite) {
		before := s.Counts()
		in := ephemeral("1.1.1.1")
		in.Weight, in.Metadata = 2.5, md("zone", "a")
		s.do(naming.Register{Instance: in})
		got := s.only()
		s.want("address", got.Addr(), in.Addr())
		s.want("weight", got.Weight, 2.5)
		s.want("metadata", got.Metadata, in.Metadata)
		s.want("flags", []bool{got.Enabled, got.Healthy, got.Ephemeral}, []bool{true, true, true})
		s.want("services", s.Services(s.key.Namespace), []naming.Key{s.key})
		if !slices.Contains(s.Namespaces(), s.key.Namespace) {
			s.Errorf("namespaces %v lack %s", s.Namespaces(), s.key.Namespace)
		}
		s.want("services more than before", s.Counts().Services-before.Services, 1)
		s.want("instances more than before", s.Counts().Instances-before.Instances, 1)
	}},
	{name: "registering again replaces the values", run: func(s *suite) {
		s.do(naming.Register{Instance: ephemeral("1.1.1.1")})
		in := ephemeral("1.1.1.1")
		in.Weight, in.Enabled, in.Metadata = 3, false, md("k", "v")
		s.do(naming.Register{Instance: in})
		got := s.only()
		s.want("weight, enabled, metadata", []any{got.Weight, got.Enabled, got.Metadata}, []any{3.0, false, in.Metadata})
	}},
	{name: "registering the same again changes nothing", run: func(s *suite) {
		s.do(naming.Register{Instance: ephemeral("1.1.1.1")})
		before := s.view()
		s.do(naming.Register{Instance: ephemeral("1.1.1.1")})
		s.want("revision", s.view().Revision, before.Revision)
	}},
	{name: "a deregistration is idempotent", run: func(s *suite) {
		gone := naming.Deregister{Addr: addr("1.1.1.1"), Ephemeral: true}
		s.do(gone)
		if s.view() != nil {
			s.Fatal("deregistering something unknown made a service")
		}
		s.do(naming.Register{Instance: ephemeral("1.1.1.1")})
		s.do(naming.Register{Instance: ephemeral("2.2.2.2")})
		s.do(gone)
		s.do(gone)
		s.want("who is left", s.only().IP, "2.2.2.2")
	}},
	{name: "a deregistration of the other kind does nothing", run: func(s *suite) {
		s.do(naming.Register{Instance: ephemeral("1.1.1.1")})
		s.do(naming.Deregister{Addr: addr("1.1.1.1"), Ephemeral: false})
		s.count(1)
	}},
	{name: "ephemeral and persistent are two instances", run: func(s *suite) {
		s.do(naming.Register{Instance: ephemeral("1.1.1.1")})
		s.do(naming.Register{Instance: persistent("1.1.1.1")})
		s.count(2)
		s.do(naming.Deregister{Addr: addr("1.1.1.1"), Ephemeral: true})
		s.want("ephemeral", s.only().Ephemeral, false)
	}},
	{name: "instances are sorted by address", run: func(s *suite) {
		for _, ip := range []string{"3.3.3.3", "1.1.1.1", "2.2.2.2"} {
			s.do(naming.Register{Instance: ephemeral(ip)})
		}
		s.shown(false, "1.1.1.1", "2.2.2.2", "3.3.3.3")
	}},
	{name: "an ip:port in two clusters is two instances", model: V1, run: func(s *suite) {
		s.twoClusters()
		s.count(2)
		s.do(naming.Deregister{Addr: addr("1.1.1.1"), Ephemeral: true})
		s.want("cluster", s.only().Cluster, "b")
	}},
	{name: "an ip:port is in the cluster it was last registered in", model: V2, run: func(s *suite) {
		s.twoClusters()
		s.want("cluster", s.only().Cluster, "b")
		s.do(naming.Deregister{Addr: addr("1.1.1.1"), Ephemeral: true})
		s.count(0)
	}},
	{name: "a disabled instance is not shown in lists", run: func(s *suite) {
		in := ephemeral("1.1.1.1")
		in.Enabled = false
		s.do(naming.Register{Instance: in})
		s.do(naming.Register{Instance: ephemeral("2.2.2.2")})
		s.count(2)
		s.shown(false, "2.2.2.2")
	}},
	{name: "a list may name clusters", run: func(s *suite) {
		b := ephemeral("2.2.2.2")
		b.Cluster = "b"
		s.do(naming.Register{Instance: ephemeral("1.1.1.1")})
		s.do(naming.Register{Instance: b})
		for _, tt := range []struct {
			clusters []string
			want     int
		}{{nil, 2}, {[]string{"b"}, 1}, {[]string{"b", "DEFAULT"}, 2}, {[]string{"none"}, 0}} {
			if got := len(s.view().Select(tt.clusters, false).Instances); got != tt.want {
				s.Errorf("clusters %v: %d instances, want %d", tt.clusters, got, tt.want)
			}
		}
	}},
	{name: "services are apart from each other", run: func(s *suite) {
		keys := []naming.Key{s.key, s.key, s.key, s.key}
		keys[1].Name, keys[2].Group, keys[3].Namespace = "t", "g", s.key.Namespace+"-other"
		for i, key := range keys {
			s.key = key
			s.do(naming.Register{Instance: ephemeral([]string{"1.1.1.1", "2.2.2.2", "3.3.3.3", "4.4.4.4"}[i])})
		}
		for i, key := range keys {
			s.key = key
			s.want("instance of "+key.String(), s.only().IP, []string{"1.1.1.1", "2.2.2.2", "3.3.3.3", "4.4.4.4"}[i])
		}
		s.want("services", s.Services(keys[0].Namespace), []naming.Key{keys[0], keys[1], keys[2]})
	}},
	{name: "a view never changes", run: func(s *suite) {
		s.do(naming.Register{Instance: ephemeral("1.1.1.1")})
		s.do(naming.Update{Addr: addr("1.1.1.1"), Ephemeral: true, Overlay: naming.Overlay{Weight: 2, Enabled: true}})
		v := s.view()
		in, overlays := v.Instances[0], len(v.Overlays)
		s.do(naming.Update{Addr: addr("1.1.1.1"), Ephemeral: true, Overlay: naming.Overlay{Weight: 3, Enabled: true}})
		s.do(naming.Register{Instance: ephemeral("0.0.0.0")})
		s.do(naming.Deregister{Addr: addr("1.1.1.1"), Ephemeral: true})
		if len(v.Instances) != 1 || v.Instances[0] != in || in.Weight != 2 || len(v.Overlays) != overlays {
			s.Fatal("a view that was handed out was changed")
		}
	}},
	{name: "a persistent instance never expires", takesTime: true, run: func(s *suite) {
		s.do(naming.Register{Instance: persistent("1.1.1.1")})
		s.Advance(time.Hour)
		s.want("healthy", s.only().Healthy, true)
	}},
}

func (s *suite) twoClusters() {
	b := ephemeral("1.1.1.1")
	b.Cluster = "b"
	s.do(naming.Register{Instance: ephemeral("1.1.1.1")})
	s.do(naming.Register{Instance: b})
}
