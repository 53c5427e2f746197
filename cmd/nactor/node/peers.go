package node

import (
	"sync/atomic"

	"google.golang.org/protobuf/proto"

	"nactor/cluster"
)

// peers lets services send before there is a cluster: then there is nobody to send to.
type peers struct {
	to atomic.Pointer[cluster.Cluster]
}

func (p *peers) set(c *cluster.Cluster) { p.to.Store(c) }

// Send implements actors.Peers.
func (p *peers) Send(to, inbox string, message proto.Message) {
	if c := p.to.Load(); c != nil {
		c.Send(to, inbox, message)
	}
}

// doubt tells the membership what the links have noticed.
func (p *peers) doubt(id string, silent bool) {
	if c := p.to.Load(); c != nil {
		c.Membership().Doubt(id, silent)
	}
}
