package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"nactor/cluster"
	"nactor/naming"
	"nactor/persistence"
)

// removedNode is a node that an operator has removed for good. Its id never comes back: what
// it holds is out of date, and a node of 1.X would take the cluster back to 1.X.
type removedNode struct {
	ID      string    `json:"id"`
	Address string    `json:"address"` // of HTTP
	At      time.Time `json:"at"`
}

// removedNodes are all of them, as the store has them. Immutable.
type removedNodes struct {
	list    []removedNode // the newest last
	version uint64        // of the document
}

// removedDocument is the name of their document in the store.
const removedDocument = "removed-members"

// maxRemoved are remembered. It is a bound, no more: each was a machine that broke.
const maxRemoved = 1000

func decodeRemoved(value []byte, version uint64) (*removedNodes, error) {
	out := &removedNodes{version: version}
	if len(value) == 0 {
		return out, nil
	}
	if err := json.Unmarshal(value, &out.list); err != nil {
		return nil, fmt.Errorf("read which nodes were removed for good: %w", err)
	}
	return out, nil
}

// with returns the document with more nodes in it.
func (r *removedNodes) with(more []removedNode) ([]byte, error) {
	list := slices.DeleteFunc(slices.Clone(r.list), func(old removedNode) bool {
		return slices.ContainsFunc(more, func(m removedNode) bool { return m.ID == old.ID })
	})
	list = append(list, more...)
	return json.Marshal(list[max(0, len(list)-maxRemoved):])
}

func (r *removedNodes) find(id string) *removedNode {
	i := slices.IndexFunc(r.list, func(m removedNode) bool { return m.ID == id })
	if i < 0 {
		return nil
	}
	return &r.list[i]
}

// readRemoved reads which nodes were removed, and follows it from now on.
func (n *Node) readRemoved() error {
	n.raft.OnDocument(func(name string, value []byte, version uint64) {
		if name != removedDocument {
			return
		}
		if err := n.noteRemoved(value, version); err != nil {
			n.logs.Main.Error("a change in the store is not understood", "err", err)
		}
	})
	value, version, err := n.raft.Document(removedDocument)
	if err != nil {
		return err
	}
	return n.noteRemoved(value, version)
}

func (n *Node) noteRemoved(value []byte, version uint64) error {
	next, err := decodeRemoved(value, version)
	if err != nil {
		return err
	}
	for {
		old := n.removed.Load()
		if old != nil && old.version >= version {
			return nil
		}
		if n.removed.CompareAndSwap(old, next) {
			n.wakeStore()
			return nil
		}
	}
}

func (n *Node) isRemoved(id string) bool { return n.removed.Load().find(id) != nil }

// returned returns a node that is here although it was removed, "" for none.
func (n *Node) returned() string {
	for _, m := range n.membership().Members().All() {
		if m.Up() && n.isRemoved(m.ID) {
			return m.ID
		}
	}
	return ""
}

// expelled tells that this node was removed for good. Its own store need not know: it hears
// it from those that are members.
func (n *Node) expelled() error {
	self, by := n.store.NodeID(), ""
	for _, m := range n.membership().Members().All() {
		if m.Up() && m.Removed == self {
			by = m.Addr()
		}
	}
	switch r := n.removed.Load().find(self); {
	case r != nil:
		by = "an operator did so at " + r.At.Format(time.RFC3339)
	case by != "":
		by = "says " + by
	default:
		return nil
	}
	return fmt.Errorf("%w (%s): start it with --replace-node, which puts its data aside and has it join as a new node, or not at all", persistence.ErrRemoved, by)
}

// RemoveMembers implements http.Members. What is decided is in the store, and carried out by
// its leader.
func (n *Node) RemoveMembers(ctx context.Context, names []string) error {
	if n.raft == nil {
		return naming.Invalid("a server on its own has no other members to remove")
	}
	var dead []removedNode
	for _, name := range names {
		found, err := n.deadMembers(ctx, name)
		if err != nil {
			return err
		}
		dead = append(dead, found...)
	}
	for len(dead) > 0 {
		now := n.removed.Load()
		value, err := now.with(dead)
		if err != nil {
			return fmt.Errorf("remember which nodes were removed: %w", err)
		}
		_, err = n.raft.PutDocument(ctx, removedDocument, now.version, value)
		if err == nil {
			break
		}
		if !errors.Is(err, persistence.ErrConflict) {
			return err
		}
		select { // somebody else removes nodes too
		case <-time.After(readyPause):
		case <-ctx.Done():
			return naming.Unavailable("nothing was removed: %w", ctx.Err())
		}
	}
	for _, d := range dead {
		n.logs.Main.Warn("an operator has removed a node for good", "node", d.Address, "id", d.ID)
	}
	return n.awaitRemoval(ctx, dead)
}

// awaitRemoval waits until the store goes on without them.
func (n *Node) awaitRemoval(ctx context.Context, dead []removedNode) error {
	t := time.NewTicker(readyPause / 5)
	defer t.Stop()
	for slices.ContainsFunc(n.raft.Peers(), func(v persistence.Server) bool {
		return slices.ContainsFunc(dead, func(d removedNode) bool { return d.ID == v.ID })
	}) {
		select {
		case <-t.C:
		case <-ctx.Done():
			return naming.Unavailable("the removal is decided, and is carried out as soon as a majority of the other members answers: %w", ctx.Err())
		}
	}
	return nil
}

// deadMembers returns the nodes with a name, an address or an id, or why they cannot be
// removed: whoever may be alive is not.
func (n *Node) deadMembers(ctx context.Context, name string) ([]removedNode, error) {
	ms := n.membership().Members()
	known := map[string]string{} // id → address
	votes := map[string]bool{}
	for _, v := range n.raft.Peers() {
		known[v.ID], votes[v.ID] = n.httpAddr(v.Addr), true
	}
	for _, m := range ms.All() {
		if !n.isRemoved(m.ID) || votes[m.ID] {
			known[m.ID] = m.Addr()
		}
	}
	var out []removedNode
	var all []string
	for id, addr := range known {
		all = append(all, addr)
		if id != name && addr != name {
			continue
		}
		m := ms.Find(id)
		switch {
		case id == n.store.NodeID():
			return nil, naming.Invalid("%s is the node that you ask: if it is to go, stop it and ask another", addr)
		case m != nil && (m.Status == cluster.Alive || m.Status == cluster.Suspect):
			return nil, naming.Invalid("%s is not removed: it is %s; stop it first", addr, m.Status)
		case votes[id]:
			if err := n.raft.Spare(ctx, id); err != nil {
				return nil, err
			}
		}
		out = append(out, removedNode{ID: id, Address: addr, At: time.Now().UTC().Truncate(time.Second)})
	}
	gone := slices.ContainsFunc(n.removed.Load().list, func(r removedNode) bool { return r.ID == name || r.Address == name })
	if len(out) == 0 && !gone { // said twice it is done already
		slices.Sort(all)
		return nil, naming.Invalid("no member is called %.64q; there are %s", name, strings.Join(slices.Compact(all), ", "))
	}
	return out, nil
}
