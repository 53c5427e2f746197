package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"
)

func actorsCommand() *cobra.Command {
	var server target
	var kind, node, name string
	var page, size int
	var asJSON bool
	c := &cobra.Command{
		Use:   "actors [identity]",
		Short: "List the actors of a running server, or show one",
		Example: "  nactor actors --name orders\n" +
			"  nactor actors public@@DEFAULT_GROUP@@orders",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if page < 1 || size < 1 {
				return &coded{exitUsage, errors.New("--page and --size count from 1")}
			}
			path := "/v1/core/ops/actors"
			query := url.Values{"pageNo": {strconv.Itoa(page)}, "pageSize": {strconv.Itoa(size)}}
			for k, v := range map[string]string{"kind": kind, "node": node, "name": name} {
				if v != "" {
					query.Set(k, v)
				}
			}
			if len(args) == 1 {
				path += "/detail"
				query = url.Values{"identity": {args[0]}}
			}
			body, err := server.get(cmd.Context(), path, query)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), body)
			}
			return printTable(cmd.OutOrStdout(), body)
		},
	}
	f := c.Flags()
	server.flag(c)
	f.StringVar(&kind, "kind", "", "actors of this kind only, such as service")
	f.StringVar(&node, "node", "", "actors on this node only")
	f.StringVar(&name, "name", "", "actors whose identity contains this `text`")
	f.IntVar(&page, "page", 1, "page to show")
	f.IntVar(&size, "size", 50, "actors a page")
	f.BoolVar(&asJSON, "json", false, "print the answer as JSON")
	return c
}

func printJSON(w io.Writer, body []byte) error {
	var b bytes.Buffer
	if err := json.Indent(&b, body, "", "  "); err != nil {
		return fmt.Errorf("the answer is not JSON: %w", err)
	}
	_, err := fmt.Fprintln(w, b.String())
	return err
}
