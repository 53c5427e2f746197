package cluster

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/hashicorp/serf/serf"
)

// Gossip configures the membership of one node.
type Gossip struct {
	Self      Member // State, Status and Seen are set by the membership
	Logger    *slog.Logger
	Bind      string   // address to listen on
	Seeds     []string // host:port of the serf ports of other nodes; own one allowed
	Key       []byte   // 16, 24 or 32 bytes; nil: gossip is in the clear
	Snapshot  string   // file that remembers the members; "": none
	Transport memberlist.Transport

	// Refused reports whether the actors' port of a member refuses connections, which only
	// a dead process's does. nil: gossip alone tells.
	Refused func(*Member) bool
	// Changed is called with each new state of the membership, one call at a time.
	Changed func(*Members)
}

// Membership is this node's view of who is here. serf carries it.
type Membership struct {
	cfg    Gossip
	serf   *serf.Serf
	events chan serf.Event
	wake   chan struct{} // capacity 1: something may have changed
	turn   chan struct{} // capacity 1: whose turn it is to announce something
	untold atomic.Bool   // nobody confirmed to have heard the last of it
	quit   chan struct{}
	wg     sync.WaitGroup

	mu       sync.Mutex // guards self and suspects
	self     Member
	suspects map[string]bool // processes that are watched, and whether their port refuses
	silent   map[string]bool // processes that do not acknowledge what they are sent

	now      atomic.Pointer[Members]
	conflict atomic.Pointer[Member] // another living process with our id
}

// Probe settings: a killed node is known in 2 to 3.5 s, a stall of 2 s is survived.
const (
	probeInterval = 500 * time.Millisecond
	probeTimeout  = 250 * time.Millisecond
	suspicion     = 3
	joinEvery     = time.Second
	// Gossip can lose what a node says of itself (memberlist's queue takes two messages of
	// one length for the same now and then): nodes that differ on who is ready differ on who
	// owns what until they compare all they know.
	exchangeEvery = 2 * time.Second
	streamTimeout = 2 * time.Second
	joinLogEvery  = 30 * time.Second
	redialEvery   = 100 * time.Millisecond
	calmly        = 10
	gather        = 30 * time.Millisecond
	leaveTimeout  = 3 * time.Second
)

// Join starts the membership. It returns at once when it can listen; seeds that do not
// answer are tried until Leave.
func Join(cfg Gossip) (*Membership, error) {
	m := &Membership{
		cfg: cfg, events: make(chan serf.Event, 256), wake: make(chan struct{}, 1), turn: make(chan struct{}, 1), quit: make(chan struct{}),
		self: cfg.Self, suspects: map[string]bool{}, silent: map[string]bool{},
	}
	began, err := nextStart(cfg.Snapshot, time.Now())
	if err != nil {
		return nil, err
	}
	m.self.State, m.self.began = Joining, began
	m.self.Process = fmt.Sprintf("%s-%s", m.self.ID, strconv.FormatUint(m.self.began, 36))
	c := serf.DefaultConfig()
	c.NodeName, c.Tags, c.EventCh = m.self.Process, m.self.tags(), m.events
	c.Logger = log.New(logWriter{cfg.Logger}, "", 0)
	c.LogOutput = nil
	c.SnapshotPath, c.RejoinAfterLeave = cfg.Snapshot, true
	c.EnableNameConflictResolution = false // names are unique to a process
	c.DisableCoordinates = true
	c.BroadcastTimeout = time.Second // who is here hears it in a tenth of that
	c.LeavePropagateDelay = 500 * time.Millisecond
	c.ReconnectInterval = 2 * time.Second
	c.ReconnectTimeout = 24 * time.Hour
	c.TombstoneTimeout = 10 * time.Minute
	c.ValidateNodeNames = false
	ml := memberlist.DefaultLANConfig()
	ml.ProbeInterval, ml.ProbeTimeout, ml.SuspicionMult = probeInterval, probeTimeout, suspicion
	ml.GossipInterval = 100 * time.Millisecond
	ml.PushPullInterval = exchangeEvery
	// The seeds are tried one after the other: those that are cut off must not hold up the
	// others, nor the heal be missed while a dial waits for an answer.
	ml.TCPTimeout = streamTimeout
	ml.BindAddr, ml.BindPort = cmp.Or(cfg.Bind, "0.0.0.0"), cfg.Self.SerfPort
	ml.AdvertiseAddr, ml.AdvertisePort = advertised(cfg.Self.Host), cfg.Self.SerfPort
	ml.SecretKey = cfg.Key
	ml.Transport = cfg.Transport
	ml.Logger, ml.LogOutput = c.Logger, nil
	c.MemberlistConfig = ml
	s, err := serf.Create(c)
	if err != nil {
		return nil, fmt.Errorf("start gossip on %s: %w", net.JoinHostPort(ml.BindAddr, strconv.Itoa(ml.BindPort)), err)
	}
	m.serf = s
	m.rebuild()
	m.wg.Go(m.listen)
	m.wg.Go(m.follow)
	m.wg.Go(m.join)
	return m, nil
}

// advertised returns the address to tell others; memberlist wants an IP.
func advertised(host string) string {
	if ips, err := net.LookupIP(host); err == nil && len(ips) > 0 {
		return ips[0].String()
	}
	return host
}

// Members returns the present state of the membership.
func (m *Membership) Members() *Members { return m.now.Load() }

// Self returns this node as others see it.
func (m *Membership) Self() *Member {
	m.mu.Lock()
	defer m.mu.Unlock()
	self := m.self
	self.Status, self.Seen = Alive, time.Now()
	return &self
}

// Conflict returns another living process that has this node's id, or nil.
func (m *Membership) Conflict() *Member { return m.conflict.Load() }

// Announce changes what this node says of itself.
func (m *Membership) Announce(edit func(*Member)) {
	// Not under mu: serf waits for seconds for somebody to hear it, and what the others say
	// must be followed meanwhile.
	m.turn <- struct{}{}
	defer func() { <-m.turn }()
	m.mu.Lock()
	before := m.self.tags()
	edit(&m.self)
	tags := m.self.tags()
	m.mu.Unlock()
	if equalTags(before, tags) {
		return
	}
	m.touch()
	m.tell(tags)
}

// tell has the others told what this node says of itself. When that is not confirmed, they
// are told again later.
func (m *Membership) tell(tags map[string]string) {
	err := m.serf.SetTags(tags)
	m.untold.Store(err != nil)
	if err != nil {
		m.cfg.Logger.Debug("a change of this node is not confirmed yet", "err", err)
	}
}

// retell repeats what nobody confirmed to have heard.
func (m *Membership) retell() {
	if !m.untold.Load() {
		return
	}
	m.turn <- struct{}{}
	defer func() { <-m.turn }()
	m.mu.Lock()
	tags := m.self.tags()
	m.mu.Unlock()
	m.tell(tags)
}

func equalTags(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return true
}

// Suspect notes that a connection to a member broke: its port is tried, and when that
// refuses the member is out of the ring before gossip knows.
func (m *Membership) Suspect(id string) {
	member := m.Members().Find(id)
	if member == nil || !member.Up() || m.cfg.Refused == nil || id == m.cfg.Self.ID {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, watched := m.suspects[member.Process]; !watched {
		m.suspects[member.Process] = false
		m.wg.Go(func() { m.watch(member) })
	}
}

// Doubt notes that a member does not acknowledge what it is sent, or does so again. One
// that does not is out of the ring before gossip knows: a node that is cut off from all
// others needs several times as long to be sure of each.
func (m *Membership) Doubt(id string, silent bool) {
	member := m.Members().Find(id)
	if member == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if silent {
		m.silent[member.Process] = true
	} else {
		delete(m.silent, member.Process)
	}
	m.touch()
}

// watch follows a suspect until it has answered calmly times in a row, or gossip has decided.
// Once is not enough: a dying process may lose its connections before its listener.
func (m *Membership) watch(member *Member) {
	t := time.NewTicker(redialEvery)
	defer t.Stop()
	for answers := 0; ; {
		refused := m.cfg.Refused(member)
		if answers++; refused {
			answers = 0
		}
		over := answers >= calmly || refused && !m.gossips(member.Process)
		m.mu.Lock()
		known := m.suspects[member.Process]
		if m.suspects[member.Process] = refused; over {
			delete(m.suspects, member.Process)
		}
		m.mu.Unlock()
		if refused != known {
			m.touch()
		}
		if over {
			return
		}
		select {
		case <-t.C:
		case <-m.quit:
			return
		}
	}
}

// gossips reports whether gossip believes a process to be alive.
func (m *Membership) gossips(process string) bool {
	return slices.ContainsFunc(m.serf.Members(), func(s serf.Member) bool {
		return s.Name == process && s.Status == serf.StatusAlive
	})
}

// Leave says good-bye and ends the membership.
func (m *Membership) Leave(ctx context.Context) error {
	left := make(chan error, 1)
	go func() { left <- m.serf.Leave() }()
	var err error
	select {
	case err = <-left:
	case <-ctx.Done():
		err = ctx.Err()
	case <-time.After(leaveTimeout):
	}
	return cmpErr(err, m.Stop())
}

func cmpErr(a, b error) error {
	if a != nil {
		return fmt.Errorf("leave the cluster: %w", a)
	}
	return b
}

// Stop ends the membership without a word, as a crash would.
func (m *Membership) Stop() error {
	close(m.quit)
	err := m.serf.Shutdown()
	m.wg.Wait()
	if err != nil {
		return fmt.Errorf("stop gossip: %w", err)
	}
	return nil
}

// listen takes serf's events as they come: a slow reader would block serf.
func (m *Membership) listen() {
	for {
		select {
		case <-m.events:
			m.touch()
		case <-m.serf.ShutdownCh():
			return
		}
	}
}

func (m *Membership) touch() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// follow rebuilds the state of the membership when something has happened.
func (m *Membership) follow() {
	for {
		select {
		case <-m.wake:
			// What comes together is acted on together: each ring moves services.
			select {
			case <-time.After(gather):
			case <-m.quit:
				return
			}
			m.rebuild()
		case <-m.quit:
			return
		}
	}
}

func (m *Membership) rebuild() {
	now, known := time.Now(), m.now.Load()
	m.mu.Lock()
	var all []*Member
	var conflict *Member
	for _, s := range m.serf.Members() {
		member, ok := parseMember(s.Name, s.Tags)
		if !ok {
			continue
		}
		switch {
		case s.Status == serf.StatusLeft:
			member.Status = Left
		case s.Status == serf.StatusFailed, s.Status == serf.StatusNone:
			member.Status = Failed
			delete(m.silent, s.Name) // should it come back, it has a new link
		case m.suspects[s.Name], m.silent[s.Name]:
			member.Status = Suspect
		default:
			member.Status = Alive // also one that is leaving: it still answers
		}
		member.Seen = seen(known, member, now)
		if s.Name == m.self.Process {
			self := m.self
			self.Status, self.Seen = Alive, now
			member = &self
		} else if member.ID == m.self.ID && member.Status == Alive && member.Addr() != m.self.Addr() {
			conflict = member
		} else if member.ID == m.self.ID {
			continue // an earlier life of this node
		}
		all = append(all, member)
	}
	m.mu.Unlock()
	m.conflict.Store(conflict)
	fresh := newMembers(all)
	if self := fresh.Find(m.self.ID); self != nil && self.Process != m.self.Process {
		fresh.rival = self
	}
	old := m.now.Swap(fresh)
	if old != nil && old.same(fresh) {
		return
	}
	m.report(old, fresh)
	if m.cfg.Changed != nil {
		m.cfg.Changed(fresh)
	}
}

// seen returns when a member last was alive, as far as is known: now, or when that ended.
func seen(known *Members, member *Member, now time.Time) time.Time {
	if member.Status == Alive {
		return now
	}
	if known == nil {
		return time.Time{}
	}
	before := known.Find(member.ID)
	switch {
	case before == nil || before.Process != member.Process:
		return time.Time{}
	case before.Status == Alive:
		return now
	}
	return before.Seen
}

// report logs what became of the members.
func (m *Membership) report(old, fresh *Members) {
	for _, now := range fresh.list {
		var before *Member
		if old != nil {
			before = old.Find(now.ID)
		}
		if now.ID == m.cfg.Self.ID || before != nil && before.Status == now.Status && before.State == now.State {
			continue
		}
		m.cfg.Logger.Info("member changed", "node", now.Addr(), "status", now.Status, "state", now.State, "version", now.Version, "id", now.ID)
	}
}

// same reports whether nothing of interest differs.
func (ms *Members) same(o *Members) bool {
	return slices.EqualFunc(ms.list, o.list, func(a, b *Member) bool {
		return a.Process == b.Process && a.Status == b.Status && equalTags(a.tags(), b.tags())
	})
}

// join keeps trying the seeds that are not here, also after a partition: serf by itself
// reconnects to members that it knows, not to those that it never met.
func (m *Membership) join() {
	t := time.NewTicker(joinEvery)
	defer t.Stop()
	var logged time.Time
	for {
		m.retell()
		if missing := m.missing(); len(missing) > 0 && m.Self().State != Leaving {
			_, err := m.serf.Join(missing, true)
			if err != nil && time.Since(logged) > joinLogEvery {
				logged = time.Now()
				m.cfg.Logger.Warn("cannot reach these nodes yet, trying on", "serf", strings.Join(missing, ","), "err", err)
			}
		}
		select {
		case <-t.C:
		case <-m.quit:
			return
		}
	}
}

// missing returns the seeds that no living member listens at.
func (m *Membership) missing() []string {
	here := map[string]bool{}
	for _, s := range m.serf.Members() {
		if s.Status == serf.StatusAlive {
			here[net.JoinHostPort(s.Addr.String(), strconv.Itoa(int(s.Port)))] = true
			here[net.JoinHostPort(s.Tags[tagHost], s.Tags[tagSerf])] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(m.cfg.Seeds), func(seed string) bool { return here[seed] })
}

// logWriter hands serf's and memberlist's lines to the node's log. Each begins with a level
// in brackets.
type logWriter struct{ *slog.Logger }

func (w logWriter) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	// Every failed attempt to reach a node that is down is an error to them; what comes of
	// it is reported by the membership.
	if _, rest, ok := strings.Cut(text, "] "); ok {
		text = rest
	}
	w.Debug(text)
	return len(line), nil
}
