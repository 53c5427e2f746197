package node

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"nactor/cluster"
	"nactor/persistence"
)

// minVoters is how few members of the store the dead are not removed from, unless the
// operator took them off the list: what is removed cannot be counted on when it comes back.
const minVoters = 3

// voter is what the leader of the store knows of one of its members.
type voter struct {
	removed  bool           // an operator has removed it for good
	status   cluster.Status // "": not seen since this node started
	gone     time.Duration  // for how long it has not been here
	replaced bool           // another node is at its address
	listed   bool           // it is on this node's list
	lists    bool           // this node has a list: one that was told by --join has none
}

// look gathers what is known of a member of the store.
func (n *Node) look(ms *cluster.Members, voters []persistence.Server, v persistence.Server) voter {
	now, m := time.Now(), ms.Find(v.ID)
	out := voter{removed: n.isRemoved(v.ID)}
	addr := n.httpAddr(v.Addr)
	switch {
	case m == nil:
		out.gone = now.Sub(n.started)
		// Nodes that all start again may have changed addresses among themselves.
		out.replaced = slices.ContainsFunc(ms.All(), func(other *cluster.Member) bool {
			return other.Up() && other.RaftAddr() == v.Addr && !slices.ContainsFunc(voters, func(v persistence.Server) bool { return v.ID == other.ID })
		})
	default:
		addr, out.status = m.Addr(), m.Status
		out.replaced = slices.ContainsFunc(ms.All(), func(other *cluster.Member) bool {
			return other.ID != m.ID && other.Up() && other.Addr() == addr
		})
	}
	out.listed, out.lists = n.listed(addr), len(n.cfg.Peers) > 0
	if m == nil || out.here() {
		delete(n.goneSince, v.ID)
		return out
	}
	if _, ok := n.goneSince[v.ID]; !ok {
		n.goneSince[v.ID] = now
	}
	out.gone = now.Sub(n.goneSince[v.ID])
	return out
}

func (v voter) here() bool { return v.status == cluster.Alive || v.status == cluster.Suspect }

// obsolete tells why one of so many members of the store is to be removed, "" for one that
// is to stay. A node that left but is listed is expected back, for patience if enough others
// are left.
func (v voter) obsolete(voters int, patience time.Duration) string {
	switch {
	case v.removed:
		return "an operator has removed it for good"
	case v.here():
		return ""
	case v.replaced:
		return "another node has taken its place"
	case v.status == cluster.Left && !v.listed:
		return "it left and is not listed"
	case v.gone <= patience || voters <= minVoters && (v.listed || !v.lists):
		return ""
	case v.status == "":
		return "it has not been seen since this node started"
	}
	return fmt.Sprintf("it has been %s for %v", v.status, v.gone.Round(time.Second))
}

// httpAddr returns the address under which operators know the node with its store at an
// address.
func (n *Node) httpAddr(raftAddr string) string {
	host, port, err := net.SplitHostPort(raftAddr)
	p, bad := strconv.Atoi(port)
	if err != nil || bad != nil {
		return raftAddr
	}
	return net.JoinHostPort(host, strconv.Itoa(p+n.cfg.Port-n.cfg.RaftPort()))
}
