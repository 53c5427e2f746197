package actors

import (
	"context"

	"nactor/naming"
)

// standstill is how long a node may not run at all, stopped by an operator or its host, and
// go on as if nothing had happened. After that the others may have taken over what it owned,
// and it has to join anew.
//
// What waited at its sockets meanwhile is carried out by nobody: who sent it has given up,
// and may have said something else since through another node. Heartbeats of that time would
// raise the dead.
const standstill = silence

// errStill answers what waited while this node stood still.
var errStill = naming.Unavailable("this node stood still and has to hear first what happened meanwhile; try again")

// stood reports whether this node has stood still and does not take part again yet.
func (s *Services) stood() bool { return s.steady != nil && s.steady.Stood() > 0 }

// revive has a node that stood still join anew. It is to be called again until stood is over.
func (s *Services) revive() {
	d := s.steady.Stood()
	if d == 0 {
		return
	}
	if !s.rejoins {
		s.rejoins = s.Stood != nil && s.Stood(d)
	}
	if !s.rejoins || s.keeper.ownsNothing() {
		s.rejoins = false
		s.steady.Revive()
		s.keeper.changed()
	}
}

// AwaitRevived waits until a node that stood still has given up what it owned before. Whoever
// has it join anew waits for that before it takes part again: it would not be seen that it
// owned nothing for a moment.
func (s *Services) AwaitRevived(ctx context.Context) error {
	return s.keeper.await(ctx, func() bool { return !s.stood() })
}

// aged makes the times in a heritage those of the machine: others did not stand still.
func (s *Services) aged(h *naming.Heritage) {
	if s.steady == nil {
		return
	}
	for i, d := range h.Silent {
		h.Silent[i] = s.steady.Elapsed(d)
	}
	for i := range h.Removed {
		h.Removed[i].Ago = s.steady.Elapsed(h.Removed[i].Ago)
	}
}
