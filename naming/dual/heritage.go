package dual

import (
	"nactor/naming"
	"nactor/naming/upgrade"
)

// Heritage returns the state that a new owner needs to go on from view, the newest one that
// was shown.
func (s *Service) Heritage(view *naming.View, now naming.Instant) naming.Heritage {
	return s.held.Heritage(view, now)
}

// Remembers returns until when this owner knows of an instance that was deregistered, which
// another owner may still believe to be there; false: of none.
func (s *Service) Remembers() (until naming.Instant, ok bool) { return s.held.Memory().Until() }

// Inherit merges what another owner knew, in whichever layout: of each ephemeral instance
// the later registration and the later beat. An instance that only one of them has stays,
// unless the other saw it deregistered after the one last heard of it. Persistent data is
// left alone; see [Service.Reconcile]. A view without a revision brings no service to life.
func (s *Service) Inherit(env naming.Env, h naming.Heritage) naming.Effects {
	if s.serves() == V2 {
		h = upgrade.V2Heritage(h)
	}
	return s.held.Inherit(env, h)
}

// Credit takes over the later word on when the instances were last heard of by another
// owner, whose view holds nothing that this one does not.
func (s *Service) Credit(env naming.Env, h naming.Heritage) naming.Effects {
	if s.serves() == V2 {
		h = upgrade.V2Heritage(h)
	}
	return s.held.Credit(env, h)
}

// Reconcile makes the durable part of the service what the store holds: metadata, overlays
// and persistent instances. Effects.Records has what 2.0 cannot hold of it, which must be
// deleted lest it comes back: where 1.x saved an ip:port in several clusters, all but one.
// Else there is nothing to write.
func (s *Service) Reconcile(env naming.Env, saved naming.Saved) naming.Effects {
	var surplus []*naming.Instance
	if s.serves() == V2 {
		saved, surplus = upgrade.V2Saved(saved, s.Clock)
	}
	e := s.held.Reconcile(env, saved)
	for _, in := range surplus {
		e.Records = append(e.Records, lost(saved.Key, in))
	}
	return e
}
