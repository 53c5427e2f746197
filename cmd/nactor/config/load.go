package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"nactor/cmd/nactor/logging"
)

// Options are the flags of the server command; the zero value stands for none of them.
type Options struct {
	Home      string   // --home
	Mode      string   // -m
	Storage   string   // -p
	Members   string   // -c
	Join      []string // --join
	AsVersion string   // --as-version
	Set       []string // --set key=value
	Environ   []string // nil: os.Environ()
}

// Load reads all sources. Its error joins everything that is wrong, so that an operator
// can mend it in one go.
func Load(o Options) (*Config, error) {
	home, err := FindHome(o.Home)
	if err != nil {
		return nil, err
	}
	p, err := open(home, o)
	if err != nil {
		return nil, err
	}
	r := &reader{p: p}
	c := &Config{Home: home, ContextPath: ContextPath, Raw: p, Warnings: p.warnings()}
	c.Mode = r.mode(o.Mode)
	c.Storage = r.storage(o.Storage, c.Mode)
	r.contextPath()
	c.IP = r.ownAddress()
	c.BindAddress = r.host(keyAddress)
	c.Port = r.port(c.Mode)
	c.Auth = r.bool(keyAuth, false)
	c.AsVersion = r.version(o.AsVersion)
	c.MinAcks = r.int(keyMinAcks, 1, 0, 100)
	c.ExpireInstance = r.bool(keyExpireInstance, true)
	c.EmptyService = r.millis(keyEmptyService, 60*time.Second)
	c.MaxInstances = r.int(keyMaxInstances, 10_000, 0, 1<<30)
	c.PushDelay = r.millis(keyPushDelay, 500*time.Millisecond)
	c.StoreMinFree = r.bytes(keyStoreMinFree, 16<<20)
	c.DeadServer = r.millis(keyDeadServer, 10*time.Minute)
	c.GRPCMaxMessage = r.int(keyGRPCMaxMessage, 10<<20, 1<<10, 1<<30)
	c.GRPCMaxClients = r.int(keyGRPCMaxClients, 50_000, 0, 1<<30)
	c.GRPCMaxPerIP = r.int(keyGRPCMaxPerIP, 0, 0, 1<<30)
	c.StoreSnapshot = uint64(r.int(keyStoreSnapshot, 8192, 1, 1<<30))
	c.UpgradeFrom1X = r.bool(keyUpgradeFrom1X, true)
	if c.UpgradeCheck = r.millis(keyUpgradeCheck, 5*time.Second); c.UpgradeCheck < leastUpgradeCheck {
		r.problem(keyUpgradeCheck, fmt.Sprintf("is too often: give it at least %d", leastUpgradeCheck.Milliseconds()))
	}
	c.DoubleWriteDelay = r.millis(keyDoubleWrite, time.Second)
	c.Logging = r.logging()
	if c.Mode == Standalone {
		c.Warnings = append(c.Warnings, r.alone(o)...)
	} else {
		c.Peers, err = members(o.Members, home, p, c.Port)
		r.note(err)
		c.Join, err = parseMembers(strings.Join(append(o.Join, r.string(keyJoin, "")), ","), "--join", noPort)
		r.note(err)
		c.ClusterKey = r.string(keyClusterKey, "")
		c.GossipKey = r.key(keyEncryptKey)
		if !r.given(keyServerIP) && !r.given(keyIP) {
			if host := ownAmong(c.Peers, c.Port); host != "" {
				c.IP = host
			}
		}
		c.Warnings = append(c.Warnings, unlisted(c)...)
	}
	if err := errors.Join(r.errs...); err != nil {
		return nil, err
	}
	return c, nil
}

// leastUpgradeCheck is how often a node may look whether it is ready for 2.0: each time it compares
// what it owns.
const leastUpgradeCheck = 100 * time.Millisecond

// alone looks at flags that name other nodes: the list is passed over, as in Nacos, whose
// scripts may be given it always; to join is refused.
func (r *reader) alone(o Options) (warnings []string) {
	if len(o.Join) > 0 {
		r.note(&Error{Key: "--join", Value: strings.Join(o.Join, ","), Problem: "names nodes of a cluster, but this server is to be alone: start it with -m cluster, or leave it out"})
	}
	if o.Members != "" {
		warnings = append(warnings, fmt.Sprintf("-c: %q is not used: this server is alone; start it with -m cluster if it is to be one of them", o.Members))
	}
	return warnings
}

// open gathers the layers.
func open(home string, o Options) (*Properties, error) {
	const name = "conf/application.properties"
	file, err := readProperties(filepath.Join(home, "conf", "application.properties"), name)
	if err != nil {
		return nil, err
	}
	set, err := parseSet(o.Set)
	if err != nil {
		return nil, err
	}
	environ := o.Environ
	if environ == nil {
		environ = os.Environ()
	}
	return &Properties{file: file, fileName: name, env: newEnvironment(environ), set: set}, nil
}

// reader reads properties one after the other and keeps what went wrong.
type reader struct {
	p    *Properties
	errs []error
}

func (r *reader) note(err error) {
	if err != nil {
		r.errs = append(r.errs, err)
	}
}

func keep[T any](r *reader, v T, err error) T {
	r.note(err)
	return v
}

func (r *reader) string(key, def string) string {
	v, err := r.p.String(key, def)
	return keep(r, v, err)
}

func (r *reader) bool(key string, def bool) bool {
	v, err := r.p.Bool(key, def)
	return keep(r, v, err)
}

func (r *reader) int(key string, def, least, most int) int {
	v, err := r.p.Int(key, def, least, most)
	return keep(r, v, err)
}

func (r *reader) millis(key string, def time.Duration) time.Duration {
	v, err := r.p.Millis(key, def)
	return keep(r, v, err)
}

func (r *reader) bytes(key string, def int64) int64 {
	v, err := r.p.Bytes(key, def)
	return keep(r, v, err)
}

func (r *reader) level(key string, def slog.Level) slog.Level {
	v, err := r.p.Level(key, def)
	return keep(r, v, err)
}

// problem notes that the value of key cannot be used.
func (r *reader) problem(key, text string) {
	value, source, _ := r.p.Lookup(key)
	r.note(&Error{Key: key, Value: value, Problem: text, Source: source})
}

func (r *reader) mode(flag string) Mode {
	switch Mode(flag) {
	case Standalone, Cluster:
		return Mode(flag)
	case "":
		if r.bool(keyStandalone, false) {
			return Standalone
		}
		return Cluster
	}
	r.note(&Error{Key: "-m", Value: flag, Problem: "is not a mode: standalone or cluster"})
	return Cluster
}

// storage follows Nacos: alone it is embedded unless a database is configured, in a
// cluster it is external unless embedded is asked for.
func (r *reader) storage(flag string, mode Mode) Storage {
	switch Storage(flag) {
	case Embedded, External:
		return Storage(flag)
	case "":
	default:
		r.note(&Error{Key: "-p", Value: flag, Problem: "is not a storage: embedded or external"})
		return Embedded
	}
	if v := r.string(keyEmbedded, ""); v == string(Embedded) || r.bool(keyEmbedded, false) {
		return Embedded // the environment of Nacos's scripts says EMBEDDED_STORAGE=embedded
	}
	if platform := r.string(KeyPlatform, ""); mode == Standalone && (platform == "" || platform == "derby") {
		return Embedded
	}
	return External
}

// key reads a key of gossip.
func (r *reader) key(name string) []byte {
	v := r.string(name, "")
	if v == "" {
		return nil
	}
	b, err := base64.StdEncoding.DecodeString(v)
	if err != nil || len(b) != 16 && len(b) != 24 && len(b) != 32 {
		r.note(&Error{Key: name, Value: "(not shown)", Problem: "is not the base64 of 16, 24 or 32 bytes: head -c 32 /dev/urandom | base64 makes one"})
	}
	return b
}

// given reports whether a property is set to something.
func (r *reader) given(key string) bool {
	v, _, ok := r.p.Lookup(key)
	return ok && v != ""
}

func (r *reader) contextPath() {
	for _, key := range []string{keyContextPath, keyContextPath2} {
		if v := r.string(key, ContextPath); strings.TrimSuffix(v, "/") != ContextPath {
			r.problem(key, "is not supported: this server answers under /nacos only, which is what Nacos clients ask for by default")
		}
	}
}

func (r *reader) host(key string) string {
	v := r.string(key, "")
	v = strings.TrimSuffix(strings.TrimPrefix(v, "["), "]")
	if v != "" && !validHost(v) {
		r.problem(key, "is neither an IP address nor a host name")
		return ""
	}
	return v
}

// port reads the HTTP port and sees to it that the ports which follow from it exist.
func (r *reader) port(mode Mode) int {
	const def = 8848
	port, err := r.p.Port(keyPort, def)
	if err != nil {
		return keep(r, def, err)
	}
	least, most, what := 1, 65535-grpcOffset, fmt.Sprintf("gRPC (%+d)", grpcOffset)
	if mode == Cluster {
		least, most = 1-raftOffset, 65535-serfOffset
		what = fmt.Sprintf("raft (%+d) and serf (%+d)", raftOffset, serfOffset)
	}
	if port != 0 && (port < least || port > most) {
		r.problem(keyPort, fmt.Sprintf("leaves no room for the ports of %s: choose one from %d to %d", what, least, most))
	}
	return port
}

var versionText = regexp.MustCompile(`^[12]\.\d{1,3}(\.\d{1,3}){0,2}(-[0-9A-Za-z.]{1,20})?$`)

func (r *reader) version(flag string) string {
	const problem = "is not a Nacos version such as 1.4.2 or 2.0.3"
	if flag != "" {
		if !versionText.MatchString(flag) {
			r.note(&Error{Key: "--as-version", Value: flag, Problem: problem})
		}
		return flag
	}
	v := r.string(keyAsVersion, NacosVersion)
	if !versionText.MatchString(v) {
		r.problem(keyAsVersion, problem)
	}
	return v
}

func (r *reader) logging() logging.Options {
	main := r.level(keyLogLevel, slog.LevelInfo)
	return logging.Options{
		Level:     main,
		Naming:    r.level(keyLogLevelNaming, main),
		Raft:      r.level(keyLogLevelRaft, main),
		Push:      r.level(keyLogLevelPush, main),
		MaxSizeMB: r.int(keyLogMaxSize, 50, 1, 10_000),
		MaxFiles:  r.int(keyLogMaxFiles, 10, 1, 1000),
	}
}
