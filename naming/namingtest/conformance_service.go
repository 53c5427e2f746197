package namingtest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"nactor/naming"
)

var serviceBehaviours = []behaviour{
	{name: "a created service is shown and stays", run: func(s *suite) {
		s.do(naming.CreateService{Meta: naming.ServiceMeta{ProtectThreshold: 0.3, Metadata: md("owner", "me")}})
		v := s.view()
		if v == nil || v.Meta == nil {
			s.Fatal("it is not shown")
		}
		s.want("metadata", []any{v.Meta.ProtectThreshold, v.Meta.Metadata}, []any{0.3, md("owner", "me")})
		s.want("services", s.Services(s.key.Namespace), []naming.Key{s.key})
		if s.Advance != nil {
			s.Advance(time.Hour)
			if s.view() == nil {
				s.Fatal("it is gone after an hour")
			}
		}
	}},
	{name: "a service is created once", run: func(s *suite) {
		s.do(naming.CreateService{})
		if s.Model == V1 {
			s.refused(naming.CreateService{}, naming.KindInvalid, "specified service already exists, serviceName : DEFAULT_GROUP@@s")
		} else {
			s.refused(naming.CreateService{}, naming.KindRejected, "specified service DEFAULT_GROUP@@s already exists!")
		}
	}},
	{name: "what is not there is not updated", run: func(s *suite) {
		s.refused(naming.UpdateService{}, naming.KindRejected, "service DEFAULT_GROUP@@s not found!")
		s.refused(naming.UpdateCluster{Cluster: naming.ClusterMeta{Name: "DEFAULT"}}, naming.KindRejected, "service not found:DEFAULT_GROUP@@s")
		if s.view() != nil {
			s.Fatal("a refused command made a service")
		}
	}},
	{name: "an update keeps the clusters", run: func(s *suite) {
		s.do(naming.Register{Instance: ephemeral("1.1.1.1")})
		for _, name := range []string{"b", "a"} {
			s.do(naming.UpdateCluster{Cluster: naming.ClusterMeta{Name: name, CheckPort: 81}})
		}
		s.do(naming.UpdateCluster{Cluster: naming.ClusterMeta{Name: "a", CheckPort: 82}})
		s.do(naming.UpdateService{Meta: naming.ServiceMeta{ProtectThreshold: 1}})
		m := s.view().Meta
		s.want("clusters", fmt.Sprint(m.Clusters[0].Name, m.Clusters[0].CheckPort, m.Clusters[1].Name, len(m.Clusters)), fmt.Sprint("a", 82, "b", 2))
		s.want("threshold", m.ProtectThreshold, 1)
	}},
	{name: "an empty service is removed on request", run: func(s *suite) {
		s.do(naming.CreateService{})
		s.do(naming.RemoveService{})
		if v := s.view(); v != nil {
			s.Fatalf("it is still shown: %+v", v)
		}
		s.want("services", len(s.Services(s.key.Namespace)), 0)
		s.do(naming.CreateService{})
	}},
	{name: "a service with instances is not removed", model: V2, run: func(s *suite) {
		s.do(naming.Register{Instance: ephemeral("1.1.1.1")})
		s.refused(naming.RemoveService{}, naming.KindRejected, "Service DEFAULT_GROUP@@s is not empty, can't be delete. Please unregister instance first")
	}},
	{name: "a service is removed with its instances", model: V1, run: func(s *suite) {
		s.do(naming.CreateService{Meta: naming.ServiceMeta{ProtectThreshold: 1}})
		s.do(naming.Register{Instance: ephemeral("1.1.1.1")})
		s.do(naming.Register{Instance: persistent("1.1.1.2")})
		s.do(naming.RemoveService{})
		s.want("the service is there", s.view() != nil, false)
		s.do(naming.Register{Instance: ephemeral("1.1.1.1")})
		s.count(1)
		s.want("threshold", s.view().Meta.ProtectThreshold, 0)
	}},
	{name: "removing an unknown service is refused", model: V1, run: func(s *suite) {
		s.refused(naming.RemoveService{}, naming.KindInvalid, "specified service not exist, serviceName : DEFAULT_GROUP@@s")
	}},
	{name: "removing an unknown service is fine", model: V2, run: func(s *suite) {
		s.do(naming.RemoveService{})
	}},
	{name: "names that 1.x does not take", model: V1, run: func(s *suite) {
		in := ephemeral("1.1.1.1")
		in.Cluster = "a_b"
		s.refused(naming.Register{Instance: in}, naming.KindInvalid, "cluster name can only have these characters: 0-9a-zA-Z-, current: a_b")
		s.key.Name = "ä"
		s.refused(naming.Register{Instance: ephemeral("1.1.1.1")}, naming.KindInvalid,
			"dom name can only have these characters: 0-9a-zA-Z-._:, current: DEFAULT_GROUP@@ä")
	}},
	{name: "an empty service goes after a minute", takesTime: true, run: func(s *suite) {
		s.do(naming.Register{Instance: ephemeral("1.1.1.1")})
		s.do(naming.Deregister{Addr: addr("1.1.1.1"), Ephemeral: true})
		s.Advance(59 * time.Second)
		if s.view() == nil {
			s.Fatal("gone after 59 s")
		}
		s.Advance(2 * time.Second)
		if s.view() != nil {
			s.Fatal("still there after 61 s")
		}
		s.do(naming.Register{Instance: ephemeral("1.1.1.1")})
		s.count(1)
	}},
	{name: "revisions only grow", run: func(s *suite) {
		last := s.do(naming.Register{Instance: ephemeral("1.1.1.1")}).Revision
		for i := range 5 {
			in := ephemeral("1.1.1.1")
			in.Weight = float64(i + 2)
			next := s.do(naming.Register{Instance: in}).Revision
			if next.Compare(last) <= 0 {
				s.Fatalf("revision %v after %v", next, last)
			}
			last = next
		}
	}},
}

var concurrencyBehaviours = []behaviour{
	{name: "registrations at the same time are all shown", run: func(s *suite) {
		const n = 200
		s.together(n, func(i int) naming.Command {
			return naming.Register{Instance: ephemeral(fmt.Sprintf("10.0.%d.%d", i/100, i%100))}
		})
		s.count(n)
		s.together(n, func(i int) naming.Command {
			return naming.Deregister{Addr: addr(fmt.Sprintf("10.0.%d.%d", i/100, i%100)), Ephemeral: true}
		})
		s.count(0)
	}},
	{name: "many services at the same time", run: func(s *suite) {
		var wg sync.WaitGroup
		keys := make([]naming.Key, 50)
		for i := range keys {
			keys[i] = s.key
			keys[i].Name = fmt.Sprintf("s%02d", i)
			for j := range 4 {
				wg.Go(func() {
					if _, err := s.Do(context.Background(), keys[i], naming.Register{Instance: persistent(fmt.Sprint("10.0.0.", j))}); err != nil {
						s.Error(err)
					}
				})
			}
		}
		wg.Wait()
		s.want("services", s.Services(s.key.Namespace), keys)
		for _, key := range keys {
			s.key = key
			s.count(4)
		}
	}},
	{name: "who has been answered sees it, whoever else writes", run: func(s *suite) {
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				ip := fmt.Sprint("10.0.0.", w)
				for i := range 50 {
					in := ephemeral(ip)
					in.Weight = float64(i)
					res, err := s.Do(context.Background(), s.key, naming.Register{Instance: in})
					v := s.view()
					if err != nil || v == nil {
						s.Errorf("%v, view %v", err, v)
						return
					}
					if got := v.Find(addr(ip)); got == nil || got.Weight != float64(i) || v.Revision.Compare(res.Revision) < 0 {
						s.Errorf("after weight %d at %v: %+v in view %v", i, res.Revision, got, v.Revision)
						return
					}
				}
			})
		}
		wg.Wait()
	}},
}

// together carries out n commands at once.
func (s *suite) together(n int, cmd func(int) naming.Command) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if _, err := s.Do(context.Background(), s.key, cmd(i)); err != nil {
				s.Error(err)
			}
		})
	}
	wg.Wait()
}
