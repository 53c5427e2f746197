package persistence

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	"go.etcd.io/bbolt"

	"nactor/naming"
)

// RaftOptions configure a [Raft].
type RaftOptions struct {
	Dir     string       // made if it is missing
	Logger  *slog.Logger // naming-raft.log
	MinFree int64        // bytes of free space below which writes are refused; 0: 16 MiB
	// Fatal is called once when a write or fsync has failed, on a goroutine of raft: the
	// process must end. It must not block and not call Close.
	Fatal func(error)

	// Stream carries messages between members, and is closed by Close. Its address is what
	// the others connect to.
	Stream raft.StreamLayer
	// AddressOf returns where a member is now, "host:port", and false when that is not
	// known: then the address counts with which it became a member. A node that it knows may
	// speak to this one before this one has heard that it is a member. It must not block.
	// nil: nothing is known.
	AddressOf func(id string) (string, bool)

	// OnApply is called with the services that entries of other processes changed, after
	// this node has them, in the log's order; after a snapshot with all services there are
	// or were. It runs on the goroutine that applies entries and must not block; it may be
	// called before OpenRaft returns.
	OnApply func(keys []naming.Key)
	// OnLeader is called with the leader's id, "" when it is not known, after it changed:
	// one call at a time, the newest only. It may block others of its kind and nothing else.
	OnLeader func(id string)

	// Heartbeat is how long a follower waits for the leader before it asks for an election,
	// 0: 1 s; Lease how long a leader stays one without a majority, 0: half of it. Equal on
	// all members: who waits less wins every election, also with a full disk.
	Heartbeat, Lease time.Duration
	// Patience is how long a write waits for a leader and a majority, 0: 3 s.
	Patience time.Duration
	// SnapshotEntries and SnapshotBytes of the log lead to a snapshot, after which
	// TrailingEntries are kept for members that lag behind. 0: 8192, 64 MiB, 1024.
	SnapshotEntries, TrailingEntries uint64
	SnapshotBytes                    int64

	// OpenFile and FreeSpace replace the operating system's in tests. nil: its own.
	OpenFile  func(name string, flag int, perm os.FileMode) (*os.File, error)
	FreeSpace func(dir string) (int64, error)

	// Simulation replaces files and sockets. The database stays a file, without fsync. nil:
	// none of it.
	Simulation *Simulation
}

// Simulation is what a [Raft] runs on in a test with virtual time. All fields are needed;
// the stores outlive Close, as a disk does.
type Simulation struct {
	Transport raft.Transport // also [raft.WithPreVote]; closed by Close if it is a [raft.WithClose]
	Forwarder Forwarder
	Logs      raft.LogStore
	Stable    raft.StableStore
	Snapshots raft.SnapshotStore
}

func (o *RaftOptions) setDefaults() {
	if o.MinFree == 0 {
		o.MinFree = defaultMinFree
	}
	if o.Fatal == nil {
		o.Fatal = func(error) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.FreeSpace == nil {
		o.FreeSpace = freeSpace
	}
	if o.AddressOf == nil {
		o.AddressOf = func(string) (string, bool) { return "", false }
	}
	if o.OnApply == nil {
		o.OnApply = func([]naming.Key) {}
	}
	if o.OnLeader == nil {
		o.OnLeader = func(string) {}
	}
	setDefault(&o.Heartbeat, time.Second)
	setDefault(&o.Lease, o.Heartbeat/2)
	setDefault(&o.Patience, 3*time.Second)
	setDefault(&o.SnapshotEntries, 8192)
	setDefault(&o.TrailingEntries, 1024)
	setDefault(&o.SnapshotBytes, 64<<20)
}

func setDefault[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// Raft is a [Store] that the members of a cluster keep together: a write is acknowledged
// when a majority has it on disk and this node has applied it. Any member takes writes. It
// is this node's copy that is read. Safe for concurrent use.
type Raft struct {
	opt     RaftOptions
	id      *identity
	dir     *os.File // locked as long as the store is open
	machine *machine
	log     *raftLog // nil: the simulation's
	logs    raft.LogStore
	guard   *guard
	mux     *mux // nil: the simulation's
	forward Forwarder
	raft    *raft.Raft

	jobs   chan raftJob
	mu     sync.RWMutex // guards closed against a Commit that is sending
	closed bool
	wrote  chan struct{} // closed when the writer has ended
	ended  chan struct{} // closed by Close, when all is

	life     context.Context // of everything that asks others
	stop     context.CancelFunc
	routines sync.WaitGroup
	calls    sync.WaitGroup // asks of others under way
	closeErr error

	start, number uint64 // of the newest command; number is the writer's
	waiter        waiter
	commits       commits

	documents documents
	followers followers
	caughtUp  atomic.Bool
	target    atomic.Uint64 // the first commit index heard of
	damaged   bool          // a snapshot was
	failure   atomic.Pointer[error]
	broken    chan struct{} // closed with failure
	compact   chan struct{}
	nudge     chan struct{}
	handover  chan struct{}
	leadership
}

var (
	_ Store     = (*Raft)(nil)
	_ Documents = (*Raft)(nil)
	_ recordLog = (*Raft)(nil)
)

// OpenRaft opens this node's part of a cluster's store in o.Dir, or makes one in a
// directory that has none. It refuses as [Open] does, and with [ErrMode] a database that a
// server on its own has filled. What is new knows no members: it waits until it is made one
// ([Raft.Bootstrap] here, or [Raft.AddVoter] on a member).
func OpenRaft(o RaftOptions) (*Raft, error) {
	o.setDefaults()
	if (o.Stream == nil) == (o.Simulation == nil) {
		return nil, errors.New("open the store: it takes either a stream or a simulation")
	}
	if err := makeDir(o.Dir); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	r := &Raft{
		opt: o, jobs: make(chan raftJob, queueLength), wrote: make(chan struct{}), ended: make(chan struct{}),
		broken: make(chan struct{}), compact: make(chan struct{}, 1), nudge: make(chan struct{}, 1), handover: make(chan struct{}, 1),
		documents: newDocuments(), leadership: newLeadership(),
	}
	r.followers.signal = make(chan struct{}, 1)
	r.life, r.stop = context.WithCancel(context.Background())
	if err := r.open(); err != nil {
		r.stop()
		return nil, errors.Join(err, r.closeFiles())
	}
	r.startRoutines()
	return r, nil
}

// adviseMember says what can be done about a refusal of one of a member's files.
func adviseMember(err error, path, dir string) error {
	if errors.Is(err, ErrCorrupt) || errors.Is(err, ErrLost) {
		err = fmt.Errorf("%w; if the other members of the cluster are well, start this one with --replace-node: it moves %s aside and joins them again as a new node; otherwise restore it from a backup", err, dir)
	}
	return fmt.Errorf("%s: %w", path, err)
}

// open reads what is on disk, and makes raft of it.
func (r *Raft) open() (err error) {
	dir := r.opt.Dir
	database := filepath.Join(dir, databaseFile)
	named := func(path string, err error) error {
		if err != nil {
			return adviseMember(err, path, dir)
		}
		return nil
	}
	if r.dir, err = lockDir(dir); err != nil {
		return named(database, err)
	}
	if err := removeIfThere(filepath.Join(dir, restoreFile)); err != nil { // of a restore that was interrupted
		return named(database, err)
	}
	if r.id, err = openIdentity(dir); err != nil {
		return named(database, err)
	}
	r.machine = &machine{
		dir: dir, path: database, id: r.id, fatal: r.fail, changed: r.applied, logger: r.opt.Logger,
		options: bbolt.Options{OpenFile: r.opt.OpenFile, InitialMmapSize: mapped},
	}
	sim := r.opt.Simulation
	if sim != nil {
		r.machine.options.NoSync, r.machine.options.InitialMmapSize = true, 0
	}
	if err := openMachine(r.machine); err != nil {
		return named(database, err)
	}
	if err := r.machine.view(r.refuseStandalone); err != nil {
		return named(database, err)
	}
	logger := newRaftLogger(r.opt.Logger)
	var stable raft.StableStore
	var snapshots raft.SnapshotStore
	var transport raft.Transport
	if sim != nil {
		r.logs, stable, snapshots, transport, r.forward = sim.Logs, sim.Stable, sim.Snapshots, sim.Transport, sim.Forwarder
	} else {
		if r.log, err = openRaftLog(dir, r.id, r.opt.OpenFile, r.fail); err != nil {
			return named(filepath.Join(dir, raftFile), err)
		}
		r.logs, stable = r.log, r.log
		if snapshots, err = raft.NewFileSnapshotStoreWithLogger(filepath.Join(dir, snapshotDir), keepSnapshots, logger); err != nil {
			return named(filepath.Join(dir, snapshotDir), err)
		}
		if err := r.verifySnapshots(snapshots); err != nil {
			return named(filepath.Join(dir, snapshotDir), err)
		}
		r.mux = newMux(r.opt.Stream, r.serveForward, logger.warn)
		transport = raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
			Stream: r.mux, MaxPool: 3, MaxRPCsInFlight: 1, Timeout: transportTimeout, Logger: logger,
		})
		r.forward = &streamForwarder{m: r.mux}
	}
	if r.guard, err = newGuard(transport); err != nil {
		return err
	}
	restore, err := r.settle(snapshots)
	if err != nil {
		return named(filepath.Join(dir, raftFile), err)
	}
	if r.start, err = nextStart(stable); err != nil {
		return named(filepath.Join(dir, raftFile), err)
	}
	r.machine.start = r.start
	return r.makeRaft(logger, stable, snapshots, restore)
}

// transportTimeout bounds a message, fsync of the other side included.
const (
	transportTimeout = 5 * time.Second
	snapshotInterval = 20 * time.Second // how often the length of the log is looked at; its bytes are at each write
)

func (r *Raft) makeRaft(logger *raftLogger, stable raft.StableStore, snapshots raft.SnapshotStore, restore bool) error {
	g := r.guard
	g.member, g.term, g.space = r.mayspeak, r.term, r.space
	g.votes = func() bool { return r.isMember(raft.ServerID(r.id.Store)) }
	g.contact, g.heard = r.hearCommit, r.heardFrom
	g.refused = func(from raft.ServerID, what string, err error) {
		logger.warn("a message was refused", "what", what, "from", fmt.Sprintf("%.64q", string(from)), "err", err)
	}
	g.addressOf = func(id raft.ServerID) (string, bool) { return r.opt.AddressOf(string(id)) }

	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(r.id.Store)
	c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout = r.opt.Heartbeat, r.opt.Heartbeat, r.opt.Lease
	c.SnapshotThreshold, c.TrailingLogs = r.opt.SnapshotEntries, r.opt.TrailingEntries
	c.SnapshotInterval = snapshotInterval
	c.MaxAppendEntries = 32
	c.ShutdownOnRemove = false // it may be added again, and can say what happened
	c.NoLegacyTelemetry = true
	c.NoSnapshotRestoreOnStart = !restore
	c.Logger = logger
	made, err := raft.NewRaft(c, r.machine, r.logs, stable, snapshots, g)
	if err != nil {
		return fmt.Errorf("start raft in %s: %w", r.opt.Dir, err)
	}
	r.raft = made
	r.ready.Store(made)
	return nil
}

func (r *Raft) startRoutines() {
	r.guard.run()
	if r.mux != nil {
		r.mux.start()
	}
	go r.write()
	r.routines.Go(r.observe)
	r.routines.Go(r.tellFollowers)
	r.routines.Go(r.compactLog)
	r.routines.Go(r.nudgeMembers)
	r.routines.Go(r.handOver)
}

// refuseStandalone refuses what a server on its own has written: the other members do not
// have it.
func (r *Raft) refuseStandalone(tx *bbolt.Tx) error {
	books, err := openLedger(tx)
	if err != nil {
		return err
	}
	if !r.id.Member && books.count > 0 && tx.Bucket(bucketSettings).Get(keyApplied) == nil {
		return fmt.Errorf("%w: it holds %d records of a server on its own, which the other members of the cluster would not have; start the server in standalone mode, or with another home and take its content over through the API", ErrMode, books.count)
	}
	return nil
}

var keyStart = []byte("nactor-start")

// nextStart counts the starts of this node.
func nextStart(stable raft.StableStore) (uint64, error) {
	n, err := stable.GetUint64(keyStart)
	if err != nil && err.Error() != "not found" { // as raft's own store for tests says
		return 0, err
	}
	return n + 1, stable.SetUint64(keyStart, n+1)
}

// fail ends this node's part: it must neither write nor lead.
func (r *Raft) fail(err error) {
	if !r.failure.CompareAndSwap(nil, &err) {
		return
	}
	if r.guard != nil {
		r.guard.cut.Store(true)
	}
	close(r.broken)
	r.opt.Logger.Error("the store failed and takes no more writes", "err", err)
	r.opt.Fatal(err)
}

// Services implements [Store].
func (r *Raft) Services() iter.Seq2[naming.Saved, error] {
	return servicesOf(r.machine.path, r.machine.view)
}

// Saved implements [Store].
func (r *Raft) Saved(key naming.Key) (naming.Saved, bool) {
	s, ok, err := readSaved(r.machine.view, key)
	if err != nil {
		r.opt.Logger.Error("a service cannot be read", "service", key, "file", r.machine.path, "err", err)
	}
	return s, ok
}

// NodeID implements [Store]. It is this node's id in the cluster.
func (r *Raft) NodeID() string { return r.id.Store }

// Settings reads the settings. onChange is called with the switches that came into force,
// one call at a time, whichever node changed them; it must not change settings.
func (r *Raft) Settings(onChange ...func(*naming.Switches)) (*Settings, error) {
	// Known before it is read: what changes in between is read again.
	s := &Settings{log: r, turn: make(chan struct{}, 1)}
	s.turn <- struct{}{}
	r.followers.add(s)
	err := s.load(true)
	s.onChange = onChange
	if err := s.end(err); err != nil {
		return nil, fmt.Errorf("read the settings from %s: %w", r.machine.path, err)
	}
	return s, nil
}

// Document implements [Documents].
func (r *Raft) Document(name string) (value []byte, version uint64, err error) {
	return documentOf(r, name)
}

// PutDocument implements [Documents].
func (r *Raft) PutDocument(ctx context.Context, name string, version uint64, value []byte) (uint64, error) {
	return putDocument(ctx, r, name, version, value, func() error { return nil }) // watchers learn from the log
}

// OnDocument implements [Documents].
func (r *Raft) OnDocument(f func(name string, value []byte, version uint64)) { r.documents.watch(f) }

func (r *Raft) view(f func(*bbolt.Tx) error) error { return r.machine.view(f) }

// space says why as many bytes more have no room on the disk.
func (r *Raft) space(need int64) error {
	need = max(need, 0) + r.opt.MinFree
	if free, err := r.opt.FreeSpace(r.opt.Dir); err == nil && free < need {
		return diskFull(free, r.opt.Dir, need)
	}
	return nil
}

// Close implements [Store]. What was accepted is written if that is possible within
// Patience, and a leader hands over to another member first.
func (r *Raft) Close() error {
	r.mu.Lock()
	first := !r.closed
	r.closed = true
	if first {
		close(r.jobs)
	}
	r.mu.Unlock()
	if !first {
		<-r.ended
		return nil
	}
	defer close(r.ended)
	hurry := time.AfterFunc(r.opt.Patience, r.stop)
	<-r.wrote
	hurry.Stop()
	r.resign()
	r.stop()
	r.routines.Wait()
	r.closeErr = r.closeFiles()
	return r.closeErr
}

// closeFiles ends raft and closes what is open. Parts may be missing.
func (r *Raft) closeFiles() error {
	var errs []error
	if r.log != nil {
		r.log.letGo()
	}
	if s, ok := r.forward.(*streamForwarder); ok {
		s.close()
	}
	if r.raft != nil {
		errs = append(errs, r.raft.Shutdown().Error()) // closes the transport too
	}
	if r.guard != nil {
		if t, ok := r.guard.inner.(*raft.NetworkTransport); ok {
			t.CloseStreams()
		}
		errs = append(errs, r.guard.Close())
	}
	if r.mux != nil {
		errs = append(errs, ignoreClosed(r.mux.Close()))
	} else if r.opt.Stream != nil {
		errs = append(errs, ignoreClosed(r.opt.Stream.Close()))
	}
	r.calls.Wait()
	if r.log != nil {
		errs = append(errs, r.log.close())
	}
	if r.machine != nil && r.machine.db.Load() != nil {
		errs = append(errs, r.machine.close())
	}
	if r.dir != nil {
		errs = append(errs, r.dir.Close())
	}
	return errors.Join(errs...)
}
