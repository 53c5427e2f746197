package config

import (
	"path/filepath"
	"time"

	"nactor/cmd/nactor/logging"
)

// NacosVersion is the Nacos version that a node presents itself as when not told otherwise.
const NacosVersion = "2.0.3"

// ContextPath is the path that every HTTP address begins with.
const ContextPath = "/nacos"

// Mode says whether a node is alone.
type Mode string

// The modes, as -m takes them.
const (
	Standalone Mode = "standalone"
	Cluster    Mode = "cluster"
)

// Storage says where persistent data lives.
type Storage string

// The storages. Nacos names them so in its log.
const (
	Embedded Storage = "embedded"
	External Storage = "external"
)

// Config is everything that a node is told at its start. It does not change afterwards.
type Config struct {
	Home    string // absolute
	Mode    Mode
	Storage Storage

	IP          string // how others reach this node: an address or a host name
	BindAddress string // what to listen on; empty: all addresses
	Port        int    // HTTP; 0: any free port
	ContextPath string // always /nacos
	Peers       []Peer // cluster mode only; as listed, may lack this node
	Join        []Peer // members to join, which may not be all

	ClusterKey string // secret that the nodes share; empty: none
	GossipKey  []byte // of the gossip alone; nil: derived from ClusterKey

	Auth           bool   // clients must log in
	AsVersion      string // Nacos version that this node presents itself as
	MinAcks        int    // other replicas that must have a registration
	ExpireInstance bool
	EmptyService   time.Duration
	MaxInstances   int // of a service; 0: no limit
	PushDelay      time.Duration
	StoreMinFree   int64         // bytes
	DeadServer     time.Duration // after which a node that is gone is no longer a member of the store
	GRPCMaxMessage int           // bytes
	GRPCMaxClients int           // 0: no limit
	GRPCMaxPerIP   int           // 0: no limit
	StoreSnapshot  uint64        // entries of the store's log between two snapshots

	UpgradeFrom1X    bool // false on all nodes: a new cluster becomes one of 2.0 for good
	UpgradeCheck     time.Duration
	DoubleWriteDelay time.Duration

	Logging logging.Options

	// Raw reads any other property.
	Raw *Properties
	// Warnings are what an operator may have meant otherwise; they belong in the log.
	Warnings []string
}

// ConfDir returns the directory of the operator's files.
func (c *Config) ConfDir() string { return filepath.Join(c.Home, "conf") }

// DataDir returns the directory of the store.
func (c *Config) DataDir() string { return filepath.Join(c.Home, "data") }

// LogDir returns the directory of the logs.
func (c *Config) LogDir() string { return filepath.Join(c.Home, "logs") }

// How far the other ports lie from the HTTP port; Nacos clients and nodes rely on them.
const (
	grpcOffset   = 1000
	remoteOffset = 1001
	raftOffset   = -1000
	serfOffset   = 1002
)

// GRPCPort is where 2.x clients connect; like the other derived ports it is 0 (any free
// port) when the HTTP port is.
func (c *Config) GRPCPort() int { return c.derived(grpcOffset) }

// RemotePort is where other nodes reach this node's actors.
func (c *Config) RemotePort() int { return c.derived(remoteOffset) }

// RaftPort is where other nodes reach this node's store.
func (c *Config) RaftPort() int { return c.derived(raftOffset) }

// SerfPort is where other nodes gossip with this one, over TCP and UDP.
func (c *Config) SerfPort() int { return c.derived(serfOffset) }

func (c *Config) derived(offset int) int {
	if c.Port == 0 {
		return 0
	}
	return c.Port + offset
}
