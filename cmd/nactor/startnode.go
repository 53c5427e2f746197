package main

import (
	"context"

	"nactor/cmd/nactor/config"
	"nactor/cmd/nactor/logging"
	"nactor/cmd/nactor/node"
)

// startNode boots the node of a server process.
func startNode(ctx context.Context, cfg *config.Config, logs *logging.Logs, serving func(addr string) error) (runner, error) {
	n, err := node.Start(ctx, node.Options{Config: cfg, Logs: logs, Serving: serving})
	if err != nil {
		return nil, err // not n: a nil *Node is no nil runner
	}
	return n, nil
}
