package persistence

import (
	"time"

	"github.com/hashicorp/raft"
)

// Status is the state of a [Raft], for people and metrics.
type Status struct {
	State         string // Follower, Candidate, Leader or Shutdown
	Term          uint64
	LastIndex     uint64        // of the log
	CommitIndex   uint64        // what a majority has
	AppliedIndex  uint64        // the last entry that changed this node's copy
	LastContact   time.Duration // since the leader's last word; 0 on the leader, negative: never
	Leader        Server        // zero: not known
	Peers         []Server
	CaughtUp      bool
	LogBytes      int64 // written to the log since the process started
	SnapshotBytes int64 // of the log, that are in no snapshot
	Err           error // why this node takes part no more, or nil
}

// Status returns the present state.
func (r *Raft) Status() Status {
	s := Status{
		State: r.raft.State().String(), Term: r.raft.CurrentTerm(), LastIndex: r.raft.LastIndex(),
		CommitIndex: r.raft.CommitIndex(), AppliedIndex: r.machine.index.Load(), LastContact: -1,
		Peers: r.Peers(), CaughtUp: r.CaughtUp(), SnapshotBytes: r.machine.pending.Load(),
	}
	s.Leader, _ = r.Leader()
	if r.log != nil {
		s.LogBytes = r.log.bytes.Load()
	}
	if err := r.failure.Load(); err != nil {
		s.Err = *err
	}
	if s.State == raft.Leader.String() {
		s.LastContact = 0
	} else if at := r.raft.LastContact(); !at.IsZero() {
		s.LastContact = time.Since(at)
	}
	return s
}

// hearCommit takes the first commit index that a leader tells as what to catch up with.
func (r *Raft) hearCommit(index uint64) { r.target.CompareAndSwap(0, index) }

// CaughtUp tells whether this node has applied what was committed when it first heard of a
// leader, or became it. Once true it stays so.
func (r *Raft) CaughtUp() bool {
	if r.caughtUp.Load() {
		return true
	}
	target := r.target.Load()
	if target == 0 {
		if r.raft.State() != raft.Leader {
			return false
		}
		// All that is in the log now is committed with this term's first entry.
		r.hearCommit(r.raft.LastIndex())
		return false
	}
	if r.raft.CommitIndex() < target || r.machine.index.Load() < r.lastChange(target) {
		return false
	}
	r.caughtUp.Store(true)
	return true
}

// entry reads the log without ever blocking.
func (r *Raft) entry(index uint64, e *raft.Log) error {
	if r.log != nil {
		return r.log.entry(index, e)
	}
	return r.logs.GetLog(index, e)
}

// lastChange returns the last entry up to index that the machine is given: raft keeps
// others for itself. 0: what it was is in a snapshot, and applied.
func (r *Raft) lastChange(index uint64) uint64 {
	first, err := r.logs.FirstIndex()
	if err != nil || first == 0 {
		return 0
	}
	for ; index >= first; index-- {
		var e raft.Log
		if err := r.entry(index, &e); err != nil {
			return 0
		}
		if e.Type == raft.LogCommand || e.Type == raft.LogConfiguration {
			return index
		}
	}
	return 0
}

// Index returns the place in the log of the last entry that changed this node's copy.
func (r *Raft) Index() uint64 { return r.machine.index.Load() }
