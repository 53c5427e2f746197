package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

func membersCommand() *cobra.Command {
	var server target
	var asJSON bool
	c := &cobra.Command{
		Use:     "members",
		Short:   "List the nodes of a cluster as a running server sees them",
		Example: "  nactor members --server 10.0.0.1:8848",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			body, err := server.get(cmd.Context(), "/v1/core/cluster/nodes", nil)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), body)
			}
			return printMembers(cmd.OutOrStdout(), body, time.Now())
		},
	}
	f := c.Flags()
	server.flag(c)
	f.BoolVar(&asJSON, "json", false, "print the answer as JSON")
	c.AddCommand(removeMemberCommand())
	return c
}

// printMembers prints Nacos's list of members as a table.
func printMembers(w io.Writer, body []byte, now time.Time) error {
	var answer struct {
		Data []struct {
			Address, State string
			ExtendInfo     struct {
				Version         string
				RaftPort        string
				LastRefreshTime int64
				ReadyToUpgrade  *bool
				RaftMetaData    struct {
					MetaDataMap map[string]struct{ Leader string }
				}
			}
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("the answer is not a list of members: %w", err)
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "ADDRESS\tSTATE\tVERSION\tREADY TO UPGRADE\tSTORE\tHEARD")
	for _, m := range answer.Data {
		e := m.ExtendInfo
		ready, store, heard := "-", "-", "-"
		if e.ReadyToUpgrade != nil {
			ready = fmt.Sprint(*e.ReadyToUpgrade)
		}
		for _, group := range e.RaftMetaData.MetaDataMap {
			store = "follower"
			if strings.HasSuffix(group.Leader, ":"+e.RaftPort) && strings.HasPrefix(m.Address, group.Leader[:strings.LastIndexByte(group.Leader, ':')+1]) {
				store = "leader"
			}
		}
		if e.LastRefreshTime > 0 {
			heard = now.Sub(time.UnixMilli(e.LastRefreshTime)).Round(time.Second).String() + " ago"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\n", plain(m.Address), plain(m.State), or(plain(e.Version), "-"), ready, store, heard)
	}
	return tw.Flush()
}

func or(s, def string) string {
	if s == "" {
		return def
	}
	return s
}
