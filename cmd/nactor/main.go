// Command nactor is a naming server that Nacos clients take for Nacos, and the tool that
// operates it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"nactor/bench"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run carries out a command line and returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	// What fails before a command begins to run is wrong on the command line.
	running := false
	root.PersistentPreRunE = func(c *cobra.Command, _ []string) error {
		if err := c.ValidateFlagGroups(); err != nil { // cobra would look later
			return err
		}
		running = true
		return nil
	}
	err := root.ExecuteContext(context.Background())
	if err == nil {
		return exitOK
	}
	if !errors.Is(err, errSilent) {
		fmt.Fprintf(stderr, "nactor: %v\n", err)
	}
	if !running {
		fmt.Fprintln(stderr, "nactor: see nactor --help")
		return exitUsage
	}
	return exitCode(err)
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "nactor",
		Short: "A naming server (service registry) that Nacos clients take for Nacos 2.0",
		Long: "Nactor is a naming server (service registry) that Nacos clients take for Nacos 2.0.\n\n" +
			exitCodesHelp,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(serverCommand(), versionCommand(), actorsCommand(), membersCommand(), upgradeCommand(), readyCommand(), pidCommand(), bench.Command())
	return root
}
