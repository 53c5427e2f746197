package simtest

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"nactor/actors"
	"nactor/naming"
	"nactor/naming/dual"
)

// look is a message to the grain of a service that never reaches it: whoever passes it on
// looks at the grain's state, on the grain's own turn.
type look struct {
	at   func(*dual.Service)
	done chan struct{}
}

// openToLooks carries out looks.
func openToLooks(next actor.ReceiverFunc) actor.ReceiverFunc {
	return func(ctx actor.ReceiverContext, envelope *actor.MessageEnvelope) {
		l, ok := envelope.Message.(*look)
		if !ok {
			next(ctx, envelope)
			return
		}
		defer close(l.done)
		state := reflect.ValueOf(ctx.Actor()).Elem().FieldByName("state")
		if !state.IsNil() {
			l.at((*dual.Service)(state.UnsafePointer()))
		}
	}
}

// inside looks at the grain of a service that lives on this node. False: none does.
func (n *node) inside(key naming.Key, at func(*dual.Service)) bool {
	n.place.mu.Lock()
	pid := n.place.pids[actors.ServiceKind+"/"+key.String()]
	n.place.mu.Unlock()
	if pid == nil {
		return false
	}
	l := &look{at, make(chan struct{})}
	n.place.system.Root.Send(pid, l)
	select {
	case <-l.done:
		return true
	case <-time.After(time.Second):
		return false // it has just gone
	}
}

// amiss tells what is wrong with the structures of a service at rest: a layout that the node
// does not go by, a double write that waits, a difference between the structures, one that
// should be gone.
func (n *node) amiss(key naming.Key, want dual.Layout) (text string) {
	n.inside(key, func(s *dual.Service) {
		one, two := s.Counts()
		_, attempts, waits := s.Pending()
		var differences []string
		for d := range s.Differences() {
			differences = append(differences, d.String())
		}
		switch {
		case s.Layout() != want:
			text = fmt.Sprintf("goes by %v, not %v", s.Layout(), want)
		case waits:
			text = fmt.Sprintf("has a double write that waits, after %d attempts", attempts)
		case len(differences) > 0:
			text = fmt.Sprintf("differs: %v", slices.Compact(differences))
		case want.DoubleWrite && (one.Services != two.Services || one.Ephemeral+one.Persistent != two.Ephemeral+two.Persistent):
			text = fmt.Sprintf("has %v in 1.x and %v in 2.0", one, two)
		case !want.DoubleWrite && (want.Serves == dual.V2 && one != dual.Count{} || want.Serves == dual.V1 && two != dual.Count{}):
			text = fmt.Sprintf("has %v in 1.x and %v in 2.0, and double write is off", one, two)
		}
	})
	return text
}
