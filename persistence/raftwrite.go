package persistence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	"go.etcd.io/bbolt"

	"nactor/naming"
)

// raftJob is one batch on its way to the log, encoded.
type raftJob struct {
	encoded []byte
	cost    int64 // on the disk
	done    func(error)
}

// waiter is who waits for a command of this process to be applied here.
type waiter struct {
	mu     sync.Mutex
	number uint64 // 0: nobody
	out    chan []error
}

// expect returns a channel that gets the results of a command.
func (w *waiter) expect(number uint64) <-chan []error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.number, w.out = number, make(chan []error, 1)
	return w.out
}

func (w *waiter) deliver(number uint64, results []error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.number == number && number != 0 {
		w.out <- results
		w.number = 0
	}
}

// commits tells who appended commands of any node to the log when they are applied.
type commits struct {
	mu   sync.Mutex
	out  map[origin][]chan struct{}
	last map[string]appended // by node
}

// appended is a command in the log, and the term of the leader that put it there.
type appended struct {
	origin origin
	term   uint64
}

// begin tells whether a command has to be appended to the log: who asks twice while the
// same leader leads has it there already.
func (c *commits) begin(o origin, term uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil {
		c.last = map[string]appended{}
	}
	if c.last[o.node] == (appended{o, term}) {
		return false
	}
	c.last[o.node] = appended{o, term}
	return true
}

func (c *commits) expect(o origin) chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out == nil {
		c.out = map[origin][]chan struct{}{}
	}
	out := make(chan struct{}, 1)
	c.out[o] = append(c.out[o], out)
	return out
}

func (c *commits) forget(o origin, out chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out[o] = slices.DeleteFunc(c.out[o], func(other chan struct{}) bool { return other == out }); len(c.out[o]) == 0 {
		delete(c.out, o)
	}
}

func (c *commits) deliver(o origin) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, out := range c.out[o] {
		out <- struct{}{}
	}
	delete(c.out, o)
}

// Commit implements [Store].
func (r *Raft) Commit(records []naming.Record, done func(error)) {
	changes, err := plan(records)
	if err != nil {
		done(err)
		return
	}
	r.submit(batch{changes: changes}, done)
}

func (r *Raft) submit(b batch, done func(error)) {
	j := raftJob{appendBatch(nil, b), b.size(), done}
	err := naming.Invalid("%d records in %d bytes cannot be stored at once, at most %d bytes can: split them", len(b.changes), len(j.encoded), maxBatch)
	if len(j.encoded) <= maxBatch {
		err = r.enqueue(j)
	}
	if err != nil {
		done(err)
	}
}

func (r *Raft) enqueue(j raftJob) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.closed {
		return errClosed()
	}
	select {
	case r.jobs <- j:
		return nil
	default:
		return naming.Unavailable("the cluster does not keep up: %d writes are waiting on this node; try again later", queueLength)
	}
}

// write is the writer: it takes all that waits, makes one command of it, and answers when
// this node has applied it. The next group gathers meanwhile. One command at a time keeps
// the order, whoever leads.
func (r *Raft) write() {
	defer close(r.wrote)
	for first := range r.jobs {
		group, cost := r.gather(first)
		results, err := r.replicate(group, cost)
		for i, j := range group {
			if err == nil {
				j.done(results[i])
			} else {
				j.done(err)
			}
		}
	}
}

func (r *Raft) gather(first raftJob) (group []raftJob, cost int64) {
	group, cost = []raftJob{first}, first.cost
	for size := len(first.encoded); size < groupCommand && cost < maxGroup && len(group) < queueLength; {
		select {
		case j, ok := <-r.jobs:
			if !ok {
				return group, cost
			}
			group, cost, size = append(group, j), cost+j.cost, size+len(j.encoded)
		default:
			return group, cost
		}
	}
	return group, cost
}

// replicate brings a group into the log, and returns what became of each batch.
func (r *Raft) replicate(group []raftJob, cost int64) ([]error, error) {
	if err := r.failure.Load(); err != nil {
		return nil, *err
	}
	// Refused before any disk is full: here it has to be applied in any case.
	if err := r.space(2 * max(cost-maxGroup, 0)); err != nil {
		return nil, err
	}
	r.number++
	encoded := make([][]byte, len(group))
	for i, j := range group {
		encoded[i] = j.encoded
	}
	body := appendCommand([]byte{forwardVersion, opApply}, origin{r.id.Store, r.start, r.number}, encoded)
	results := r.waiter.expect(r.number)
	ctx, cancel := context.WithTimeout(r.life, r.opt.Patience)
	defer cancel()

	var last error
	for {
		changed := r.leaderChange()
		attempt, end := context.WithCancel(ctx)
		asked := make(chan error, 1)
		r.calls.Go(func() { asked <- r.ask(attempt, body, r.applyHere) })
		again := time.NewTimer(retryAfter)
		again.Stop()
		for waiting := true; waiting; {
			select {
			case out := <-results:
				end()
				if len(out) != len(group) {
					return nil, fmt.Errorf("the store answered for %d of %d writes", len(out), len(group))
				}
				return out, nil
			case err := <-asked:
				if naming.KindOf(err) == naming.KindInvalid {
					end()
					return nil, err
				}
				if last = err; err != nil {
					again.Reset(retryAfter)
				} // else it is committed, and will be applied here
			case <-again.C:
				waiting = false
			case <-changed:
				waiting = false
			case <-r.broken:
				end()
				return nil, *r.failure.Load()
			case <-ctx.Done():
				end()
				again.Stop()
				return nil, r.unavailable(last)
			}
		}
		again.Stop()
		end()
	}
}

// retryAfter is how long a refusal is waited out when no other leader turns up.
const retryAfter = 50 * time.Millisecond

// ask has the leader do something: here, when that is this node, or by sending body.
func (r *Raft) ask(ctx context.Context, body []byte, here func(context.Context, []byte) error) error {
	leader, ok := r.Leader()
	switch {
	case !ok:
		return errNoLeader
	case leader.ID == r.id.Store:
		return here(ctx, body[2:])
	case leader.Addr == "":
		return fmt.Errorf("the address of the leader %s is not known", leader.ID)
	}
	b, err := r.forward.Call(ctx, leader.ID, leader.Addr, body)
	if err != nil {
		return err
	}
	return readAnswer(b)
}

var errNoLeader = errors.New("there is no leader")

// applyHere appends a command to the log, if this node is the leader, and waits until it is
// committed and applied.
func (r *Raft) applyHere(ctx context.Context, data []byte) error {
	c, err := decodeCommand(data)
	if err != nil || len(data) > maxCommand {
		return naming.Invalid("a command that cannot be read: %w", err)
	}
	if !r.isMember(raft.ServerID(c.origin.node)) {
		return naming.Unavailable("node %s is not a member of the cluster", c.origin.node)
	}
	if r.raft.State() != raft.Leader {
		return errNotLeader
	}
	if err := r.space(int64(len(data))); err != nil {
		signal(r.handover) // others may have room
		return err
	}
	// Not raft's future: one that is under way when raft ends may never answer.
	out := r.commits.expect(c.origin)
	defer r.commits.forget(c.origin, out)
	if done, err := r.isApplied(c.origin); done || err != nil {
		return err
	}
	changed, patience := r.leaderChange(), time.NewTimer(r.opt.Patience)
	defer patience.Stop()
	if term := r.raft.CurrentTerm(); r.commits.begin(c.origin, term) {
		begun := time.Now()
		r.raft.Apply(data, r.opt.Patience)
		if time.Since(begun) >= r.opt.Patience { // raft did not take it
			r.commits.begin(c.origin, 0)
		}
	}
	for {
		if r.raft.State() != raft.Leader {
			return errNotLeader
		}
		select {
		case <-out:
			return nil
		case <-changed:
			changed = r.leaderChange()
		case <-patience.C:
			return naming.Unavailable("no majority of the cluster answered within %v", r.opt.Patience)
		case <-r.broken:
			return *r.failure.Load()
		case <-ctx.Done():
			return naming.Unavailable("the write was given up: %w", ctx.Err())
		}
	}
}

// isApplied tells whether this node has a command already.
func (r *Raft) isApplied(c origin) (done bool, err error) {
	err = r.machine.view(func(tx *bbolt.Tx) error {
		last, err := readOutcome(tx, c.node)
		done = !c.after(last.origin)
		return err
	})
	return done, err
}

// unavailable says why a write found no majority in time.
func (r *Raft) unavailable(last error) error {
	const may = "it may still take effect; try again later"
	members := r.Peers()
	switch {
	case r.life.Err() != nil:
		return errClosed()
	case len(members) == 0:
		return naming.Unavailable("this node is not a member of a cluster yet; try again when it is")
	case !r.isMember(raft.ServerID(r.id.Store)):
		return naming.Unavailable("this node is no member of the cluster any more")
	}
	seen := 1
	for _, m := range members {
		if m.ID != r.id.Store && r.hasSeen(m.ID) {
			seen++
		}
	}
	if seen <= len(members)/2 {
		return naming.Unavailable("no quorum: this node sees %d of %d nodes of the cluster, and needs %d; %s", seen, len(members), len(members)/2+1, may)
	}
	if last == nil {
		return naming.Unavailable("the write was not applied within %v; %s", r.opt.Patience, may)
	}
	return naming.Unavailable("no leader took the write within %v: %w; %s", r.opt.Patience, last, may)
}

// applied takes note of what the machine did, on its goroutine.
func (r *Raft) applied(did applied) {
	for _, c := range did.commands {
		r.commits.deliver(c.origin)
		if c.origin.node == r.id.Store && c.origin.start == r.start {
			r.waiter.deliver(c.origin.number, c.results)
		}
	}
	if did.restored {
		r.deliverRestored()
	}
	if did.restored || did.members {
		r.changeMembers()
	}
	if len(did.keys) > 0 {
		r.opt.OnApply(did.keys)
	}
	if did.settings || len(did.names) > 0 {
		r.followers.note(did.settings, did.names)
	}
	if r.machine.pending.Load() > r.opt.SnapshotBytes {
		signal(r.compact)
	}
	signal(r.nudge)
}

// deliverRestored answers who waits for a command that came within a snapshot.
func (r *Raft) deliverRestored() {
	var o outcome
	if err := r.machine.view(func(tx *bbolt.Tx) (err error) { o, err = readOutcome(tx, r.id.Store); return err }); err != nil {
		r.fail(err)
		return
	}
	if o.origin.start == r.start {
		r.waiter.deliver(o.origin.number, o.results)
	}
}

// signal wakes a goroutine that looks for work.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
