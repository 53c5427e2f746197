package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

func removeMemberCommand() *cobra.Command {
	var server string
	var yes bool
	c := &cobra.Command{
		Use:   "remove ip:port|id",
		Short: "Remove a dead node for good, so that nothing waits for it any more",
		Long: "Removes a node that will never come back: the store, and an upgrade, no longer wait for it.\n" +
			"It is refused while the node is alive, and while too few of the others answer. The node cannot come\n" +
			"back with its data; with --replace-node it can join as a new one. Take it off conf/cluster.conf on\n" +
			"the others too.",
		Example: "  nactor members remove 10.0.0.3:8848 --server 10.0.0.1:8848 --yes",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, name := newClient(server), args[0]
			if !yes {
				state, err := stateOf(cmd, c, name)
				if err != nil {
					return err
				}
				return &coded{exitUsage, fmt.Errorf("%s is %s; a node that is only cut off or slow to start must not be removed: "+
					"if it will never come back with its data, say so with --yes", plain(name), state)}
			}
			if _, err := c.post(cmd.Context(), "/v1/core/cluster/server/leave", []string{name}); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is removed for good; take it off conf/cluster.conf on the other nodes\n", plain(name))
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&server, "server", "127.0.0.1:8848", "`host:port` of a running server, not the one to remove")
	f.BoolVar(&yes, "yes", false, "the node will never come back with its data")
	return c
}

// stateOf returns how a server sees another node.
func stateOf(cmd *cobra.Command, c *client, name string) (string, error) {
	body, err := c.get(cmd.Context(), "/v1/core/cluster/nodes", nil)
	if err != nil {
		return "", err
	}
	var answer struct {
		Data []struct{ Address, State string }
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return "", fmt.Errorf("the answer is not a list of members: %w", err)
	}
	for _, m := range answer.Data {
		if m.Address == name {
			return plain(m.State), nil
		}
	}
	return "", errors.New("no member has that address: see nactor members; an id needs --yes")
}
