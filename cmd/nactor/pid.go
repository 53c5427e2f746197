package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"nactor/cmd/nactor/config"
)

func pidCommand() *cobra.Command {
	var home string
	c := &cobra.Command{
		Use:   "pid",
		Short: "Print the process id of the server that runs in a home",
		Long: "Prints the process id of the server that runs in a home; exit code 1 and no output when none does,\n" +
			"2 when the home is not there.\n" +
			"It asks for the lock that a server holds, so a stale file deceives nobody.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := dataDir(home)
			if err != nil {
				return err
			}
			pid, _, err := servedBy(dir)
			if err != nil {
				return err
			}
			if pid == 0 {
				return errSilent
			}
			fmt.Fprintln(cmd.OutOrStdout(), pid)
			return nil
		},
	}
	c.Flags().StringVar(&home, "home", "", "`directory` of the server (default as for nactor server)")
	return c
}

func dataDir(home string) (string, error) {
	home, err := config.FindHome(home)
	if err != nil {
		return "", &coded{exitUsage, err}
	}
	return dataOf(home), nil
}

func dataOf(home string) string { return filepath.Join(home, "data") }
