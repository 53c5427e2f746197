package namingtest

import (
	"time"

	"nactor/naming"
)

const ms = time.Millisecond

var beatBehaviours = []behaviour{
	{name: "a light beat of an unknown instance is not known", run: func(s *suite) {
		s.want("known", s.do(naming.Beat{Addr: addr("1.1.1.1")}).Known, false)
		if s.view() != nil {
			s.Fatal("a light beat made a service")
		}
		s.do(naming.Register{Instance: ephemeral("2.2.2.2")})
		s.want("known", s.do(naming.Beat{Addr: addr("1.1.1.1")}).Known, false)
		s.count(1)
	}},
	{name: "a full beat registers", run: func(s *suite) {
		in := ephemeral("1.1.1.1")
		in.Metadata = md("zone", "a")
		res := s.do(naming.Beat{Addr: in.Addr(), Instance: in})
		s.want("known", res.Known, true)
		s.want("metadata", s.only().Metadata, in.Metadata)
		s.want("known now", s.do(naming.Beat{Addr: in.Addr()}).Known, true)
	}},
	{name: "a full beat of a known instance changes nothing", run: func(s *suite) {
		s.do(naming.Register{Instance: ephemeral("1.1.1.1")})
		in := ephemeral("1.1.1.1")
		in.Weight = 9
		s.do(naming.Beat{Addr: in.Addr(), Instance: in})
		s.want("weight", s.only().Weight, 1)
	}},
	{name: "the answer to a beat tells the interval", run: func(s *suite) {
		in := ephemeral("2.2.2.2")
		in.Metadata = md(naming.MetaBeatInterval, "2000")
		s.do(naming.Register{Instance: ephemeral("1.1.1.1")})
		s.do(naming.Register{Instance: in})
		s.want("interval", s.do(naming.Beat{Addr: addr("1.1.1.1")}).Interval, 5*time.Second)
		s.want("interval of its own", s.do(naming.Beat{Addr: addr("2.2.2.2")}).Interval, 2*time.Second)
	}},
	{name: "a beat makes healthy", run: func(s *suite) {
		in := ephemeral("1.1.1.1")
		in.Healthy = false
		s.do(naming.Register{Instance: in})
		s.want("healthy", s.only().Healthy, false)
		s.do(naming.Beat{Addr: in.Addr()})
		s.want("healthy after a beat", s.only().Healthy, true)
	}},
	{name: "unhealthy after 15 s, gone after 30 s", takesTime: true, run: func(s *suite) {
		s.do(naming.Register{Instance: ephemeral("1.1.1.1")})
		s.Advance(14_900 * ms)
		s.want("healthy after 14.9 s", s.only().Healthy, true)
		s.Advance(200 * ms)
		s.want("healthy after 15.1 s", s.only().Healthy, false)
		s.Advance(14_800 * ms)
		s.count(1)
		s.Advance(200 * ms)
		s.count(0)
		s.want("known after 30.1 s", s.do(naming.Beat{Addr: addr("1.1.1.1")}).Known, false)
	}},
	{name: "an instance whose beats arrive in time is healthy", takesTime: true, run: func(s *suite) {
		s.do(naming.Register{Instance: ephemeral("1.1.1.1")})
		for range 20 {
			s.Advance(14_500 * ms)
			s.want("healthy", s.only().Healthy, true)
			s.do(naming.Beat{Addr: addr("1.1.1.1")})
		}
	}},
	{name: "a beat revives", takesTime: true, run: func(s *suite) {
		s.do(naming.Register{Instance: ephemeral("1.1.1.1")})
		s.Advance(20 * time.Second)
		s.want("healthy", s.only().Healthy, false)
		s.do(naming.Beat{Addr: addr("1.1.1.1")})
		s.Advance(14_900 * ms)
		s.want("healthy after a beat", s.only().Healthy, true)
	}},
	{name: "registering again is a sign of life", takesTime: true, run: func(s *suite) {
		s.do(naming.Register{Instance: ephemeral("1.1.1.1")})
		s.Advance(10 * time.Second)
		s.do(naming.Register{Instance: ephemeral("1.1.1.1")})
		s.Advance(10 * time.Second)
		s.want("healthy", s.only().Healthy, true)
	}},
	{name: "an operator's change is no sign of life", takesTime: true, run: func(s *suite) {
		s.do(naming.Register{Instance: ephemeral("1.1.1.1")})
		s.Advance(14 * time.Second)
		s.do(naming.Update{Addr: addr("1.1.1.1"), Ephemeral: true, Overlay: naming.Overlay{Weight: 2, Enabled: true}})
		s.Advance(1100 * ms)
		s.want("healthy", s.only().Healthy, false)
	}},
	{name: "an instance may set its own time-outs", takesTime: true, run: func(s *suite) {
		quick, slow := ephemeral("1.1.1.1"), ephemeral("2.2.2.2")
		quick.Metadata = md(naming.MetaBeatTimeout, "3000", naming.MetaDeleteTimeout, "6000")
		slow.Metadata = md(naming.MetaBeatTimeout, "60000", naming.MetaDeleteTimeout, "90000")
		s.do(naming.Register{Instance: quick})
		s.do(naming.Register{Instance: slow})
		s.Advance(3100 * ms)
		s.shown(false, "1.1.1.1!", "2.2.2.2")
		s.Advance(3000 * ms)
		s.shown(false, "2.2.2.2")
		s.Advance(53 * time.Second)
		s.shown(false, "2.2.2.2")
		s.Advance(1 * time.Second)
		s.want("healthy", s.only().Healthy, false)
		s.Advance(30 * time.Second)
		s.count(0)
	}},
	{name: "an operator may set an instance's time-outs", takesTime: true, run: func(s *suite) {
		s.do(naming.Register{Instance: ephemeral("1.1.1.1")})
		s.do(naming.EditMetadata{Metadata: md(naming.MetaBeatTimeout, "3000"), Targets: []naming.Addr{addr("1.1.1.1")}})
		s.Advance(3100 * ms)
		s.want("healthy", s.only().Healthy, false)
		s.do(naming.EditMetadata{Metadata: md(naming.MetaDeleteTimeout, "2000"), Targets: []naming.Addr{addr("1.1.1.1")}})
		s.Advance(100 * ms)
		s.count(0)
	}},
	{name: "enableClientBeat=true keeps an instance without beats", takesTime: true, run: func(s *suite) {
		in := ephemeral("1.1.1.1")
		in.Metadata = md(naming.MetaClientBeat, "true")
		s.do(naming.Register{Instance: in})
		s.Advance(time.Hour)
		s.want("healthy", s.only().Healthy, true)
	}},
}
