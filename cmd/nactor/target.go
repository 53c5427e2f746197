package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"nactor/cmd/nactor/config"
)

// usualServer is asked when nothing says which server is meant.
const usualServer = "127.0.0.1:8848"

// target is the server that a command asks: the one that --server names, else the one that runs in
// the home, else the usual one.
type target struct{ server string }

func (t *target) flag(c *cobra.Command) {
	c.Flags().StringVar(&t.server, "server", "", "`host:port` of a running server (default: the one of this home, else "+usualServer+")")
}

func (t *target) get(ctx context.Context, path string, query url.Values) ([]byte, error) {
	if t.server != "" {
		return newClient(t.server).get(ctx, path, query)
	}
	server, home := usualServer, ""
	if dir, err := config.FindHome(""); err == nil {
		home = dir
		if addr, err := addressOf(dataOf(dir)); err == nil {
			server = addr
		}
	}
	body, err := newClient(server).get(ctx, path, query)
	var none *noAnswer
	if errors.As(err, &none) {
		return nil, fmt.Errorf("%w; name a server with --server host:port (the home here is %s)", err, home)
	}
	return body, err
}
