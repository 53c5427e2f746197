package dual

import (
	"time"

	"nactor/naming"
	"nactor/naming/upgrade"
)

// RepairTime is how long an operator's write to the structure that does not serve lasts
// before the double write puts it right, unless a change of the service does so earlier.
const RepairTime = 20 * time.Second

// in carries out a command on the structure that it names.
func (s *Service) in(env naming.Env, c naming.In) naming.Effects {
	layout := s.Layout()
	if p := s.pair(); c.Structure == V1 && p != nil && p.one != nil && !p.one.Exists() {
		if err := unknown(p.key, c.Command); err != nil {
			return naming.Effects{Err: err, Empty: !s.Exists()}
		}
	}
	switch {
	case layout.Serves == c.Structure:
		return s.held.Step(env, c.Command)
	case !layout.Keeps(c.Structure):
		return naming.Effects{Err: notKept(c.Structure), Empty: !s.Exists()}
	}
	return s.pair().repair(env, c.Command)
}

// unknown is what Nacos 2.0.3 answers to an operator's write to a service that its 1.x
// structure does not have. (Clients get the words of 1.4.2.)
func unknown(key naming.Key, cmd naming.Command) error {
	switch cmd.(type) {
	case naming.Update, naming.UpdateService:
		return naming.Rejected("service not found, namespace: %s, serviceName: %s", key.Namespace, key.Grouped())
	case naming.RemoveService:
		return naming.Rejected("specified service not exist, serviceName : %s", key.Grouped())
	}
	return nil
}

// notKept refuses a write to a structure that is not there.
func notKept(x Structure) error {
	if x == V1 {
		return naming.Invalid("there is no v1 structure: double write is closed, or was never open; write with ver=v2")
	}
	return naming.Invalid("there is no v2 structure: the service lives on a node of version 1.X; write with ver=v1, or replace that node by 2.X first")
}

// repair carries out a command on the structure that does not serve. Nothing of it is to be
// written down or shown: if it makes the structures differ the double write undoes it.
func (p *pair) repair(env naming.Env, cmd naming.Command) naming.Effects {
	var other structure = p.one
	if p.layout.Serves == V1 {
		other = p.two
	}
	heard := p.heard()
	e := other.Step(env, cmd)
	for clock, was := range heard {
		*clock = was // the structures share them, and nobody was heard of
	}
	if e.Changed {
		p.compared = false
		p.backlog.add(upgrade.Task{Content: upgrade.Both}, env.Now, RepairTime)
		p.backlog.repairs++
		if p.inSync() {
			p.backlog.at = env.Now // repaired: also what views do not show
		}
	}
	return naming.Effects{Err: e.Err, Result: e.Result, Empty: !p.Exists()}
}

// heard returns what the clocks of the instances say that readers are shown.
func (p *pair) heard() map[*naming.BeatClock]naming.BeatClock {
	out := map[*naming.BeatClock]naming.BeatClock{}
	if v := shown(p.structure); v != nil {
		for _, in := range v.Instances {
			if c := p.Clock(in.Addr(), in.Ephemeral); c != nil {
				out[c] = *c
			}
		}
	}
	return out
}

// viewIn returns what a structure shows; nil for nothing.
func (s *Service) viewIn(x Structure) *naming.View {
	p := s.pair()
	switch {
	case p == nil && x != V2:
		return nil
	case p == nil:
		return shown(s.held)
	}
	one, two := p.views()
	if x == V1 {
		return one
	}
	return two
}

// Repairs returns how many writes of operators to the structure that does not serve wait to
// be put right. As long as there are some the structure may hold what the one that serves
// does not.
func (s *Service) Repairs() int {
	if p := s.pair(); p != nil {
		return p.backlog.repairs
	}
	return 0
}
