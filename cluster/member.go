package cluster

import (
	"cmp"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Status is how the membership sees a process.
type Status string

// The statuses.
const (
	Alive   Status = "alive"
	Suspect Status = "suspect" // gossip sees it, but its port refuses connections or it acknowledges nothing
	Failed  Status = "failed"  // did not answer probes
	Left    Status = "left"    // said good-bye
)

// State is what a member says of itself.
type State string

// The states, in the order of a life.
const (
	Joining State = "joining" // not yet in sync: owns nothing
	Ready   State = "ready"
	Leaving State = "leaving" // hands over what it owns
)

// Member is a node as the membership layer sees it. Immutable.
type Member struct {
	ID       string // stable over restarts
	Process  string // unique to one life of the node
	Host     string // how others reach it
	HTTPPort int

	RemotePort, RaftPort, SerfPort int

	Version string // of Nacos, as it presents itself
	State   State
	Ready   *bool  // readyToUpgrade; nil: does not say
	Settled bool   // its store is, or was, a member of the cluster's
	Closed  bool   // it knows that double write has been closed: 1.X is refused
	Removed string // id of a node that is here although it was removed for good
	Status  Status
	Seen    time.Time // of one that is not alive: when that ended; zero: it was not alive since this node started
	began   uint64    // start of the process, to tell lives apart
}

// Addr returns host:port of the member's HTTP port, which is its name for operators.
func (m *Member) Addr() string { return net.JoinHostPort(m.Host, strconv.Itoa(m.HTTPPort)) }

// RemoteAddr returns the address of the member's actors.
func (m *Member) RemoteAddr() string { return net.JoinHostPort(m.Host, strconv.Itoa(m.RemotePort)) }

// RaftAddr returns the address of the member's store.
func (m *Member) RaftAddr() string { return net.JoinHostPort(m.Host, strconv.Itoa(m.RaftPort)) }

// Up reports whether the member can be spoken to.
func (m *Member) Up() bool { return m.Status == Alive }

// Tags of a member; short, since serf allows 512 bytes in all.
const (
	tagID      = "id"
	tagBegan   = "t"
	tagVersion = "v"
	tagHost    = "h"
	tagHTTP    = "http"
	tagRemote  = "act"
	tagRaft    = "raft"
	tagSerf    = "serf"
	tagState   = "st"
	tagReady   = "rtu"
	tagSettled = "rs"
	tagClosed  = "dwc"
	tagRemoved = "rm"
)

// tags is the inverse of parseMember.
func (m *Member) tags() map[string]string {
	t := map[string]string{
		tagID: m.ID, tagBegan: strconv.FormatUint(m.began, 36), tagVersion: m.Version, tagHost: m.Host,
		tagHTTP: strconv.Itoa(m.HTTPPort), tagRemote: strconv.Itoa(m.RemotePort), tagRaft: strconv.Itoa(m.RaftPort),
		tagSerf: strconv.Itoa(m.SerfPort), tagState: string(m.State),
	}
	if m.Settled {
		t[tagSettled] = "1"
	}
	if m.Closed {
		t[tagClosed] = "1"
	}
	if m.Removed != "" {
		t[tagRemoved] = m.Removed
	}
	if m.Ready != nil {
		t[tagReady] = strconv.FormatBool(*m.Ready)
	}
	return t
}

// parseMember reads what a member says of itself. False: it is not one of ours.
func parseMember(process string, t map[string]string) (*Member, bool) {
	m := &Member{ID: t[tagID], Process: process, Host: t[tagHost], Version: t[tagVersion], State: State(t[tagState]), Settled: t[tagSettled] == "1", Closed: t[tagClosed] == "1", Removed: t[tagRemoved]}
	ok := m.ID != "" && m.Host != ""
	port := func(tag string) int {
		p, err := strconv.ParseUint(t[tag], 10, 16)
		ok = ok && err == nil && p > 0
		return int(p)
	}
	m.HTTPPort, m.RemotePort, m.RaftPort, m.SerfPort = port(tagHTTP), port(tagRemote), port(tagRaft), port(tagSerf)
	began, err := strconv.ParseUint(t[tagBegan], 36, 64)
	m.began = began
	if ready, err := strconv.ParseBool(t[tagReady]); err == nil {
		m.Ready = &ready
	}
	return m, ok && err == nil
}

// Members is what this node knows of the others, itself included: one entry a node id,
// sorted by address. Immutable.
type Members struct {
	list []*Member
	byID map[string]*Member
	ring *Ring

	rival *Member
}

// newMembers keeps the present life of each node: the one that is up, else the latest.
func newMembers(all []*Member) *Members {
	ms := &Members{byID: make(map[string]*Member, len(all))}
	for _, m := range all {
		if old := ms.byID[m.ID]; old == nil || m.later(old) {
			ms.byID[m.ID] = m
		}
	}
	var ready []string
	for _, m := range ms.byID {
		ms.list = append(ms.list, m)
		if m.Up() && m.State == Ready {
			ready = append(ready, m.ID)
		}
	}
	slices.SortFunc(ms.list, func(a, b *Member) int {
		return cmp.Or(strings.Compare(a.Host, b.Host), cmp.Compare(a.HTTPPort, b.HTTPPort), strings.Compare(a.ID, b.ID))
	})
	ms.ring = newRing(ready)
	return ms
}

// later reports whether m tells more about the node's present than old. At the same address
// a process that was started later has taken the place of an earlier one, also when that
// seems alive still. At another address it may be a copy of the node's home, which has to go:
// the one that was there first counts for as long as it is up.
func (m *Member) later(old *Member) bool {
	if m.Addr() != old.Addr() && m.present() != old.present() {
		return m.present()
	}
	if m.Addr() != old.Addr() && m.present() {
		return m.began < old.began
	}
	return m.began > old.began
}

// present reports whether gossip believes the process to be alive.
func (m *Member) present() bool { return m.Status == Alive || m.Status == Suspect }

// All returns every known node. Do not modify.
func (ms *Members) All() []*Member { return ms.list }

// Find returns the node with an id, or nil.
func (ms *Members) Find(id string) *Member { return ms.byID[id] }

// At returns the node whose HTTP port is at an address, or nil: of several that were there one
// that is up.
func (ms *Members) At(addr string) *Member {
	var found *Member
	for _, m := range ms.list {
		if m.Addr() == addr && (found == nil || m.Up()) {
			found = m
		}
	}
	return found
}

// Rival returns another living process that has this node's id and counts as this node: it was
// there first, and this one may run in a copy of its home. nil: there is none.
func (ms *Members) Rival() *Member { return ms.rival }

// Ring returns who owns what.
func (ms *Members) Ring() *Ring { return ms.ring }
