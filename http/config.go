package http

import (
	"log/slog"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"nactor/naming"
)

// Config is what the front needs of its node. The fields up to Members must be set.
type Config struct {
	Registry      naming.Registry
	Reader        naming.Reader
	Structures    naming.Structures
	Subscriptions naming.Subscriptions
	Audience      naming.Audience
	Settings      naming.Settings
	Members       Members
	Upgrade       Upgrade

	By1X        func() bool                        // whether the logic of 1.X is in force; nil: never
	Owner       func(naming.Key) string            // address of the node that a service lives on, "" when it is not known; nil: this one
	SetLogLevel func(log string, level slog.Level) // of nacos, naming-server, naming-raft, naming-push; nil: nothing
	Inspector   Inspector                          // nil: there is nothing to inspect
	Loader      Loader                             // nil: there are no clients of 2.x
	Pushes      func() PushStats                   // nil: nothing is pushed
	Checks      func() CheckStats                  // nil: nothing is checked

	OpenAPI    []byte // the description of the API, served at /v1/openapi.yaml; nil: there is none
	Version    string // of Nacos, as clients are told; "": 2.0.3
	Standalone bool
	Logger     *slog.Logger         // nil: slog's default
	Metrics    *prometheus.Registry // served at /actuator/prometheus; nil: one of its own

	Limits       Limits
	ReadTimeout  time.Duration // for a whole request; 0: 5 s
	WriteTimeout time.Duration // for an answer; 0: 10 s
	IdleTimeout  time.Duration // between requests; 0: 60 s

	// PushAllowed decides whether a client that connects from peer may have pushes sent to
	// clientIP. nil: [DefaultPushAllowed] with TrustedCIDRs.
	PushAllowed  func(clientIP, peer netip.Addr) bool
	TrustedCIDRs []netip.Prefix
}

func (c Config) withDefaults() Config {
	if c.Version == "" {
		c.Version = "2.0.3"
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Metrics == nil {
		c.Metrics = prometheus.NewRegistry()
	}
	if c.By1X == nil {
		c.By1X = func() bool { return false }
	}
	if c.Owner == nil {
		c.Owner = func(naming.Key) string { return c.Members.Self().Address() }
	}
	if c.SetLogLevel == nil {
		c.SetLogLevel = func(string, slog.Level) {}
	}
	if c.Checks == nil {
		c.Checks = func() CheckStats { return CheckStats{} }
	}
	if c.Loader == nil {
		c.Loader = nobody{}
	}
	if c.Pushes == nil {
		c.Pushes = func() PushStats { return PushStats{} }
	}
	if c.PushAllowed == nil {
		c.PushAllowed = DefaultPushAllowed(c.TrustedCIDRs)
	}
	c.Limits = c.Limits.withDefaults()
	c.ReadTimeout = or(c.ReadTimeout, 5*time.Second)
	c.WriteTimeout = or(c.WriteTimeout, 10*time.Second)
	c.IdleTimeout = or(c.IdleTimeout, 60*time.Second)
	return c
}

// or returns v, or def when v is zero.
func or[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// PushStats are counters of pushes since the start.
type PushStats struct {
	Sent, Failed     int64         // pushes; a repeated datagram is one push
	AvgCost, MaxCost time.Duration // from sending to acknowledgement
}

// CheckStats count checks of persistent instances since the start.
type CheckStats struct{ TCP, HTTP, MySQL int64 }
