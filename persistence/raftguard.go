package persistence

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// maxTermJump is by how much a message may be ahead of this node's term. An election adds
// one; a member that was away for years is not that far behind. Without a bound a single
// message takes the term to where no election can follow, for good: terms are on disk.
const maxTermJump = 1_000_000

// Bounds of what a message may carry.
const (
	maxEntries       = 1024
	maxEntry         = maxCommand + 4096
	maxAppend        = 256 << 20 // all entries of a message
	maxSnapshot      = 64 << 30
	maxConfiguration = 1 << 20
)

// guard stands between raft and a transport, in both directions. Raft does what a message
// says whoever sent it, and panics on some that cannot be read.
type guard struct {
	inner   raft.Transport
	preVote raft.WithPreVote

	member    func(raft.ServerID) bool // may speak to us
	votes     func() bool              // this node is a member itself
	term      func() uint64
	space     func(need int64) error // why there is no room for as many bytes
	contact   func(commit uint64)    // a leader's word
	heard     func(raft.ServerID)
	addressOf func(raft.ServerID) (string, bool)
	refused   func(from raft.ServerID, what string, err error)

	out     chan raft.RPC
	cut     atomic.Bool // nothing in, nothing out
	closed  chan struct{}
	once    sync.Once
	done    sync.WaitGroup
	started sync.Once

	mu    sync.Mutex // guards ended, and an asks that begins
	ended bool
	asks  sync.WaitGroup // messages that wait for an answer
}

var (
	_ raft.Transport   = (*guard)(nil)
	_ raft.WithPreVote = (*guard)(nil)
	_ raft.WithClose   = (*guard)(nil)
)

func newGuard(inner raft.Transport) (*guard, error) {
	preVote, ok := inner.(raft.WithPreVote)
	if !ok {
		return nil, errors.New("the transport knows no pre-vote")
	}
	return &guard{inner: inner, preVote: preVote, out: make(chan raft.RPC), closed: make(chan struct{})}, nil
}

// run passes messages on, until close. It is started when all fields are set.
func (g *guard) run() {
	g.started.Do(func() {
		g.done.Go(func() {
			for {
				select {
				case rpc := <-g.inner.Consumer():
					if !g.check(rpc) {
						continue
					}
					select {
					case g.out <- rpc:
					case <-g.closed:
						rpc.Respond(nil, raft.ErrTransportShutdown)
						return
					}
				case <-g.closed:
					return
				}
			}
		})
	})
}

// check answers what must not reach raft, and returns whether it may.
func (g *guard) check(rpc raft.RPC) bool {
	from, what, err := g.inspect(rpc.Command)
	if err == nil {
		return true
	}
	g.refused(from, what, err)
	rpc.Respond(nil, fmt.Errorf("refused by the node: %w", err))
	return false
}

func (g *guard) inspect(c any) (from raft.ServerID, what string, err error) {
	if h, ok := c.(raft.WithRPCHeader); ok {
		from = raft.ServerID(h.GetRPCHeader().ID)
	}
	term, commit := uint64(0), uint64(0)
	switch m := c.(type) {
	case *raft.AppendEntriesRequest:
		what, term, commit, err = "AppendEntries", m.Term, m.LeaderCommitIndex, g.inspectEntries(m)
	case *raft.RequestVoteRequest:
		what, term = "RequestVote", m.Term
	case *raft.RequestPreVoteRequest:
		what, term = "RequestPreVote", m.Term
	case *raft.InstallSnapshotRequest:
		what, term, err = "InstallSnapshot", m.Term, g.inspectSnapshot(m)
	case *raft.TimeoutNowRequest:
		what = "TimeoutNow"
	default:
		return from, fmt.Sprintf("%T", c), errors.New("it is no message of raft")
	}
	switch {
	case g.cut.Load():
		return from, what, errors.New("this node has failed")
	case len(from) == 0 || len(from) > maxNodeID || !g.member(from):
		return from, what, errors.New("the sender is no member of the cluster")
	case err != nil:
		return from, what, err
	case strings.HasSuffix(what, "Vote") && !g.votes():
		// An empty node at a dead member's address would vote in that one's name, and elect
		// somebody who has less than was acknowledged.
		return from, what, errors.New("this node is no member of the cluster")
	}
	if err := g.plausible(term); err != nil {
		return from, what, err
	}
	g.heard(from)
	if commit > 0 {
		g.contact(commit)
	}
	return from, what, nil
}

// plausible refuses terms that no election can have led to.
func (g *guard) plausible(term uint64) error {
	if now := g.term(); term > now && term-now > maxTermJump {
		return fmt.Errorf("term %d is too far from this node's, %d", term, now)
	}
	return nil
}

// inspectEntries finds what raft would panic on, and what there is no room for. Space is
// looked for before raft deletes what it means to replace.
func (g *guard) inspectEntries(m *raft.AppendEntriesRequest) error {
	if len(m.Entries) > maxEntries {
		return fmt.Errorf("%d entries in one message", len(m.Entries))
	}
	size := 0
	for i, e := range m.Entries {
		switch {
		case e == nil:
			return errors.New("an entry is missing")
		case e.Index == 0 || e.Index != m.Entries[0].Index+uint64(i) || e.Index <= m.PrevLogEntry:
			return fmt.Errorf("entry %d is out of order", e.Index)
		case e.Term > m.Term:
			return fmt.Errorf("entry %d is of term %d, the leader's is %d", e.Index, e.Term, m.Term)
		case len(e.Data)+len(e.Extensions) > maxEntry:
			return fmt.Errorf("entry %d has %d bytes", e.Index, len(e.Data)+len(e.Extensions))
		}
		switch e.Type {
		case raft.LogCommand, raft.LogNoop, raft.LogBarrier:
		case raft.LogConfiguration:
			if _, err := decodeConfiguration(e.Data); err != nil {
				return fmt.Errorf("entry %d: %w", e.Index, err)
			}
		default:
			return fmt.Errorf("entry %d is of an unknown type %d", e.Index, e.Type)
		}
		size += len(e.Data)
	}
	if size > maxAppend {
		return fmt.Errorf("%d bytes in one message", size)
	}
	if len(m.Entries) == 0 {
		return nil
	}
	return g.space(int64(size))
}

func (g *guard) inspectSnapshot(m *raft.InstallSnapshotRequest) error {
	if m.Size < 0 || m.Size > maxSnapshot {
		return fmt.Errorf("a snapshot of %d bytes", m.Size)
	}
	if m.SnapshotVersion != 1 {
		return fmt.Errorf("a snapshot of version %d", m.SnapshotVersion)
	}
	if _, err := decodeConfiguration(m.Configuration); err != nil {
		return err
	}
	return g.space(4 * m.Size) // the file, and the database made of it
}

// decodeConfiguration is [raft.DecodeConfiguration] for what anybody may have written.
func decodeConfiguration(b []byte) (c raft.Configuration, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("a configuration cannot be read: %v", p)
		}
	}()
	if len(b) > maxConfiguration {
		return c, fmt.Errorf("a configuration of %d bytes", len(b))
	}
	return raft.DecodeConfiguration(b), nil
}

// Consumer implements [raft.Transport].
func (g *guard) Consumer() <-chan raft.RPC { return g.out }

// LocalAddr implements [raft.Transport].
func (g *guard) LocalAddr() raft.ServerAddress { return g.inner.LocalAddr() }

// EncodePeer implements [raft.Transport]. Raft tells nodes apart by what this returns, in
// its votes too. Addresses change hands, ids do not.
func (g *guard) EncodePeer(id raft.ServerID, _ raft.ServerAddress) []byte { return []byte(id) }

// DecodePeer implements [raft.Transport].
func (g *guard) DecodePeer(b []byte) raft.ServerAddress { return raft.ServerAddress(b) }

// SetHeartbeatHandler implements [raft.Transport].
func (g *guard) SetHeartbeatHandler(f func(raft.RPC)) {
	g.inner.SetHeartbeatHandler(func(rpc raft.RPC) {
		if g.check(rpc) {
			f(rpc)
		}
	})
}

// AppendEntriesPipeline implements [raft.Transport]. A pipeline would need a check of its
// own, and gains little when entries are gathered before.
func (g *guard) AppendEntriesPipeline(raft.ServerID, raft.ServerAddress) (raft.AppendPipeline, error) {
	return nil, raft.ErrPipelineReplicationNotSupported
}

// send calls a node where it is now, and does not believe an answer of an absurd term: raft
// would take it over.
func (g *guard) send(id raft.ServerID, at raft.ServerAddress, term *uint64, call func(raft.ServerAddress) error) error {
	if g.cut.Load() {
		return errors.New("this node has failed")
	}
	if !g.begin() {
		return raft.ErrTransportShutdown
	}
	defer g.asks.Done()
	if now, ok := g.addressOf(id); ok {
		at = raft.ServerAddress(now)
	}
	if err := call(at); err != nil {
		return err
	}
	g.heard(id)
	if term == nil {
		return nil
	}
	if err := g.plausible(*term); err != nil {
		g.refused(id, "an answer", err)
		*term = 0
		return err
	}
	return nil
}

// begin counts a message. Raft does not wait for all of its own when it ends.
func (g *guard) begin() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.ended {
		g.asks.Add(1)
	}
	return !g.ended
}

// AppendEntries implements [raft.Transport].
func (g *guard) AppendEntries(id raft.ServerID, at raft.ServerAddress, m *raft.AppendEntriesRequest, answer *raft.AppendEntriesResponse) error {
	return g.send(id, at, &answer.Term, func(at raft.ServerAddress) error { return g.inner.AppendEntries(id, at, m, answer) })
}

// RequestVote implements [raft.Transport].
func (g *guard) RequestVote(id raft.ServerID, at raft.ServerAddress, m *raft.RequestVoteRequest, answer *raft.RequestVoteResponse) error {
	return g.send(id, at, &answer.Term, func(at raft.ServerAddress) error { return g.inner.RequestVote(id, at, m, answer) })
}

// RequestPreVote implements [raft.WithPreVote].
func (g *guard) RequestPreVote(id raft.ServerID, at raft.ServerAddress, m *raft.RequestPreVoteRequest, answer *raft.RequestPreVoteResponse) error {
	return g.send(id, at, &answer.Term, func(at raft.ServerAddress) error { return g.preVote.RequestPreVote(id, at, m, answer) })
}

// InstallSnapshot implements [raft.Transport].
func (g *guard) InstallSnapshot(id raft.ServerID, at raft.ServerAddress, m *raft.InstallSnapshotRequest, answer *raft.InstallSnapshotResponse, data io.Reader) error {
	return g.send(id, at, &answer.Term, func(at raft.ServerAddress) error { return g.inner.InstallSnapshot(id, at, m, answer, data) })
}

// TimeoutNow implements [raft.Transport].
func (g *guard) TimeoutNow(id raft.ServerID, at raft.ServerAddress, m *raft.TimeoutNowRequest, answer *raft.TimeoutNowResponse) error {
	return g.send(id, at, nil, func(at raft.ServerAddress) error { return g.inner.TimeoutNow(id, at, m, answer) })
}

// Close implements [raft.WithClose].
func (g *guard) Close() (err error) {
	g.once.Do(func() {
		close(g.closed)
		g.mu.Lock()
		g.ended = true
		g.mu.Unlock()
		if c, ok := g.inner.(raft.WithClose); ok {
			err = c.Close()
		}
		g.done.Wait()
		g.asks.Wait() // the transport has ended what it waits for, or soon will
	})
	return err
}
