package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/spf13/cobra"
)

func readyCommand() *cobra.Command {
	var server, home string
	var wait time.Duration
	c := &cobra.Command{
		Use:   "ready",
		Short: "Tell whether a server is ready to serve",
		Long: "Asks a server whether it is ready, again and again until --timeout; exit code 0 when it is, else 1\n" +
			"with the reason. Without --server it asks the server that runs in the home.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if server != "" && home != "" {
				return &coded{exitUsage, errors.New("--server and --home both say which server: give one")}
			}
			find := func() (string, error) { return server, nil }
			if server == "" {
				dir, err := dataDir(home)
				if err != nil {
					return err
				}
				find = func() (string, error) { return addressOf(dir) }
			}
			return waitReady(cmd.Context(), find, wait)
		},
	}
	f := c.Flags()
	f.StringVar(&server, "server", "", "`host:port` of the server")
	f.StringVar(&home, "home", "", "`directory` of the server (default as for nactor server)")
	f.DurationVar(&wait, "timeout", 0, "how long to go on asking, such as 60s; 0: ask once")
	return c
}

// addressOf returns where the server of a data directory answers on this machine.
func addressOf(dir string) (string, error) {
	pid, addr, err := servedBy(dir)
	switch {
	case err != nil:
		return "", err
	case pid == 0:
		return "", errors.New("no server runs in this home")
	case addr == "":
		return "", fmt.Errorf("the server (%d) is still starting and does not answer yet", pid)
	}
	return dialable(addr), nil
}

// dialable turns the address that a server listens on into one to connect to.
func dialable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return addr
}

const readyInterval = 100 * time.Millisecond

// waitReady asks until the server is ready or the time is over, at least once.
func waitReady(ctx context.Context, find func() (string, error), wait time.Duration) error {
	deadline := time.Now().Add(wait)
	for {
		addr, err := find()
		if err == nil {
			_, err = newClient(addr).get(ctx, "/v1/console/health/readiness", nil)
		}
		if err == nil {
			return nil
		}
		if time.Now().Add(readyInterval).After(deadline) {
			return fmt.Errorf("not ready: %w", err)
		}
		select {
		case <-time.After(readyInterval):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
