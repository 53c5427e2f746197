package persistence

import (
	"maps"
	"slices"
	"sync"

	"github.com/hashicorp/raft"
)

// followers are those in this process who follow settings and documents, and what they are
// to be told. What changes twice before they are is told once.
type followers struct {
	signal chan struct{}

	mu       sync.Mutex
	settings []*Settings
	reload   bool
	names    map[string]bool
}

func (f *followers) add(s *Settings) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.settings = append(f.settings, s)
}

func (f *followers) note(reload bool, names []string) {
	f.mu.Lock()
	f.reload = f.reload || reload
	for _, n := range names {
		if f.names == nil {
			f.names = map[string]bool{}
		}
		f.names[n] = true
	}
	f.mu.Unlock()
	signal(f.signal)
}

// take returns what is to be told, and whom.
func (f *followers) take() (settings []*Settings, names []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.reload {
		settings = slices.Clone(f.settings)
	}
	names = slices.Sorted(maps.Keys(f.names))
	f.reload, f.names = false, nil
	return settings, names
}

// tellFollowers tells of changes, until Close.
func (r *Raft) tellFollowers() {
	for {
		select {
		case <-r.followers.signal:
		case <-r.life.Done():
			return
		}
		settings, names := r.followers.take()
		for _, s := range settings {
			if err := s.reload(r.life); err != nil && r.life.Err() == nil {
				r.opt.Logger.Error("settings cannot be read again", "err", err)
			}
		}
		for _, n := range names {
			if err := r.documents.changed(r, n); err != nil && r.life.Err() == nil {
				r.opt.Logger.Error("a document cannot be read again", "err", err)
			}
		}
	}
}

// compactLog makes snapshots when entries are large; raft counts them only. Until Close.
func (r *Raft) compactLog() {
	for {
		select {
		case <-r.compact:
			if err := r.await(r.raft.Snapshot()); err != nil && r.life.Err() == nil {
				r.opt.Logger.Warn("no snapshot was made: the log grows", "err", err)
			}
		case <-r.life.Done():
			return
		}
	}
}

// nudgeMembers tells the members at once what is committed, while this node leads. Raft
// would with its next message, up to 100 ms later; until then a member's own write is not
// answered. What is sent is what the leader of the term may say at any time: that it has
// this entry, and that a majority has it. Until Close.
func (r *Raft) nudgeMembers() {
	var busy sync.Map // ids of members that have not answered yet
	for {
		select {
		case <-r.nudge:
		case <-r.life.Done():
			return
		}
		var last raft.Log
		before := r.raft.CurrentTerm()
		at := r.machine.index.Load()
		if r.raft.State() != raft.Leader || r.raft.CurrentTerm() != before || r.entry(at, &last) != nil || last.Term != before {
			continue
		}
		for _, m := range r.Peers() {
			if m.ID == r.id.Store {
				continue
			}
			if _, waiting := busy.LoadOrStore(m.ID, true); waiting {
				continue // the next entry, or raft, tells it
			}
			r.calls.Go(func() {
				defer busy.Delete(m.ID)
				q := &raft.AppendEntriesRequest{
					RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(r.id.Store), Addr: []byte(r.id.Store)},
					Term:      last.Term, PrevLogEntry: last.Index, PrevLogTerm: last.Term, LeaderCommitIndex: last.Index,
				}
				// Raft's own messages follow: an error is theirs to tell.
				_ = r.guard.AppendEntries(raft.ServerID(m.ID), raft.ServerAddress(m.Addr), q, new(raft.AppendEntriesResponse))
			})
		}
	}
}
