package actors

import (
	"context"
	"slices"
	"strings"
	"time"

	"nactor/naming"
	"nactor/naming/dual"
)

// inspect asks a service to describe itself.
type inspect struct{ reply chan ServiceInfo } // capacity 1

// ServiceInfo is what an active service says of itself.
type ServiceInfo struct {
	Identity   string
	Node       string // id of the node that it lives on
	PID        string
	Revision   naming.Revision
	Serves     dual.Structure
	V1, V2     int           // instances in each structure
	Pending    bool          // a double write waits
	Mailbox    int64         // calls under way
	Committing bool          // waits for the store
	LastBeat   time.Duration // ago; negative: none in this life
	Handled    uint64        // messages in this life
}

func (s *service) describe() ServiceInfo {
	info := ServiceInfo{
		Identity:   s.handle.key.String(),
		Node:       s.Self,
		PID:        s.ctx.Self().Id,
		Revision:   s.rev,
		Serves:     s.state.Layout().Serves,
		Mailbox:    s.handle.pending.Load(),
		Committing: s.handle.batch != nil,
		LastBeat:   -1,
		Handled:    s.handled,
	}
	one, two := s.state.Counts()
	info.V1, info.V2 = one.Ephemeral+one.Persistent, two.Ephemeral+two.Persistent
	_, _, info.Pending = s.state.Pending()
	if s.lastBeat != 0 {
		info.LastBeat = s.Clock.Now().Since(s.lastBeat)
	}
	return info
}

// Activation is an active service.
type Activation struct{ Identity, PID, Node string }

// activeHere returns how many active services of this node contain part in their identity,
// and the first limit of them, sorted.
func (s *Services) activeHere(part string, limit int) (int, []Activation) {
	var out []Activation
	for _, h := range s.handles.all() {
		id := h.key.String()
		if pid := h.pid.Load(); pid != nil && strings.Contains(id, part) {
			out = append(out, Activation{id, pid.Id, s.Self})
		}
	}
	slices.SortFunc(out, func(a, b Activation) int { return strings.Compare(a.Identity, b.Identity) })
	return len(out), out[:min(limit, len(out))]
}

// inspectHere is [Services.Inspect] on this node.
func (s *Services) inspectHere(ctx context.Context, identity string) (ServiceInfo, error) {
	key, ok := naming.ParseIdentity(identity)
	if !ok {
		return ServiceInfo{}, naming.Invalid("identity %q is not of the form namespace@@group@@service", identity)
	}
	h := s.handles.find(key)
	if h == nil {
		return ServiceInfo{}, naming.NotFound("service %s is not active on this node", identity)
	}
	if ok, _ := h.acquire(); !ok {
		return ServiceInfo{}, naming.Unavailable("service %s is overloaded or about to stop", identity)
	}
	m := &inspect{reply: make(chan ServiceInfo, 1)}
	pid := s.locate(h)
	if pid == nil {
		return ServiceInfo{}, naming.NotFound("service %s is not active on this node", identity)
	}
	s.place.System().Root.Send(pid, m)
	select {
	case info := <-m.reply:
		return info, nil
	case <-ctx.Done():
		return ServiceInfo{}, naming.Unavailable("service %s did not answer in time: %w", identity, ctx.Err())
	}
}
