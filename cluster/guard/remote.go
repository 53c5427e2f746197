package guard

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/remote"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// DefaultMaxBytes bounds a batch of messages on the wire, unless a policy says otherwise.
const DefaultMaxBytes = 4 << 20

// maxEnvelopes bounds the messages of a batch. Ours have 64.
const maxEnvelopes = 10_000

// The reasons that calls and messages are refused for, keys of Rejected, besides those of
// connections.
const (
	ReasonMethod     = "method"      // a call other than the stream of messages
	ReasonKind       = "kind"        // not what a peer sends on that stream
	ReasonOrder      = "order"       // messages before the greeting, or a second greeting
	ReasonPeer       = "peer"        // greets with an address that is not a member's
	ReasonCount      = "count"       // too many messages in a batch
	ReasonSize       = "size"        // too many bytes in a batch
	ReasonIndex      = "index"       // points outside of the batch's tables
	ReasonSerializer = "serializer"  // not protobuf
	ReasonRequestID  = "request_id"  // our processes have none
	ReasonType       = "type"        // a message that other nodes may not send
	ReasonTarget     = "target"      // a process that other nodes may not send to
	ReasonRelay      = "relay"       // a process on another node: we are not a relay
	ReasonSender     = "sender"      // in the name of another node
	ReasonPayload    = "payload"     // cannot be decoded
	ReasonDeadLetter = "dead_letter" // dropped only: the peer says that a process is not there
	ReasonPanic      = "panic"       // the framework failed on it
)

// Policy says what other nodes may send to this node's actors. Everything else ends the
// stream that it came by.
type Policy struct {
	// Self is the address that this node's remote advertises, "host:port".
	Self string
	// Types are the full names of the messages, "package.Message". They must be linked in.
	// The framework's own, which stop or watch actors, cannot be allowed.
	Types []string
	// Target reports whether other nodes may send to the process of an id. It is called
	// for about every message, from many goroutines, and must not block.
	Target func(id string) bool
	// Peer reports whether the advertised address of a node, "host:port", is a member's.
	// Messages go in the name of that address only, and answers to it. Nil: any.
	Peer func(address string) bool
	// MaxBytes bounds a batch on the wire, which is up to 64 messages; 0 is
	// [DefaultMaxBytes]. It must be the same on every node.
	MaxBytes int
	Filter
}

// Remote guards the port between the actor systems of two nodes.
type Remote struct {
	key    Key
	policy Policy
	types  map[string]bool
	*tally
	door door
}

// NewRemote checks a policy.
func NewRemote(key Key, policy Policy) (*Remote, error) {
	if policy.Target == nil {
		return nil, errors.New("guard the remote: a policy without targets")
	}
	if _, _, err := net.SplitHostPort(policy.Self); err != nil {
		return nil, fmt.Errorf("guard the remote: own address: %w", err)
	}
	if policy.MaxBytes == 0 {
		policy.MaxBytes = DefaultMaxBytes
	}
	r := &Remote{key: key, policy: policy, types: map[string]bool{}, tally: newTally(policy.Logger, policy.Self)}
	r.door.key, r.door.allowed, r.door.tally = key, policy.Allowed, r.tally
	for _, name := range policy.Types {
		mt, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(name))
		if err != nil {
			return nil, fmt.Errorf("guard the remote: message %q: %w", name, err)
		}
		switch mt.New().Interface().(type) {
		case actor.SystemMessage, actor.AutoReceiveMessage, actor.AutoRespond:
			return nil, fmt.Errorf("guard the remote: message %q commands actors: it cannot be let in", name)
		}
		r.types[name] = true
	}
	return r, nil
}

// Options returns the remote's options, to be given to remote.Configure. They set the server
// and the dial options; later options of these kinds would replace them.
func (r *Remote) Options() []remote.ConfigOption {
	return []remote.ConfigOption{
		remote.WithServerOptions(r.serverOptions()...),
		remote.WithDialOptions(r.dialOptions()...),
	}
}

// A peer that says nothing for this long is asked for a sign of life, and gets another
// silence before the connection is given up.
const (
	askAfter = 10 * time.Second
	silence  = 5 * time.Second
)

func (r *Remote) serverOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.Creds(&credential{r.credentials(), r}),
		grpc.UnaryInterceptor(r.unary),
		grpc.StreamInterceptor(r.stream),
		grpc.ConnectionTimeout(handshakeTimeout),
		grpc.MaxConcurrentStreams(8), // a peer uses one
		grpc.MaxRecvMsgSize(r.policy.MaxBytes),
		grpc.ForceServerCodecV2(newCodec(r.tally)),
		grpc.MaxHeaderListSize(8 << 10),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: time.Minute, Time: askAfter, Timeout: silence}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: askAfter / 2, PermitWithoutStream: true}),
	}
}

func (r *Remote) dialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithTransportCredentials(&credential{r.credentials(), r}),
		// Of our own, also so that no proxy from the environment comes between nodes.
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
			return dialTCP(ctx, addr, r.key)
		}),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.DefaultConfig, MinConnectTimeout: handshakeTimeout}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: askAfter, Timeout: silence, PermitWithoutStream: true}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64 << 10)), // peers answer with greetings
	}
}

func (r *Remote) credentials() credentials.TransportCredentials {
	if r.key.IsZero() {
		return insecure.NewCredentials()
	}
	return credentials.NewTLS(r.key.ServerTLS()) // the same in both directions
}

// credential adds the door to gRPC's handshake.
type credential struct {
	credentials.TransportCredentials
	remote *Remote
}

// ServerHandshake implements [credentials.TransportCredentials]. gRPC calls it on a
// goroutine of the connection, with the deadline set.
func (c *credential) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	d := &c.remote.door
	v := d.enter(raw)
	if v == nil {
		return nil, nil, errors.New("refused")
	}
	conn, info, err := c.TransportCredentials.ServerHandshake(raw)
	if err != nil {
		d.failed(v, err)
	}
	if !d.leave(v) && err == nil {
		err = net.ErrClosed
	}
	return conn, info, err
}

// ClientHandshake implements [credentials.TransportCredentials].
func (c *credential) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := c.TransportCredentials.ClientHandshake(ctx, authority, raw)
	if err != nil {
		err = explain(err)
	}
	return conn, info, err
}

// Clone implements [credentials.TransportCredentials].
func (c *credential) Clone() credentials.TransportCredentials {
	return &credential{c.TransportCredentials.Clone(), c.remote}
}

// unary refuses all calls: the framework has not written them and panics.
func (r *Remote) unary(ctx context.Context, _ any, info *grpc.UnaryServerInfo, _ grpc.UnaryHandler) (any, error) {
	r.note(ReasonMethod, peerOf(ctx), info.FullMethod)
	return nil, status.Error(codes.PermissionDenied, "this call is not for anyone")
}

// stream guards a stream of messages. What the framework does with them it does within
// handler, on this goroutine, up to the mailbox of an actor, whose panics are its
// supervisor's. So recover here sees them all.
func (r *Remote) stream(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	s := &stream{ServerStream: ss, remote: r}
	defer func() {
		if p := recover(); p != nil {
			r.note(ReasonPanic, peerOf(ss.Context()), fmt.Sprintf("%v\n%s", p, debug.Stack()))
			err = status.Error(codes.Internal, "failed on this message")
		}
	}()
	err = handler(srv, s)
	if err == nil {
		return nil
	}
	if _, ok := status.FromError(err); !ok {
		// Not from below: the framework could not decode a message.
		r.note(ReasonPayload, peerOf(ss.Context()), err)
		return status.Error(codes.InvalidArgument, "refused: "+ReasonPayload)
	}
	return err
}

// stream is a stream whose messages are checked before the framework sees them.
type stream struct {
	grpc.ServerStream
	remote *Remote
	peer   string // its advertised address, once it has greeted
}

// RecvMsg implements [grpc.ServerStream].
func (s *stream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		if status.Code(err) == codes.ResourceExhausted {
			s.remote.note(ReasonSize, peerOf(s.Context()), err)
		}
		return err
	}
	reason, detail := ReasonKind, any(nil)
	if msg, ok := m.(*remote.RemoteMessage); ok {
		reason, detail = s.check(msg)
	}
	if reason == "" {
		return nil
	}
	s.remote.note(reason, peerOf(s.Context()), detail)
	return status.Error(codes.PermissionDenied, "refused: "+reason)
}

// check returns why a message is refused, "" if it is not.
func (s *stream) check(m *remote.RemoteMessage) (reason string, detail any) {
	switch t := m.MessageType.(type) {
	case *remote.RemoteMessage_ConnectRequest:
		server, ok := t.ConnectRequest.GetConnectionType().(*remote.ConnectRequest_ServerConnection)
		if !ok || server.ServerConnection == nil {
			return ReasonKind, "greeting of a client"
		}
		addr := server.ServerConnection.Address
		if s.peer != "" || addr == "" {
			return ReasonOrder, addr
		}
		if p := s.remote.policy.Peer; p != nil && !p(addr) {
			return ReasonPeer, addr
		}
		s.peer = addr
		return "", nil
	case *remote.RemoteMessage_MessageBatch:
		if s.peer == "" || t.MessageBatch == nil {
			return ReasonOrder, nil
		}
		return s.remote.checkBatch(t.MessageBatch, s.peer)
	}
	return ReasonKind, nil
}

// deadLetter is what the framework of a peer answers, in the name of nobody, when a process
// that we sent to is not there. That is no attack, and nobody here waits for it.
const deadLetter = "actor.DeadLetterResponse"

// checkBatch returns why a batch is refused, "" if it is not. Dead letters it removes.
//
// The tables that envelopes point into are checked where they are used: no more of them is
// ever read. Batches go to few processes with few types, so the entry that was checked last
// is remembered.
func (r *Remote) checkBatch(b *remote.MessageBatch, from string) (reason string, detail any) {
	if len(b.Envelopes) > maxEnvelopes {
		return ReasonCount, len(b.Envelopes)
	}
	typ, target, sender := int32(-1), int32(-1), int32(0)
	kept := b.Envelopes[:0]
	for _, e := range b.Envelopes {
		switch {
		case e == nil,
			e.Target < 0 || int(e.Target) >= len(b.Targets) || b.Targets[e.Target] == nil,
			e.TypeId < 0 || int(e.TypeId) >= len(b.TypeNames),
			e.Sender < 0 || int(e.Sender) > len(b.Senders):
			return ReasonIndex, nil
		case e.SerializerId != 0:
			return ReasonSerializer, e.SerializerId
		case e.TargetRequestId != 0 || e.SenderRequestId != 0:
			return ReasonRequestID, nil
		}
		if e.TypeId != typ {
			name := b.TypeNames[e.TypeId]
			if !r.types[name] {
				if name == deadLetter {
					r.count(ReasonDeadLetter)
					continue
				}
				return ReasonType, name
			}
			typ = e.TypeId
		}
		if e.Target != target {
			t := b.Targets[e.Target]
			if t.Address != r.policy.Self {
				return ReasonRelay, t.Address + "/" + t.Id
			}
			if !r.policy.Target(t.Id) {
				return ReasonTarget, t.Id
			}
			target = e.Target
		}
		if e.Sender != sender && e.Sender != 0 {
			if p := b.Senders[e.Sender-1]; p == nil || p.Address != from {
				return ReasonSender, p.GetAddress()
			}
			sender = e.Sender
		}
		kept = append(kept, e)
	}
	b.Envelopes = kept
	return "", nil
}

// peerOf returns the network address of a peer.
func peerOf(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok && p.Addr != nil {
		return p.Addr.String()
	}
	return ""
}
