package guard

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/remote"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const (
	bytesValue  = "google.protobuf.BytesValue"
	stringValue = "google.protobuf.StringValue"
	inbox       = "inbox-test"
)

// node is an actor system with a guarded remote, an inbox that counts and a grain that must
// not be reached.
type node struct {
	system *actor.ActorSystem
	remote *remote.Remote
	guard  *Remote
	addr   string
	got    atomic.Int64 // messages in the inbox
	bad    atomic.Int64 // messages to the grain, and its end
	grain  *actor.PID
	srv    any                // what the framework gives to gRPC, once there was a stream
	serve  grpc.StreamHandler // and how it serves a stream
	first  sync.Once
	ready  chan struct{} // closed when the two above are there
	log    lines
}

var quiet = slog.New(slog.DiscardHandler)

// world are the nodes of all tests, two without a key and two with one. They start before
// any connection is made and stay: the framework sets gRPC's global logger at each start,
// which connections read.
var world = sync.OnceValue(func() (w struct{ plain, keyed [2]*node }) {
	var open []net.Conn
	for i := range 2 {
		for key, n := range map[Key]**node{{}: &w.plain[i], keyA(): &w.keyed[i]} {
			*n = start(key, true)
			// The byte is proof that the server is past logging its own start.
			c, err := net.Dial("tcp", (*n).addr)
			must(err)
			if !key.IsZero() {
				cfg := key.ClientTLS()
				cfg.NextProtos = []string{"h2"}
				c = tls.Client(c, cfg)
			}
			must(c.SetDeadline(time.Now().Add(10 * time.Second)))
			_, err = c.Read(make([]byte, 1))
			must(err)
			open = append(open, c)
		}
	}
	for _, c := range open {
		// And this one, to the server, that it reads the logger of the last start.
		_, err := c.Write([]byte("x"))
		must(err)
		must(c.Close())
	}
	started = []*node{w.plain[0], w.plain[1], w.keyed[0], w.keyed[1]}
	return w
})

// started are the nodes to be stopped at the end.
var started []*node

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// use returns two nodes with a key, as if nothing had happened yet.
func use(t testing.TB, key Key) (a, b *node) {
	pair := world().plain
	if !key.IsZero() {
		pair = world().keyed
	}
	for _, n := range pair {
		n.got.Store(0)
		n.log.reset()
		n.guard.mu.Lock()
		clear(n.guard.counts)
		n.guard.logged, n.guard.silent = time.Time{}, 0
		n.guard.mu.Unlock()
	}
	return pair[0], pair[1]
}

// notMember is the address of a node that is not a member.
const notMember = "198.51.100.1:1"

// start starts a node. Without a guard it is as the framework is.
func start(key Key, guarded bool) *node {
	n := &node{ready: make(chan struct{})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	n.addr = l.Addr().String()
	must(l.Close())
	n.guard, err = NewRemote(key, Policy{
		Self: n.addr, Types: []string{bytesValue, stringValue},
		Target: func(id string) bool { return strings.HasPrefix(id, "inbox-") },
		Peer:   func(address string) bool { return address != notMember },
		Filter: Filter{Logger: slog.New(slog.NewTextHandler(&n.log, nil))},
	})
	must(err)
	var opts []remote.ConfigOption
	if guarded {
		opts = append(n.guard.Options(), remote.WithServerOptions(append(n.guard.serverOptions(), grpc.ChainStreamInterceptor(n.capture))...))
	}
	opts = append(opts, remote.WithAdvertisedHost(n.addr), remote.WithEndpointWriterQueueSize(1024), remote.WithEndpointWriterBatchSize(64))
	n.system = actor.NewActorSystemWithConfig(actor.Configure(
		actor.WithDeadLetterThrottleInterval(time.Millisecond), // a goroutine of it waits that long
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return quiet })))
	rc := remote.Configure("127.0.0.1", int(l.Addr().(*net.TCPAddr).Port), opts...)
	rc.MaxRetryCount = 1
	n.remote = remote.NewRemote(n.system, rc)
	n.remote.Start()

	count := func(c *atomic.Int64) *actor.Props {
		return actor.PropsFromFunc(func(ctx actor.Context) {
			switch ctx.Message().(type) {
			case *actor.Started:
			case *actor.Stopping, *actor.Stopped, *actor.Restarting:
				n.bad.Add(1)
			default:
				c.Add(1)
			}
		})
	}
	_, err = n.system.Root.SpawnNamed(count(&n.got), inbox)
	must(err)
	n.grain, err = n.system.Root.SpawnNamed(count(&n.bad), "service:public%40%40g$7")
	must(err)
	return n
}

func (n *node) stop() {
	n.remote.Shutdown(false)
	n.system.Shutdown()
}

// capture remembers the framework's own handler.
func (n *node) capture(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	n.first.Do(func() {
		n.srv, n.serve = srv, handler
		close(n.ready)
	})
	return handler(srv, ss)
}

// client is a client of the node's remote with some key.
func (n *node) client(t testing.TB, key Key) remote.RemotingClient {
	creds := insecure.NewCredentials()
	if !key.IsZero() {
		cfg := key.ClientTLS()
		cfg.VerifyConnection = nil // a stranger does not care
		creds = credentials.NewTLS(cfg)
	}
	conn, err := grpc.NewClient(n.addr, grpc.WithTransportCredentials(creds))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return remote.NewRemotingClient(conn)
}

const stranger = "192.0.2.7:9"

func greeting(addr string) *remote.RemoteMessage {
	return &remote.RemoteMessage{MessageType: &remote.RemoteMessage_ConnectRequest{ConnectRequest: &remote.ConnectRequest{
		ConnectionType: &remote.ConnectRequest_ServerConnection{ServerConnection: &remote.ServerConnection{SystemId: "s", Address: addr}},
	}}}
}

func batch(b *remote.MessageBatch) *remote.RemoteMessage {
	return &remote.RemoteMessage{MessageType: &remote.RemoteMessage_MessageBatch{MessageBatch: b}}
}

// send sends messages on a stream of its own and returns how the stream ended.
func send(t testing.TB, c remote.RemotingClient, messages ...*remote.RemoteMessage) error {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	s, err := c.Receive(ctx)
	if err != nil {
		return err
	}
	for _, m := range messages {
		if s.Send(m) != nil {
			break // Recv tells why
		}
	}
	if err := s.CloseSend(); err != nil {
		return err
	}
	for {
		if _, err := s.Recv(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func encode(m proto.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

// good returns a batch of n messages to the inbox.
func (n *node) good(count int) *remote.MessageBatch {
	b := &remote.MessageBatch{
		TypeNames: []string{bytesValue}, Targets: []*actor.PID{actor.NewPID(n.addr, inbox)}, Senders: []*actor.PID{actor.NewPID(stranger, "node-x")},
	}
	for range count {
		b.Envelopes = append(b.Envelopes, &remote.MessageEnvelope{MessageData: encode(wrapperspb.Bytes([]byte("x")))})
	}
	return b
}

// alive fails the test if the node does not take messages or its grain was touched.
func (n *node) alive(t testing.TB, key Key) {
	t.Helper()
	before := n.got.Load()
	if err := send(t, n.client(t, key), greeting(stranger), batch(n.good(1))); err != nil {
		t.Errorf("a peer is refused: %v", err)
	}
	eventually(t, "a message of a peer arrives", func() bool { return n.got.Load() > before })
	if n.bad.Load() != 0 {
		t.Error("the grain was reached")
	}
	if _, ok := n.system.ProcessRegistry.GetLocal(n.grain.Id); !ok {
		t.Error("the grain is gone")
	}
	if p := n.guard.Rejected()[ReasonPanic]; p != 0 {
		t.Errorf("%d panics", p)
	}
}

func TestAttacks(t *testing.T) {
	for name, key := range map[string]Key{"plain": {}, "with a key": keyA()} {
		t.Run(name, func(t *testing.T) { attacks(t, key) })
	}
}

func attacks(t *testing.T, key Key) {
	n, _ := use(t, key)
	c := n.client(t, key)
	wants := func(reason string, err error) {
		t.Helper()
		want := codes.PermissionDenied
		switch reason {
		case ReasonSize:
			want = codes.ResourceExhausted
		case ReasonPayload:
			want = codes.InvalidArgument
		case ReasonCount:
			if status.Code(err) == codes.Internal { // refused before it was decoded
				want = codes.Internal
			}
		}
		if status.Code(err) != want {
			t.Errorf("%s: ended with %v", reason, err)
		}
		if n.guard.Rejected()[reason] == 0 {
			t.Errorf("%s: counted %v", reason, n.guard.Rejected())
		}
		// Each is counted once, under one reason.
		n.guard.mu.Lock()
		delete(n.guard.counts, reason)
		rest := total(n.guard.counts)
		n.guard.mu.Unlock()
		if rest != n.guard.Rejected()[ReasonClosed]+n.guard.Rejected()[ReasonDeadLetter] {
			t.Errorf("%s: also counted %v", reason, n.guard.Rejected())
		}
	}

	_, err := c.ListProcesses(t.Context(), &remote.ListProcessesRequest{})
	wants(ReasonMethod, err)
	_, err = c.GetProcessDiagnostics(t.Context(), &remote.GetProcessDiagnosticsRequest{})
	wants(ReasonMethod, err)

	self := actor.NewPID(n.addr, inbox)
	one := func(change func(*remote.MessageBatch, *remote.MessageEnvelope)) *remote.RemoteMessage {
		b := n.good(1)
		change(b, b.Envelopes[0])
		return batch(b)
	}
	type B = *remote.MessageBatch
	type E = *remote.MessageEnvelope
	typed := func(m proto.Message) *remote.RemoteMessage {
		return one(func(b B, e E) {
			b.TypeNames[0], e.MessageData = string(proto.MessageName(m)), encode(m)
			b.Targets[0].Id = n.grain.Id
		})
	}
	for _, a := range []struct {
		what, reason string
		m            *remote.RemoteMessage
	}{
		{"empty tables", ReasonIndex, batch(&remote.MessageBatch{Envelopes: []*remote.MessageEnvelope{{Target: 7, TypeId: 9}}})},
		{"target beyond", ReasonIndex, one(func(_ B, e E) { e.Target = 1 })},
		{"target before", ReasonIndex, one(func(_ B, e E) { e.Target = -1 })},
		{"target far", ReasonIndex, one(func(_ B, e E) { e.Target = math.MaxInt32 })},
		{"type beyond", ReasonIndex, one(func(_ B, e E) { e.TypeId = 1 })},
		{"type before", ReasonIndex, one(func(_ B, e E) { e.TypeId = math.MinInt32 })},
		{"sender beyond", ReasonIndex, one(func(_ B, e E) { e.Sender = 2 })},
		{"sender before", ReasonIndex, one(func(_ B, e E) { e.Sender = -1 })},
		{"target request", ReasonRequestID, one(func(_ B, e E) { e.TargetRequestId = 1 })},
		{"sender request", ReasonRequestID, one(func(_ B, e E) { e.SenderRequestId = math.MaxUint32 })},
		{"JSON", ReasonSerializer, one(func(_ B, e E) { e.SerializerId = 1 })},
		{"serializer beyond", ReasonSerializer, one(func(_ B, e E) { e.SerializerId = 2 })},
		{"serializer before", ReasonSerializer, one(func(_ B, e E) { e.SerializerId = -1 })},
		{"unknown type", ReasonType, one(func(b B, _ E) { b.TypeNames[0] = "no.Such" })},
		{"stop", ReasonType, typed(&actor.Stop{})},
		{"poison", ReasonType, typed(&actor.PoisonPill{})},
		{"watch", ReasonType, typed(&actor.Watch{Watcher: self})},
		{"unwatch", ReasonType, typed(&actor.Unwatch{Watcher: self})},
		{"terminated of nobody", ReasonType, typed(&actor.Terminated{})},
		{"terminated", ReasonType, typed(&actor.Terminated{Who: actor.NewPID(stranger, "x")})},
		{"touch", ReasonType, typed(&actor.Touch{})},
		{"stop to the inbox", ReasonType, one(func(b B, e E) { b.TypeNames[0], e.MessageData = "actor.Stop", nil })},
		{"spawn", ReasonType, typed(&remote.ActorPidRequest{Kind: "x"})},
		{"grain", ReasonTarget, one(func(b B, _ E) { b.Targets[0].Id = n.grain.Id })},
		{"activator", ReasonTarget, one(func(b B, _ E) { b.Targets[0].Id = "activator" })},
		{"system actor", ReasonTarget, one(func(b B, _ E) { b.Targets[0].Id = "$1" })},
		{"future", ReasonTarget, one(func(b B, _ E) { b.Targets[0].Id = "future$1" })},
		{"second of two targets", ReasonTarget, one(func(b B, e E) {
			b.Targets = append(b.Targets, actor.NewPID(n.addr, n.grain.Id))
			b.Envelopes = append(b.Envelopes, &remote.MessageEnvelope{Target: 1})
		})},
		{"relay", ReasonRelay, one(func(b B, _ E) { b.Targets[0].Address = stranger })},
		{"relay to nowhere", ReasonRelay, one(func(b B, _ E) { b.Targets[0].Address = "" })},
		{"in the name of another", ReasonSender, one(func(b B, e E) { e.Sender, b.Senders[0].Address = 1, "10.9.9.9:1" })},
		{"too many", ReasonCount, batch(n.good(maxEnvelopes + 1))},
		{"too many, empty", ReasonCount, batch(&remote.MessageBatch{Envelopes: slices.Repeat([]*remote.MessageEnvelope{{}}, 200_000)})},
		{"too many targets", ReasonCount, batch(&remote.MessageBatch{Targets: slices.Repeat([]*actor.PID{{}}, 200_000)})},
		{"too big", ReasonSize, one(func(_ B, e E) { e.MessageData = make([]byte, DefaultMaxBytes) })},
		{"100 MB", ReasonSize, one(func(_ B, e E) { e.MessageData = make([]byte, 100<<20) })},
		{"not protobuf", ReasonPayload, one(func(_ B, e E) { e.MessageData = []byte{0xff, 0xff} })},
		{"not UTF-8", ReasonPayload, one(func(b B, e E) { b.TypeNames[0], e.MessageData = stringValue, []byte{0x0a, 1, 0xff} })},
		{"greets twice", ReasonOrder, greeting(stranger)},
		{"nothing", ReasonKind, &remote.RemoteMessage{}},
		{"farewell", ReasonKind, &remote.RemoteMessage{MessageType: &remote.RemoteMessage_DisconnectRequest{DisconnectRequest: &remote.DisconnectRequest{}}}},
	} {
		t.Run(a.what, func(t *testing.T) { wants(a.reason, send(t, c, greeting(stranger), a.m)) })
	}
	wants(ReasonOrder, send(t, c, batch(n.good(1))))
	wants(ReasonOrder, send(t, c, greeting("")))
	wants(ReasonPeer, send(t, c, greeting(notMember)))
	wants(ReasonKind, send(t, c, &remote.RemoteMessage{MessageType: &remote.RemoteMessage_ConnectRequest{ConnectRequest: &remote.ConnectRequest{}}}))
	wants(ReasonKind, send(t, c, &remote.RemoteMessage{MessageType: &remote.RemoteMessage_ConnectRequest{ConnectRequest: &remote.ConnectRequest{
		ConnectionType: &remote.ConnectRequest_ClientConnection{ClientConnection: &remote.ClientConnection{}},
	}}}))
	if n.got.Load() != 0 {
		t.Errorf("%d messages of refused batches arrived", n.got.Load())
	}
	n.alive(t, key)
}

// Two million empty messages would take 300 MB: they are counted before they are decoded.
func TestCountBeforeDecode(t *testing.T) {
	c := newCodec(newTally(nil, ""))
	decode := func(m *remote.RemoteMessage) (*remote.RemoteMessage, error) {
		var got remote.RemoteMessage
		return &got, c.Unmarshal(mem.BufferSlice{mem.SliceBuffer(encode(m))}, &got)
	}
	many := &remote.MessageBatch{Envelopes: slices.Repeat([]*remote.MessageEnvelope{{}}, maxEntries)}
	if got, err := decode(batch(many)); err != nil || len(got.GetMessageBatch().Envelopes) != maxEntries {
		t.Error(err)
	}
	many.TypeNames = []string{"x"}
	if got, err := decode(batch(many)); err != errEntries || got.MessageType != nil {
		t.Error(err)
	}
	// The same batch in two parts, which protobuf would merge.
	half := encode(batch(&remote.MessageBatch{Envelopes: slices.Repeat([]*remote.MessageEnvelope{{}}, maxEntries/2+1)}))
	if n := entries(slices.Concat(half, half)); n <= maxEntries {
		t.Errorf("counted %d", n)
	}
	large := &remote.MessageBatch{Envelopes: []*remote.MessageEnvelope{{MessageData: make([]byte, 1<<20)}}}
	if got, err := decode(batch(large)); err != nil || len(got.GetMessageBatch().Envelopes[0].MessageData) != 1<<20 {
		t.Error(err)
	}
	for _, broken := range [][]byte{{0xff}, {0x0a}, {0x0a, 5, 1}, {0x0a, 1, 0xff}, slices.Concat([]byte{0x0a, 2, 0x22, 9}, half)} {
		if n := entries(broken); n > maxEntries {
			t.Errorf("% x: %d", broken[:2], n)
		}
	}
	if n := c.tally.Rejected()[ReasonCount]; n != 1 {
		t.Errorf("counted %d refusals", n)
	}
}

// A dead letter of a peer must not end the stream that the messages of all others come by.
func TestDeadLetterIsDropped(t *testing.T) {
	n, _ := use(t, Key{})
	b := n.good(3)
	b.TypeNames = append(b.TypeNames, deadLetter)
	b.Targets = append(b.Targets, actor.NewPID(n.addr, "node-here"))
	b.Envelopes[1] = &remote.MessageEnvelope{TypeId: 1, Target: 1}
	if err := send(t, n.client(t, Key{}), greeting(stranger), batch(b)); err != nil {
		t.Error(err)
	}
	eventually(t, "the other two arrive", func() bool { return n.got.Load() == 2 })
	if r := n.guard.Rejected(); r[ReasonDeadLetter] != 1 || r[ReasonType]+r[ReasonTarget] != 0 {
		t.Errorf("counted %v", r)
	}
}

func TestPeers(t *testing.T) {
	for name, key := range map[string]Key{"plain": {}, "with a key": keyA()} {
		t.Run(name, func(t *testing.T) {
			a, b := use(t, key)
			const n = 1000
			from := actor.NewPID(a.addr, "node-a")
			for range n {
				a.system.Root.RequestWithCustomSender(actor.NewPID(b.addr, inbox), wrapperspb.Bytes([]byte("x")), from)
			}
			eventually(t, "all messages arrive", func() bool { return b.got.Load() == n })
			if r := b.guard.Rejected(); total(r) != r[ReasonClosed] {
				t.Errorf("refused %v", r)
			}
			// Nobody is there: the answer comes back to a process that is not there either.
			a.system.Root.RequestWithCustomSender(actor.NewPID(b.addr, "inbox-none"), wrapperspb.Bytes(nil), from)
			eventually(t, "the dead letter comes back", func() bool { return a.guard.Rejected()[ReasonDeadLetter] == 1 })
		})
	}
}

func TestStrangersOnTheRemote(t *testing.T) {
	n, _ := use(t, keyA())
	for name, key := range map[string]Key{"without a key": {}, "with another key": keyB()} {
		c := n.client(t, key)
		if _, err := c.ListProcesses(t.Context(), &remote.ListProcessesRequest{}); status.Code(err) != codes.Unavailable {
			t.Errorf("%s: ListProcesses: %v", name, err)
		}
		if err := send(t, c, greeting(stranger), batch(n.good(1))); status.Code(err) != codes.Unavailable {
			t.Errorf("%s: Receive: %v", name, err)
		}
	}
	if n.got.Load() != 0 {
		t.Error("a message of a stranger arrived")
	}
	eventually(t, "both are counted", func() bool {
		r := n.guard.Rejected()
		return r[ReasonPlain] > 0 && r[ReasonKey] > 0
	})
	// The clients try again on their own; whatever happens, it is one line a minute.
	if lines := strings.Count(n.log.String(), "\n"); lines != 1 || !strings.Contains(n.log.String(), Property) {
		t.Errorf("%d lines:\n%s", lines, n.log.String())
	}
	n.alive(t, keyA())
}

// What a node says when its key does not fit that of the node it connects to.
func TestWrongKeyIsExplained(t *testing.T) {
	keyed, _ := use(t, keyA())
	plain, _ := use(t, Key{})
	for _, c := range []struct {
		to   *node
		key  Key
		want string
	}{
		{keyed, keyB(), "the cluster key differs: set nactor.cluster.key to the same secret on every node"},
		{plain, keyA(), "set nactor.cluster.key there too"},
	} {
		r, err := NewRemote(c.key, Policy{Self: "127.0.0.1:1", Target: func(string) bool { return false }})
		if err != nil {
			t.Fatal(err)
		}
		conn, err := grpc.NewClient(c.to.addr, r.dialOptions()...)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err = remote.NewRemotingClient(conn).Receive(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Error(err)
		}
	}
}

func TestHalfOpenOnTheRemote(t *testing.T) {
	n, _ := use(t, keyA())
	for range 500 {
		c, err := net.Dial("tcp", n.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	n.alive(t, keyA())
	eventually(t, "the oldest had to go", func() bool { return n.guard.Rejected()[ReasonCrowded] >= 500-maxPending })
}

func TestPolicyRefuses(t *testing.T) {
	any := func(string) bool { return true }
	for what, p := range map[string]Policy{
		"no targets":  {Self: "127.0.0.1:1"},
		"no address":  {Target: any},
		"not linked":  {Self: "127.0.0.1:1", Target: any, Types: []string{"no.Such"}},
		"stop":        {Self: "127.0.0.1:1", Target: any, Types: []string{"actor.Stop"}},
		"poison":      {Self: "127.0.0.1:1", Target: any, Types: []string{"actor.PoisonPill"}},
		"terminated":  {Self: "127.0.0.1:1", Target: any, Types: []string{bytesValue, "actor.Terminated"}},
		"touch":       {Self: "127.0.0.1:1", Target: any, Types: []string{"actor.Touch"}},
		"not message": {Self: "127.0.0.1:1", Target: any, Types: []string{"google.protobuf"}},
	} {
		if _, err := NewRemote(Key{}, p); err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
}

// wire is a stream whose messages come from a slice.
type wire struct {
	grpc.ServerStream
	ctx  context.Context
	rest []*remote.RemoteMessage
}

func (w *wire) Context() context.Context { return w.ctx }
func (w *wire) SendMsg(any) error        { return nil }
func (w *wire) RecvMsg(m any) error {
	if len(w.rest) == 0 {
		return io.EOF
	}
	// gRPC decodes into m, which makes new values of everything.
	err := proto.Unmarshal(encode(w.rest[0]), m.(proto.Message))
	w.rest = w.rest[1:]
	if err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	return nil
}

// receive gives messages to the framework's own handler, behind the guard.
func (n *node) receive(messages ...*remote.RemoteMessage) error {
	return n.guard.stream(n.srv, &wire{ctx: context.Background(), rest: messages}, &grpc.StreamServerInfo{}, n.serve)
}

// capturing starts a node whose handler has been captured.
func capturing(t testing.TB) *node {
	n, _ := use(t, Key{})
	if err := send(t, n.client(t, Key{}), greeting(stranger)); err != nil {
		t.Fatal(err)
	}
	<-n.ready
	return n
}

// A panic of the framework ends the stream, not the process.
func TestPanicIsContained(t *testing.T) {
	var log lines
	r, err := NewRemote(Key{}, Policy{Self: "127.0.0.1:1", Target: func(string) bool { return true }, Filter: Filter{Logger: slog.New(slog.NewTextHandler(&log, nil))}})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		err := r.stream(nil, &wire{ctx: t.Context()}, &grpc.StreamServerInfo{}, func(any, grpc.ServerStream) error { panic("index out of range") })
		if status.Code(err) != codes.Internal {
			t.Error(err)
		}
	}
	if r.Rejected()[ReasonPanic] != 3 || strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "index out of range") {
		t.Errorf("%v\n%s", r.Rejected(), log.String())
	}
	if err := r.stream(nil, &wire{ctx: t.Context()}, &grpc.StreamServerInfo{}, func(any, grpc.ServerStream) error { return errors.New("x") }); status.Code(err) != codes.InvalidArgument {
		t.Error(err)
	}
}

// What the guard is for: when the framework no longer fails on these, it has become safer.
func TestFrameworkFailsOnThese(t *testing.T) {
	n := capturing(t)
	for what, b := range map[string]*remote.MessageBatch{
		"target":     {Envelopes: []*remote.MessageEnvelope{{Target: 7}}},
		"type":       {Targets: []*actor.PID{{}}, Envelopes: []*remote.MessageEnvelope{{TypeId: 9}}},
		"sender":     {Targets: []*actor.PID{{}}, TypeNames: []string{bytesValue}, Envelopes: []*remote.MessageEnvelope{{Sender: 1}}},
		"serializer": {Targets: []*actor.PID{{}}, TypeNames: []string{bytesValue}, Envelopes: []*remote.MessageEnvelope{{SerializerId: 2}}},
		"name":       {Targets: []*actor.PID{{}}, TypeNames: []string{"no.Such"}, Envelopes: []*remote.MessageEnvelope{{}}},
		"terminated": {Targets: []*actor.PID{{}}, TypeNames: []string{"actor.Terminated"}, Envelopes: []*remote.MessageEnvelope{{}}},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: it did not fail", what)
				}
			}()
			n.serve(n.srv, &wire{ctx: t.Context(), rest: []*remote.RemoteMessage{greeting(stranger), batch(b)}})
		}()
	}
}

// random returns a batch of which most parts are right.
func (n *node) random(r *rand.Rand) *remote.MessageBatch {
	pick := func(s ...string) string { return s[r.IntN(len(s))] }
	// Right three times in four, so that whole batches get through as well.
	name := func() string {
		if r.IntN(16) > 0 {
			return pick(bytesValue, stringValue)
		}
		return pick("", "actor.Stop", "actor.PID", "actor.Terminated", "actor.Watch", deadLetter, "remote.ActorPidRequest", "no.Such", "remote.JsonMessage")
	}
	address := func(right string) string {
		if r.IntN(16) > 0 {
			return right
		}
		return pick("", "nonhost", stranger, n.addr, ":", "127.0.0.1:1")
	}
	id := func() string {
		if r.IntN(16) > 0 {
			return pick(inbox, "inbox-none")
		}
		return pick("", "inbox", "activator", "EndpointSupervisor", "future$1", "$1", n.grain.Id, "inbox-"+strings.Repeat("x", 1000))
	}
	index := func(length int) int32 {
		if r.IntN(64) > 0 {
			return int32(r.IntN(max(length, 1)))
		}
		return []int32{-1, math.MinInt32, math.MaxInt32, int32(length), int32(length) + 1}[r.IntN(5)]
	}
	rare := func(x int32) int32 {
		if r.IntN(64) > 0 {
			return 0
		}
		return x
	}
	data := func() []byte {
		if r.IntN(8) > 0 {
			return encode(wrapperspb.String("x"))
		}
		b := make([]byte, r.IntN(20))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	b := &remote.MessageBatch{}
	for range r.IntN(4) {
		b.TypeNames = append(b.TypeNames, name())
	}
	for range r.IntN(4) {
		b.Targets = append(b.Targets, &actor.PID{Address: address(n.addr), Id: id(), RequestId: uint32(rare(3))})
	}
	for range r.IntN(4) {
		b.Senders = append(b.Senders, &actor.PID{Address: address(stranger), Id: id()})
	}
	for range r.IntN(6) {
		e := &remote.MessageEnvelope{
			TypeId: index(len(b.TypeNames)), Target: index(len(b.Targets)), MessageData: data(), SerializerId: rare(int32(r.IntN(5)) - 2),
			TargetRequestId: uint32(rare(1)), SenderRequestId: uint32(rare(7)),
		}
		if r.IntN(2) > 0 {
			e.Sender = index(len(b.Senders) + 1)
		}
		if r.IntN(8) == 0 {
			e.MessageHeader = &remote.MessageHeader{HeaderData: map[string]string{"": "x"}}
		}
		b.Envelopes = append(b.Envelopes, e)
	}
	return b
}

func TestFuzzedBatches(t *testing.T) {
	const batches = 100_000
	n := capturing(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	passed := 0
	for range batches {
		b := n.random(r)
		// Nobody answers at the stranger's address: without senders no answer is tried.
		for _, e := range b.Envelopes {
			if e.Sender > 0 && int(e.Sender) <= len(b.Senders) && e.Target >= 0 && int(e.Target) < len(b.Targets) && b.Targets[e.Target].Id != inbox {
				e.Sender = 0
			}
		}
		if n.receive(greeting(stranger), batch(b)) == nil && len(b.Envelopes) > 0 {
			passed++
		}
	}
	t.Logf("%d of %d passed, %d messages; refused %v", passed, batches, n.got.Load(), n.guard.Rejected())
	if passed < batches/100 || passed > batches*9/10 {
		t.Errorf("%d of %d batches passed: the generator is out of tune", passed, batches)
	}
	n.alive(t, Key{})
}

// FuzzRemoteBatch gives any bytes that decode to the framework's handler, behind the guard:
// it must neither fail nor reach a process that is closed to others.
func FuzzRemoteBatch(f *testing.F) {
	n := capturing(f)
	seed := &node{addr: "127.0.0.1:9000", grain: n.grain} // inputs outlive the port of one run
	f.Add(encode(seed.good(2)))
	f.Add(encode(&remote.MessageBatch{Envelopes: []*remote.MessageEnvelope{{Target: 7, TypeId: 9}}}))
	f.Add(encode(&remote.MessageBatch{
		TypeNames: []string{"actor.Stop"}, Targets: []*actor.PID{actor.NewPID(seed.addr, n.grain.Id)}, Envelopes: []*remote.MessageEnvelope{{}},
	}))
	f.Add(encode(&remote.MessageBatch{
		TypeNames: []string{"actor.Terminated"}, Targets: []*actor.PID{actor.NewPID(seed.addr, inbox)}, Envelopes: []*remote.MessageEnvelope{{}},
	}))
	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		f.Add(encode(seed.random(r)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var b remote.MessageBatch
		if proto.Unmarshal(data, &b) != nil {
			return
		}
		for _, p := range b.Targets {
			if p.Address == seed.addr {
				p.Address = n.addr
			}
		}
		// Answers to the sender would connect to it: that is not under test.
		for _, e := range b.Envelopes {
			if e.Sender > 0 && int(e.Sender) <= len(b.Senders) {
				e.Sender = 0
			}
		}
		err := n.receive(greeting(stranger), batch(&b))
		if n.guard.Rejected()[ReasonPanic] > 0 || n.bad.Load() > 0 {
			t.Fatalf("%v: %v", err, &b)
		}
	})
}

// The price of the guard between two systems, for each message of 100 bytes: the remote as
// the framework has it, guarded, and with the key.
func BenchmarkRemote(b *testing.B) {
	for _, c := range []struct {
		name    string
		key     Key
		guarded bool
	}{{"bare", Key{}, false}, {"guarded", Key{}, true}, {"key", keyA(), true}} {
		b.Run(c.name, func(b *testing.B) {
			from, to := start(c.key, c.guarded), start(c.key, c.guarded)
			defer from.stop()
			defer to.stop()
			message, target := wrapperspb.Bytes(make([]byte, 100)), actor.NewPID(to.addr, inbox)
			sender := actor.NewPID(from.addr, "node-a")
			var sent int64
			burst := func(n int64) {
				// At most 512 are on their way, as with senders that wait for acknowledgements.
				for range n {
					from.system.Root.RequestWithCustomSender(target, message, sender)
					for sent++; sent-to.got.Load() > 512; {
						time.Sleep(20 * time.Microsecond)
					}
				}
				for to.got.Load() < sent {
					time.Sleep(20 * time.Microsecond)
				}
			}
			burst(1000)
			b.ReportAllocs()
			b.ResetTimer()
			burst(int64(b.N))
		})
	}
}

// The check alone, for each message of a batch as the writer makes them.
func BenchmarkCheck(b *testing.B) {
	for _, types := range []int{1, 2} {
		b.Run(fmt.Sprintf("%d types", types), func(b *testing.B) {
			r, err := NewRemote(Key{}, Policy{
				Self: "127.0.0.1:9000", Types: []string{bytesValue, stringValue},
				Target: func(id string) bool { return strings.HasPrefix(id, "inbox-") },
			})
			if err != nil {
				b.Fatal(err)
			}
			n := node{addr: "127.0.0.1:9000"}
			batch := n.good(64)
			batch.TypeNames = append(batch.TypeNames, stringValue)
			for i, e := range batch.Envelopes {
				e.TypeId, e.Sender = int32(i%types), 1
			}
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N / 64 {
				if reason, _ := r.checkBatch(batch, stranger); reason != "" {
					b.Fatal(reason)
				}
			}
		})
	}
}
