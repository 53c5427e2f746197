package v1

import (
	"fmt"

	"nactor/naming"
)

// Step carries out one command and returns what it did. A step with Effects.Err set
// changed nothing.
func (s *Service) Step(env naming.Env, cmd naming.Command) naming.Effects {
	t := begin(s, env)
	switch c := cmd.(type) {
	case naming.Beat:
		t.beat(c)
	case naming.Register:
		t.register(c.Instance)
	case naming.Deregister:
		t.deregister(c)
	case naming.Update:
		t.update(c)
	case naming.Patch:
		t.patch(c)
	case naming.EditMetadata:
		t.editMetadata(c)
	case naming.CreateService:
		t.createService(c)
	case naming.UpdateService:
		t.updateService(c)
	case naming.RemoveService:
		t.removeService()
	case naming.UpdateCluster:
		t.updateCluster(c)
	case naming.SetHealth:
		t.setHealth(c)
	case naming.Tick:
		t.tick()
	default:
		t.Err = fmt.Errorf("service %s: unknown command %T", s.key, cmd)
	}
	return t.end()
}

func begin(s *Service, env naming.Env) step {
	return step{Service: s, now: env.Now, rules: env.Rules, stamp: env.Stamp, env: env}
}

func (t *step) end() naming.Effects {
	if t.Changed {
		t.memory.Touched = t.now
		if t.born && len(t.clusters) == 0 {
			t.wake(t.now.Add(t.rules.EmptyService))
		}
	}
	t.Empty = !t.born
	return t.Effects
}

// step is one Step under way: the service, and the effects so far.
type step struct {
	*Service
	naming.Effects
	now   naming.Instant
	rules *naming.Rules
	stamp uint64
	env   naming.Env
}

func (t *step) changed(kind naming.EventKind, in *naming.Instance) {
	t.Changed = true
	t.Events = append(t.Events, naming.Event{Kind: kind, Instance: in})
}

func (t *step) record(r naming.Record) {
	r.Key = t.key
	t.Records = append(t.Records, r)
}

// save writes down a persistent instance, as registered.
func (t *step) save(in *naming.Instance) {
	if in.Ephemeral {
		return
	}
	base := in.Base()
	if base != in && base.Healthy != in.Healthy {
		b := *base
		b.Healthy = in.Healthy
		base = &b
	}
	t.record(naming.Record{Kind: naming.RecordInstance, Addr: in.Addr(), Instance: base})
}
