package http

import (
	"context"
	"strconv"
	"time"

	"nactor/naming/wire"
)

// Members tells who is in the cluster of nodes and whether this node may serve. All
// methods return at once; Status is asked on every request of the naming API.
type Members interface {
	Self() Member
	// Members returns all members, this node included, in any order.
	Members() []Member
	Status() Status
	Store() StoreState
	// RemoveMembers removes dead members for good, by their ip:port or id: all, or none when
	// one of them cannot be removed. It returns when the cluster goes on without them. Kinds
	// naming.KindInvalid: one is alive, or unknown; naming.KindUnavailable: too few of the
	// others answer, or ctx ended.
	RemoveMembers(ctx context.Context, names []string) error
}

// StoreState is this node's part in the store that the cluster keeps together.
type StoreState struct {
	Role   string // LEADER, FOLLOWER or CANDIDATE
	Leader string // HTTP address of the leader; empty: not known
	Term   uint64
}

// Status is the state of this node as the status gate sees it.
type Status struct {
	State  string // UP, DOWN, STARTING, …; only UP lets everything pass
	Reason string // why not; may be empty
}

// Member is a node as the API shows it.
type Member struct {
	IP             string
	Port           int    // HTTP
	State          string // STARTING, UP, SUSPICIOUS, DOWN, ISOLATION
	Version        string // of Nacos
	RaftPort       int
	LastRefresh    time.Time // zero: nothing was heard of it yet
	ReadyToUpgrade *bool     // nil: does not say (standalone, 1.x)
	FailedAccesses int
	GRPC           bool        // takes connections of 2.x clients
	RaftGroups     []RaftGroup // sorted by name; may be empty
}

// RaftGroup is what a member says about one raft group.
type RaftGroup struct {
	Name    string
	Leader  string
	Members []string
	Term    int64
}

// Address returns ip:port, the form in which Nacos names a member.
func (m Member) Address() string { return m.IP + ":" + strconv.Itoa(m.Port) }

func appendMember(b []byte, m Member) []byte {
	b = wire.AppendString(append(b, `{"ip":`...), m.IP)
	b = strconv.AppendInt(append(b, `,"port":`...), int64(m.Port), 10)
	b = wire.AppendString(append(b, `,"state":`...), m.State)
	b = append(b, `,"extendInfo":{`...)
	if !m.LastRefresh.IsZero() {
		b = strconv.AppendInt(append(b, `"lastRefreshTime":`...), m.LastRefresh.UnixMilli(), 10)
		b = append(b, ',')
	}
	if len(m.RaftGroups) > 0 {
		b = append(b, `"raftMetaData":{"metaDataMap":{`...)
		for i, g := range m.RaftGroups {
			if i > 0 {
				b = append(b, ',')
			}
			b = wire.AppendString(b, g.Name)
			b = wire.AppendString(append(b, `:{"leader":`...), g.Leader)
			b = wire.AppendStrings(append(b, `,"raftGroupMember":`...), g.Members)
			b = strconv.AppendInt(append(b, `,"term":`...), g.Term, 10)
			b = append(b, '}')
		}
		b = append(b, `}},`...)
	}
	b = wire.AppendString(append(b, `"raftPort":`...), strconv.Itoa(m.RaftPort))
	if m.ReadyToUpgrade != nil {
		b = strconv.AppendBool(append(b, `,"readyToUpgrade":`...), *m.ReadyToUpgrade)
	}
	if m.Version != "" {
		b = wire.AppendString(append(b, `,"version":`...), m.Version)
	}
	b = wire.AppendString(append(b, `},"address":`...), m.Address())
	b = strconv.AppendInt(append(b, `,"failAccessCnt":`...), int64(m.FailedAccesses), 10)
	// Members of 1.x know no abilities.
	if len(m.Version) < 2 || m.Version[:2] != "1." {
		b = strconv.AppendBool(append(b, `,"abilities":{"remoteAbility":{"supportRemoteConnection":`...), m.GRPC)
		b = append(b, `},"configAbility":{"supportRemoteMetrics":false},"namingAbility":{"supportJraft":true}}`...)
	}
	return append(b, '}')
}

func appendMembers(b []byte, list []Member) []byte {
	b = append(b, '[')
	for i, m := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendMember(b, m)
	}
	return append(b, ']')
}
