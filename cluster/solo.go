package cluster

import (
	pacluster "github.com/asynkron/protoactor-go/cluster"
)

// solo is the ClusterProvider of a standalone node: the only member is this one.
type solo struct{ up chan struct{} }

// StartMember announces this node; the framework is up when it calls.
func (s *solo) StartMember(c *pacluster.Cluster) error {
	host, port, err := c.ActorSystem.GetHostPort()
	if err != nil {
		return err
	}
	c.MemberList.UpdateClusterTopology(pacluster.Members{{
		Id: c.ActorSystem.ID, Host: host, Port: int32(port), Kinds: c.GetClusterKinds(),
	}})
	close(s.up)
	return nil
}

// StartClient is never called: a node is always a member.
func (s *solo) StartClient(*pacluster.Cluster) error { return nil }

// Shutdown has nobody to tell.
func (s *solo) Shutdown(bool) error { return nil }
