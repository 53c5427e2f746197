package persistence

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"nactor/naming"
)

// What members ask each other beside raft's own messages. On a connection that begins with
// 'F' go requests and answers in turn, each
//
//	length      4 bytes big endian, of the body
//	CRC-32C     4 bytes big endian, of the body
//	body        version 1, one byte; operation or status, one byte; what belongs to it
//
// In requests: a command (raftcommand.go); length, id, length, address; length, id; length, id.
// In answers: nothing, or a text for people.
const (
	opApply    = 1 // a command
	opAddVoter = 2 // id, address
	opRemove   = 3 // id
	opPing     = 4 // id

	statusOK          = 0
	statusNotLeader   = 1
	statusUnavailable = 2
	statusInvalid     = 3

	forwardVersion = 1
	forwardHeader  = 8
	maxRequest     = maxCommand + 4096
	maxAnswer      = 4096
	maxAddress     = 512
	idleForward    = time.Minute // after which a connection nobody uses is closed
)

// errNotLeader: somebody else has to be asked.
var errNotLeader = errors.New("the node that was asked is not the leader")

// Forwarder carries requests to another member; [Raft.Serve] answers them there. A request
// may arrive more than once.
type Forwarder interface {
	// Call returns the answer of the member with an id, at an address "host:port".
	Call(ctx context.Context, id, address string, request []byte) ([]byte, error)
}

func request(op byte, fields ...string) []byte {
	b := []byte{forwardVersion, op}
	for _, f := range fields {
		b = appendBytes(b, []byte(f))
	}
	return b
}

func answer(err error) []byte {
	status, text := byte(statusOK), ""
	switch {
	case err == nil:
	case errors.Is(err, errNotLeader):
		status = statusNotLeader
	case naming.KindOf(err) == naming.KindInvalid:
		status, text = statusInvalid, err.Error()
	default:
		status, text = statusUnavailable, err.Error()
	}
	return append([]byte{forwardVersion, status}, text[:min(len(text), maxAnswer-2)]...)
}

// readAnswer is the inverse of answer. Errors: errNotLeader; of kind
// [naming.KindInvalid] and [naming.KindUnavailable], the other node's.
func readAnswer(b []byte) error {
	if len(b) < 2 || b[0] != forwardVersion {
		return fmt.Errorf("the answer of another member cannot be read: it has %d bytes", len(b))
	}
	switch text := string(b[2:]); b[1] {
	case statusOK:
		return nil
	case statusNotLeader:
		return errNotLeader
	case statusInvalid:
		return naming.Invalid("%s", text)
	default:
		return naming.Unavailable("%s", text)
	}
}

func writeFrame(w io.Writer, body []byte) error {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, forwardHeader+len(body)), uint32(len(body)))
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(body, castagnoli))
	_, err := w.Write(append(b, body...))
	return err
}

// readFrame reads a body of at most limit bytes. Memory grows with what arrives, not with
// what was announced.
func readFrame(r io.Reader, limit int) ([]byte, error) {
	var head [forwardHeader]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n < 2 || int64(n) > int64(limit) {
		return nil, fmt.Errorf("a frame of %d bytes, at most %d are allowed", n, limit)
	}
	body, err := io.ReadAll(io.LimitReader(r, int64(n)))
	switch {
	case err != nil:
		return nil, err
	case len(body) < int(n):
		return nil, io.ErrUnexpectedEOF
	case crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(head[4:]):
		return nil, errors.New("a frame with a wrong checksum")
	}
	return body, nil
}

// streamForwarder is a [Forwarder] over raft's stream layer. It keeps one connection open.
type streamForwarder struct {
	m *mux

	mu   sync.Mutex
	kept net.Conn
	to   string
}

// Call implements [Forwarder].
func (s *streamForwarder) Call(ctx context.Context, _, address string, body []byte) ([]byte, error) {
	for {
		c, kept, err := s.connect(ctx, address)
		if err != nil {
			return nil, fmt.Errorf("connect to %s: %w", address, err)
		}
		out, err := s.exchange(ctx, c, address, body)
		if err == nil {
			return out, nil
		}
		// The other side closes what is idle, and what is kept ends with its process.
		if !kept || ctx.Err() != nil {
			return nil, fmt.Errorf("ask %s: %w", address, err)
		}
	}
}

// exchange sends a request and reads its answer. The connection is kept, or closed.
func (s *streamForwarder) exchange(ctx context.Context, c net.Conn, address string, body []byte) (out []byte, err error) {
	stop := context.AfterFunc(ctx, func() { abort(c) })
	if deadline, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(deadline) // AfterFunc has the last word
	}
	if err = writeFrame(c, body); err == nil {
		out, err = readFrame(c, maxAnswer)
	}
	if !stop() || err != nil {
		abort(c)
		return out, err
	}
	s.keep(c, address)
	return out, nil
}

// abort closes a connection and has the system forget what it has not delivered yet. A cut
// would else keep a request that was given up, and deliver it when the network is whole
// again: it would undo what has been decided meanwhile.
func abort(c net.Conn) {
	for inner := c; inner != nil; {
		switch x := inner.(type) {
		case *muxConn:
			inner = x.Conn
		case interface{ NetConn() net.Conn }:
			inner = x.NetConn()
		case interface{ SetLinger(sec int) error }:
			_ = x.SetLinger(0)
			inner = nil
		default:
			inner = nil
		}
	}
	c.Close()
}

func (s *streamForwarder) connect(ctx context.Context, address string) (c net.Conn, kept bool, err error) {
	s.mu.Lock()
	c, to := s.kept, s.to
	if s.kept = nil; c != nil && to != address {
		c.Close()
		c = nil
	}
	s.mu.Unlock()
	if c != nil {
		return c, true, nil
	}
	timeout := 5 * time.Second
	if deadline, ok := ctx.Deadline(); ok {
		timeout = max(time.Until(deadline), time.Millisecond)
	}
	c, err = s.m.dial(raft.ServerAddress(address), timeout, forForward)
	return c, false, err
}

func (s *streamForwarder) keep(c net.Conn, address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept != nil || s.m.isClosed() {
		c.Close()
		return
	}
	s.kept, s.to = c, address
}

func (s *streamForwarder) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept != nil {
		s.kept.Close()
		s.kept = nil
	}
}

// serveForward answers the requests of one connection.
func (r *Raft) serveForward(c net.Conn) {
	for {
		_ = c.SetDeadline(time.Now().Add(idleForward)) // mux.Close ends it too
		body, err := readFrame(c, maxRequest)
		if err != nil {
			return // it is gone, or cannot be trusted to keep the frames
		}
		if err := writeFrame(c, r.Serve(r.life, body)); err != nil {
			return
		}
	}
}

// Serve answers a request that another member's [Forwarder] was given. It takes as long as
// ctx and this node live at most.
func (r *Raft) Serve(ctx context.Context, body []byte) []byte {
	if len(body) < 2 || body[0] != forwardVersion {
		return answer(naming.Invalid("a request of another version: upgrade the older node"))
	}
	rest := reader{rest: body[2:]}
	switch body[1] {
	case opApply:
		return answer(r.applyHere(ctx, body[2:]))
	case opAddVoter:
		id, address := string(rest.bytes(maxNodeID)), string(rest.bytes(maxAddress))
		if rest.err != nil {
			return answer(naming.Invalid("a request that cannot be read: %w", rest.err))
		}
		return answer(r.addVoterHere(ctx, id, address))
	case opRemove:
		id := string(rest.bytes(maxNodeID))
		if rest.err != nil {
			return answer(naming.Invalid("a request that cannot be read: %w", rest.err))
		}
		return answer(r.removeHere(ctx, id))
	case opPing:
		if id := string(rest.bytes(maxNodeID)); rest.err != nil || id != r.id.Store {
			return answer(naming.Unavailable("another node, %s, is at that address", r.id.Store))
		}
		return answer(nil)
	}
	return answer(naming.Invalid("an operation %d that this version does not know", body[1]))
}
