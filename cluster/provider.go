package cluster

import (
	pacluster "github.com/asynkron/protoactor-go/cluster"
)

// provider is the ClusterProvider. It tells the framework of this node only, whoever else
// is here: the framework would put a member that disappears on a block list, for good, and
// a node that was merely cut off could never come back. Who the others are and what they
// own is what [Membership] says.
type provider struct{ up chan struct{} }

// StartMember announces this node; the framework is up when it calls.
func (p *provider) StartMember(c *pacluster.Cluster) error {
	host, port, err := c.ActorSystem.GetHostPort()
	if err != nil {
		return err
	}
	c.MemberList.UpdateClusterTopology(pacluster.Members{{
		Id: c.ActorSystem.ID, Host: host, Port: int32(port), Kinds: c.GetClusterKinds(),
	}})
	close(p.up)
	return nil
}

// StartClient is never called: a node is always a member.
func (p *provider) StartClient(*pacluster.Cluster) error { return nil }

// Shutdown has nobody to tell.
func (p *provider) Shutdown(bool) error { return nil }
