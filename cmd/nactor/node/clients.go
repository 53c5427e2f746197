package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"nactor/grpc"
	"nactor/naming/upgrade/switchover"
)

// listenForClients takes the port of 2.x clients. A node of 1.X has none.
func (n *Node) listenForClients() (err error) {
	if switchover.Old(n.cfg.AsVersion) {
		return nil
	}
	n.clientsListener, err = n.listen("2.x clients (gRPC)", n.cfg.GRPCPort())
	return err
}

// listen takes a port of clients. The error names the setting that is at fault.
func (n *Node) listen(what string, port int) (net.Listener, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(n.cfg.BindAddress, strconv.Itoa(port)))
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("listen for %s on port %d: %w; stop what uses it, or set another server.port", what, port, err)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("listen for %s on port %d: %w; set another server.port", what, port, err)
	}
	return nil, fmt.Errorf("listen for %s: %w; set server.address to an address of this machine, or leave it out to listen on all", what, err)
}

// serveClients starts the front for 2.x clients. They are told to try later until the node
// serves.
func (n *Node) serveClients() {
	if n.clientsListener == nil {
		return
	}
	n.limitRule = newLimitRule(n.cfg, n.logs.Main)
	n.wg.Go(func() { n.every(ruleEvery, n.limitRule.read) })
	server := grpc.New(grpc.Config{
		Logger: n.logs.Main, Registry: n.services, Reader: n.views, Connections: n.clients, Switches: n.settings.Switches,
		Starting: func() bool { return n.Status().State != "UP" }, By1X: n.by1X, MaxMessage: n.cfg.GRPCMaxMessage,
		PushWindow: n.cfg.PushDelay, Limits: n.limitRule.now,
	})
	n.clientFront.Store(server)
	n.clients.Announce(front{n})
	n.wg.Go(func() {
		if err := server.Serve(n.clientsListener); err != nil {
			n.end(err)
		}
	})
}

// dismissClients sends 2.x clients to another node, and takes no more.
func (n *Node) dismissClients(ctx context.Context) {
	if f := n.clientFront.Load(); f != nil {
		_ = f.Shutdown(ctx)
	} else if n.clientsListener != nil {
		n.clientsListener.Close()
	}
}
