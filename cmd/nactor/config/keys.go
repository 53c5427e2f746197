package config

// Key is a property that this version reads.
type Key struct {
	Name    string
	Default string
	About   string
}

// The keys by name. Nacos's own where Nacos has the setting; where it takes the setting
// as a Java system property (-Dnacos.standalone), --set and the environment take it here.
const (
	keyPort           = "server.port"
	keyAddress        = "server.address"
	keyContextPath    = "server.servlet.contextPath"
	keyContextPath2   = "server.servlet.context-path"
	keyIP             = "nacos.inetutils.ip-address"
	keyServerIP       = "nacos.server.ip"
	keyPreferHostname = "nacos.inetutils.prefer-hostname-over-ip"
	keyStandalone     = "nacos.standalone"
	keyEmbedded       = "embeddedStorage"
	KeyPlatform       = "spring.datasource.platform" // a refusal names it
	keyMembers        = "nacos.member.list"
	keyAuth           = "nacos.core.auth.enabled"
	keyExpireInstance = "nacos.naming.expireInstance"
	keyEmptyService   = "nacos.naming.clean.empty-service.expired-time"
	keyMaxInstances   = "nactor.limit.instances-per-service"
	keyPushDelay      = "nacos.naming.push.pushTaskDelay"
	keyAsVersion      = "nactor.as-version"
	keyMinAcks        = "nactor.replication.min-acks"
	keyClusterKey     = "nactor.cluster.key"
	keyEncryptKey     = "nactor.cluster.encrypt-key"
	keyJoin           = "nactor.cluster.join"
	keyDeadServer     = "nactor.store.dead-server-timeout"
	keyStoreMinFree   = "nactor.store.min-free"
	keyGRPCMaxMessage = "nacos.remote.server.grpc.maxinbound.message.size"
	keyGRPCMaxClients = "nactor.grpc.max-clients"
	keyGRPCMaxPerIP   = "nactor.grpc.max-clients-per-ip"
	keyStoreSnapshot  = "nactor.store.snapshot-threshold"
	keyUpgradeFrom1X  = "nacos.core.support.upgrade.from.1x"
	keyUpgradeCheck   = "nactor.upgrade.check-interval"
	keyDoubleWrite    = "nactor.double-write.delay"
	keyLogLevel       = "nactor.log.level"
	keyLogLevelNaming = "nactor.log.level.naming"
	keyLogLevelRaft   = "nactor.log.level.raft"
	keyLogLevelPush   = "nactor.log.level.push"
	keyLogMaxSize     = "nactor.log.max-size-mb"
	keyLogMaxFiles    = "nactor.log.max-files"
)

var keys = []Key{
	{keyPort, "8848", "HTTP port; the other ports follow from it. 0 takes any free ones."},
	{keyAddress, "", "Address to listen on; empty: all."},
	{keyContextPath, ContextPath, "Fixed: anything else than /nacos is refused."},
	{keyContextPath2, ContextPath, "Spring's other spelling of the same."},
	{keyIP, "", "Address that other nodes and the console reach this node at; empty: the first one that is not a loopback address."},
	{keyServerIP, "", "The same; wins over nacos.inetutils.ip-address, as in Nacos."},
	{keyPreferHostname, "false", "Use the host's name in place of its address."},
	{keyStandalone, "false", "What -m standalone sets."},
	{keyEmbedded, "false", "What -p embedded sets."},
	{KeyPlatform, "", "mysql asks for external storage unless -p embedded is given."},
	{keyMembers, "", "Nodes of the cluster, comma separated, when there is neither -c nor conf/cluster.conf."},
	{keyAuth, "false", "true is refused: this version has no authentication and would serve everyone."},
	{keyExpireInstance, "true", "false keeps instances whose beats stopped; they only turn unhealthy."},
	{keyEmptyService, "60000", "Age in ms at which a service without instances and metadata is dropped."},
	{keyMaxInstances, "10000", "Instances that a service can have; more are not registered, those that are there stay. 0: no limit."},
	{keyPushDelay, "500", "Time in ms in which changes of a service are gathered after it was pushed; over gRPC at most."},
	{keyAsVersion, NacosVersion, "Nacos version that this node presents itself as; 1.X keeps the 1.x structure only."},
	{keyMinAcks, "1", "Other replicas that have a registration before it is acknowledged (cluster)."},
	{keyClusterKey, "", "Secret that the nodes of a cluster share, 16 characters or more: they speak to nobody else, and encrypted. Needed unless all nodes are on loopback."},
	{keyEncryptKey, "", "Key of the gossip alone, base64 of 16, 24 or 32 bytes; empty: derived from nactor.cluster.key."},
	{keyJoin, "", "Living members to join, `host:port,…`, as --join."},
	{keyDeadServer, "600000", "Time in ms after which a node that is gone no longer counts as a member of the store, when at least three are left or it is off the list (cluster)."},
	{keyStoreMinFree, "16MB", "Writes to the store are refused when less than this is free on its disk."},
	{keyGRPCMaxMessage, "10485760", "Largest message in bytes that a 2.x client may send."},
	{keyGRPCMaxClients, "50000", "2.x clients of this node; one more is sent to another. 0: no limit. What data/loader/limitRule says wins."},
	{keyGRPCMaxPerIP, "0", "The same for those at one address."},
	{keyStoreSnapshot, "8192", "Entries of the store's log after which it is cut short by a snapshot (cluster)."},
	{keyUpgradeFrom1X, "true", "false on all nodes makes a new cluster one of 2.0 for good, without double write, as soon as all are ready: no 1.X node can join it (cluster)."},
	{keyUpgradeCheck, "5000", "Time in ms between two checks whether this node is ready for 2.0, at least 100 (cluster)."},
	{keyDoubleWrite, "1000", "Time in ms in which changes of a service are gathered into one double write (cluster)."},
	{keyLogLevel, "info", "debug, info, warn or error."},
	{keyLogLevelNaming, "", "The same for naming-server.log alone; empty: nactor.log.level."},
	{keyLogLevelRaft, "", "The same for naming-raft.log."},
	{keyLogLevelPush, "", "The same for naming-push.log."},
	{keyLogMaxSize, "50", "A log file of this size is put aside and a new one begun."},
	{keyLogMaxFiles, "10", "Files put aside that are kept of each log."},
}

// Keys lists the properties that this version reads, in the order of the documentation.
// Do not modify.
func Keys() []Key { return keys }

func known(name string) bool {
	for _, k := range keys {
		if k.Name == name {
			return true
		}
	}
	return false
}
