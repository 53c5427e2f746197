package namingtest

import (
	"time"

	"nactor/naming"
)

var operatorBehaviours = []behaviour{
	{name: "PUT sets weight, enabled and metadata", run: func(s *suite) {
		in := ephemeral("1.1.1.1")
		in.Metadata = md("k", "1")
		s.do(naming.Register{Instance: in})
		s.do(naming.Update{Addr: in.Addr(), Ephemeral: true, Overlay: naming.Overlay{Weight: 7, Enabled: false, Metadata: md("k", "2", "note", "x")}})
		got := s.only()
		s.want("weight, enabled, metadata", []any{got.Weight, got.Enabled, got.Metadata}, []any{7.0, false, md("k", "2", "note", "x")})
	}},
	{name: "what an operator set survives a registration", model: V2, run: func(s *suite) {
		s.putThenRegister()
		s.want("weight", s.only().Weight, 7)
		s.want("metadata", s.only().Metadata, md("k", "1", "note", "x"))
	}},
	{name: "what an operator set survives a short absence", model: V2, takesTime: true, run: func(s *suite) {
		s.putThenRegister()
		s.do(naming.Deregister{Addr: addr("1.1.1.1"), Ephemeral: true})
		s.Advance(50 * time.Second)
		s.do(naming.Register{Instance: ephemeral("1.1.1.1")})
		s.want("weight", s.only().Weight, 7)
		s.do(naming.Deregister{Addr: addr("1.1.1.1"), Ephemeral: true})
		s.Advance(70 * time.Second)
		s.do(naming.Register{Instance: ephemeral("1.1.1.1")})
		s.want("weight after a long absence", s.only().Weight, 1)
	}},
	{name: "a registration overwrites what an operator set", model: V1, run: func(s *suite) {
		s.putThenRegister()
		s.want("weight", s.only().Weight, 2)
		s.want("metadata", s.only().Metadata, md("k", "1"))
	}},
	{name: "PUT of an unknown service is refused", run: func(s *suite) {
		text := "service not found, namespace: " + s.key.Namespace + ", service: "
		if s.Model == V1 {
			text += "DEFAULT_GROUP@@s"
		} else {
			text += "Service{namespace='" + s.key.Namespace + "', group='DEFAULT_GROUP', name='s', ephemeral=true, revision=0}"
		}
		s.refused(naming.Update{Addr: addr("1.1.1.1"), Ephemeral: true}, naming.KindRejected, text)
	}},
	{name: "PATCH changes what is given", run: func(s *suite) {
		in := ephemeral("1.1.1.1")
		in.Weight, in.Metadata = 5, md("k", "1")
		s.do(naming.Register{Instance: in})
		off := false
		s.do(naming.Patch{Addr: in.Addr(), Enabled: &off})
		got := s.only()
		s.want("weight, enabled, metadata", []any{got.Weight, got.Enabled, got.Metadata}, []any{5.0, false, md("k", "1")})
		w := 6.0
		s.do(naming.Patch{Addr: in.Addr(), Weight: &w})
		got = s.only()
		s.want("weight, enabled, metadata", []any{got.Weight, got.Enabled, got.Metadata}, []any{6.0, false, md("k", "1")})
	}},
	{name: "PATCH of an unknown instance is refused", run: func(s *suite) {
		kind, unknownService, unknownInstance := naming.KindNotFound, "no ips found for cluster DEFAULT in service DEFAULT_GROUP@@s", "no matched ip found!"
		if s.Model == V1 {
			kind, unknownService, unknownInstance = naming.KindInvalid, "instance not found", "instance not found"
		}
		s.refused(naming.Patch{Addr: addr("1.1.1.1")}, kind, unknownService)
		s.do(naming.Register{Instance: ephemeral("2.2.2.2")})
		s.refused(naming.Patch{Addr: addr("1.1.1.1")}, kind, unknownInstance)
	}},
	{name: "metadata of many instances at once", run: func(s *suite) {
		for _, ip := range []string{"1.1.1.1", "2.2.2.2", "3.3.3.3"} {
			s.do(naming.Register{Instance: ephemeral(ip)})
		}
		res := s.do(naming.EditMetadata{Metadata: md("a", "1", "b", "1")})
		s.want("updated", len(res.Updated), 3)
		res = s.do(naming.EditMetadata{Remove: true, Metadata: md("a", ""), Targets: []naming.Addr{addr("1.1.1.1"), addr("9.9.9.9")}})
		s.want("updated", len(res.Updated), 1)
		v := s.view()
		s.want("metadata", []any{v.Instances[0].Metadata, v.Instances[1].Metadata}, []any{md("b", "1"), md("a", "1", "b", "1")})
	}},
	{name: "health is the checker's, unless it is NONE", run: func(s *suite) {
		s.do(naming.Register{Instance: persistent("1.1.1.1")})
		put := naming.SetHealth{Addr: addr("1.1.1.1"), Healthy: false}
		if s.Model == V1 {
			s.refused(put, naming.KindInvalid, "health check is still working, service: DEFAULT_GROUP@@s")
		} else {
			s.refused(put, naming.KindRejected, "health check is still working, service: DEFAULT_GROUP@@s, cluster: DEFAULT")
		}
		s.do(naming.UpdateCluster{Cluster: naming.ClusterMeta{Name: "DEFAULT", Checker: naming.HealthChecker{Type: "NONE"}}})
		s.do(put)
		s.want("healthy", s.only().Healthy, false)
		s.do(naming.SetHealth{Addr: addr("1.1.1.1"), Healthy: true, Probe: true})
		s.want("healthy after a probe", s.only().Healthy, true)
		s.do(naming.SetHealth{Addr: addr("9.9.9.9"), Probe: true})
		s.count(1)
	}},
	{name: "protect threshold", run: func(s *suite) {
		s.do(naming.CreateService{Meta: naming.ServiceMeta{ProtectThreshold: 0.5}})
		for i, ip := range []string{"1.1.1.1", "2.2.2.2", "3.3.3.3"} {
			in := ephemeral(ip)
			in.Healthy = i > 0
			s.do(naming.Register{Instance: in})
		}
		s.shown(true, "2.2.2.2", "3.3.3.3")
		in := ephemeral("4.4.4.4")
		in.Healthy = false
		s.do(naming.Register{Instance: in})
		s.shown(true, "1.1.1.1", "2.2.2.2", "3.3.3.3", "4.4.4.4")
	}},
	{name: "a service that nobody created is protected at threshold 0", model: V1, run: func(s *suite) {
		s.sick()
		s.shown(true, "1.1.1.1")
	}},
	{name: "a service that nobody created is not protected", model: V2, run: func(s *suite) {
		s.sick()
		s.shown(true)
		s.shown(false, "1.1.1.1!")
	}},
}

func (s *suite) putThenRegister() {
	in := ephemeral("1.1.1.1")
	in.Weight, in.Metadata = 2, md("k", "1")
	s.do(naming.Register{Instance: in})
	s.do(naming.Update{Addr: in.Addr(), Ephemeral: true, Overlay: naming.Overlay{Weight: 7, Enabled: true, Metadata: md("note", "x")}})
	s.want("weight", s.only().Weight, 7)
	again := *in
	s.do(naming.Register{Instance: &again})
}

func (s *suite) sick() {
	in := ephemeral("1.1.1.1")
	in.Healthy = false
	s.do(naming.Register{Instance: in})
}
