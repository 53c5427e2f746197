package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"nactor/cmd/nactor/config"
	"nactor/cmd/nactor/logging"
	"nactor/persistence"
)

func serverCommand() *cobra.Command {
	var o config.Options
	var replace bool
	c := &cobra.Command{
		Use:   "server",
		Short: "Run a node in the foreground",
		Long: "Runs a node until SIGTERM or SIGINT; a second one ends it at once. bin/startup.sh runs it in the\n" +
			"background. Settings: conf/application.properties in the home, the environment, --set, flags;\n" +
			"the later one wins (docs/operations.md).\n\n" + exitCodesHelp,
		Example: "  nactor server -m standalone\n" +
			"  nactor server -m cluster -p embedded -c 10.0.0.1:8848,10.0.0.2:8848,10.0.0.3:8848 --set nactor.cluster.key=…\n" +
			"  nactor server -m cluster -p embedded --join 10.0.0.1:8848 --set nactor.cluster.key=…\n" +
			"  nactor server -m standalone --home /srv/nacos --set server.port=8858",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runServer(cmd.Context(), o, replace, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := c.Flags()
	f.StringVarP(&o.Mode, "mode", "m", "", "standalone or cluster (default cluster, as in Nacos)")
	f.StringVarP(&o.Storage, "storage", "p", "", "embedded: keep persistent data in the home")
	f.StringVarP(&o.Members, "members", "c", "", "nodes of the cluster, `ip:port,…`; wins over conf/cluster.conf")
	f.StringSliceVar(&o.Join, "join", nil, "living member to join, `host:port`; may be given several times")
	f.BoolVar(&replace, "replace-node", false, "put the data of this node aside and join the cluster as a new node (after damage)")
	f.StringVar(&o.Home, "home", "", "`directory` of conf, data and logs (default: the one above target/nactor, else the working directory)")
	f.StringVar(&o.AsVersion, "as-version", "", "Nacos `version` to present itself as")
	f.StringArrayVar(&o.Set, "set", nil, "set a property, `key=value`; may be given several times")
	return c
}

// runServer is the life of a server process: settings, home, logs, node.
func runServer(ctx context.Context, o config.Options, replace bool, stdout, stderr io.Writer) error {
	cfg, err := config.Load(o)
	if err == nil {
		err = unavailable(cfg)
	}
	if err != nil {
		return &coded{exitUsage, err}
	}
	home, err := takeHome(cfg.DataDir())
	if err != nil {
		return err
	}
	defer home.leave()
	if replace {
		if cfg.Mode != config.Cluster {
			return &coded{exitUsage, errors.New("--replace-node is for a node of a cluster: a server on its own has nobody to get its data from")}
		}
		aside, err := persistence.ReplaceNode(cfg.DataDir())
		if err != nil {
			return &coded{exitData, err}
		}
		fmt.Fprintf(stdout, "The data of this node was moved to %s; it joins the cluster as a new node\n", aside)
	}
	logs, err := logging.Open(cfg.LogDir(), cfg.Logging)
	if err != nil {
		return err
	}
	defer logs.Close()
	slog.SetDefault(logs.Main) // for libraries that log by themselves

	banner(stdout, cfg, os.Getpid())
	for _, w := range cfg.Warnings {
		logs.Main.Warn(w)
		fmt.Fprintln(stdout, "Warning:", w)
	}
	signals, stop := stopSignals()
	defer stop()
	p := process{
		start:   func(ctx context.Context) (runner, error) { return startNode(ctx, cfg, logs, home.announce) },
		signals: signals,
		ready: func() {
			started := startedLine(cfg)
			logs.Main.Info(started)
			fmt.Fprintln(stdout, started)
		},
		say: func(text string) {
			logs.Main.Info(text)
			fmt.Fprintln(stdout, text)
		},
	}
	err = p.run(ctx)
	if err != nil {
		logs.Main.Error("Nacos ended", "err", err)
		fmt.Fprintf(stderr, "Nacos failed, please see %s/nacos.log for more details.\n", cfg.LogDir())
	}
	return err
}

// unavailable refuses what Nacos has and this version has not.
func unavailable(cfg *config.Config) error {
	switch {
	case cfg.Mode == config.Cluster && cfg.Storage == config.Embedded && len(cfg.Peers)+len(cfg.Join) == 0:
		return errors.New("cluster mode needs to know its nodes: list them in conf/cluster.conf or with -c, or name a living one with --join; a node that is to be alone starts with -m standalone")
	case cfg.Storage == config.External:
		text := "external storage is not available yet: start with -p embedded"
		if _, source, ok := cfg.Raw.Lookup(config.KeyPlatform); ok {
			text += ", or remove " + config.KeyPlatform + " (" + source + ")"
		}
		return errors.New(text)
	case cfg.Auth:
		return errors.New("authentication is not available yet: nacos.core.auth.enabled=true would be a promise that this server does not keep; set it to false to serve everyone who can reach the port")
	}
	return nil
}
