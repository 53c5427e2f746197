package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"nactor/cmd/nactor/config"
)

// Set by the linker: see the Makefile.
var (
	version = "dev"
	commit  = "unknown"
)

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program",
		Args:  cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintf(cmd.OutOrStdout(), "nactor %s (speaks as Nacos %s), commit %s, %s %s/%s\n",
				version, config.NacosVersion, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		},
	}
}
