package actors

import "nactor/naming"

// A durable command that finds nothing to do, such as a deregistration of an instance that
// is not here, writes nothing. In a cluster that answer may be wrong: this grain goes by
// what its node has read of the store, which another node may have changed. So the store is
// asked, by a commit of nothing, and the command carried out again on what is known then. A
// node without a majority cannot answer it at all.

// uncertain reports whether the outcome of a call must be confirmed by the store.
func (s *service) uncertain(c *call, cmd naming.Command, e naming.Effects) bool {
	return s.Saved != nil && !c.confirmed && len(e.Records) == 0 && !e.Changed && e.Err == nil && durable(cmd)
}

// durable reports whether a command is about what the store keeps.
func durable(cmd naming.Command) bool {
	switch c := cmd.(type) {
	case naming.Register:
		return !c.Instance.Ephemeral
	case naming.Deregister:
		return !c.Ephemeral
	case naming.Update, naming.Patch, naming.EditMetadata, naming.CreateService, naming.UpdateService, naming.RemoveService, naming.UpdateCluster:
		return true
	}
	return false
}

// ask waits for the store. No commit is under way. What is about to be written comes first:
// until it is, the state cannot be made what the store holds.
func (s *service) ask(c *call) {
	if s.writing() {
		s.waiting = append(s.waiting, c)
		return
	}
	c.confirmed = true
	b := &batch{asked: true, rev: s.rev, calls: []*call{c}}
	s.handle.batch = b
	root, self := s.place.System().Root, s.ctx.Self()
	s.Store.Commit(nil, func(err error) { go root.Send(self, &committed{b, err}) })
}

// heardFromStore returns the calls to carry out again.
func (s *service) heardFromStore(b *batch, err error) []*call {
	if err == nil {
		s.reconcile()
		for _, c := range b.calls {
			c.confirmed = !s.stale
		}
		return b.calls
	}
	for _, c := range b.calls {
		c.err = err
		s.reply(c)
	}
	return nil
}
