package node

import (
	"context"

	"nactor/actors"
	"nactor/grpc"
	"nactor/http"
	"nactor/naming"
)

// loader is the node as http.Loader, for operators.
type loader struct{ n *Node }

var (
	_ http.Loader  = loader{}
	_ actors.Front = front{}
)

// Clients implements http.Loader.
func (l loader) Clients() []http.Client {
	f := l.n.clientFront.Load()
	if f == nil {
		return nil
	}
	var out []http.Client
	for _, c := range f.Clients() {
		out = append(out, http.Client{
			ID: c.ID, Addr: c.Addr, Port: l.n.cfg.GRPCPort(), Version: c.Version, App: c.App, Tenant: c.Tenant,
			Labels: c.Labels, Since: c.Since, LastActive: c.LastActive,
		})
	}
	return out
}

// Loads implements http.Loader.
func (l loader) Loads(ctx context.Context) []http.ClientLoad {
	var out []http.ClientLoad
	for _, x := range l.n.clients.Loads(ctx) {
		if x.Serves {
			out = append(out, http.ClientLoad{Address: l.n.addrOf(x.Node), All: x.All, SDK: x.SDK, Limits: x.Limits, Load: x.Load})
		}
	}
	return out
}

// Reset implements http.Loader.
func (l loader) Reset(id, redirect string) {
	if f := l.n.clientFront.Load(); f != nil {
		f.Reset(id, grpc.Redirect(redirect))
	}
}

// Shrink implements http.Loader.
func (l loader) Shrink(ctx context.Context, address string, keep int, redirect string) error {
	id := l.n.store.NodeID()
	if address != l.n.Self().Address() {
		if id = l.n.idOf(address); id == "" {
			return naming.NotFound("%s is no node of this cluster", address)
		}
	}
	return l.n.clients.Shrink(ctx, id, keep, redirect)
}

// front is the node as actors.Front, for the other nodes.
type front struct{ n *Node }

// Load implements actors.Front.
func (f front) Load() actors.ClientLoad {
	out := actors.ClientLoad{Load: http.HostLoad(), Limits: f.n.limitRule.now().String()}
	if s := f.n.clientFront.Load(); s != nil {
		out.All, out.SDK = s.Count()
	}
	return out
}

// Shrink implements actors.Front.
func (f front) Shrink(keep int, redirect string) {
	if s := f.n.clientFront.Load(); s != nil {
		s.Shrink(keep, grpc.Redirect(redirect))
	}
}
