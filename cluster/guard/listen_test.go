package guard

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

func listen(t testing.TB, key Key, filter Filter) *Listener {
	t.Helper()
	l, err := Listen("127.0.0.1:0", key, filter)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// answer lets l answer each connection with what it sends, until l is closed.
func answer(t testing.TB, l net.Listener) {
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("accept: %v", err)
				}
				return
			}
			wg.Go(func() {
				defer c.Close()
				io.Copy(c, c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
}

const ping = "longer than the head of a TLS record"

// echoes reports whether the peer on c answers.
func echoes(c net.Conn) error {
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	if _, err := c.Write([]byte(ping)); err != nil {
		return err
	}
	got := make([]byte, len(ping))
	if _, err := io.ReadFull(c, got); err != nil {
		return err
	}
	if string(got) != ping {
		return errors.New("another answer: " + string(got))
	}
	return nil
}

func reach(addr string, key Key) error {
	c, err := Dial(context.Background(), addr, key)
	if err != nil {
		return err
	}
	defer c.Close()
	return echoes(c)
}

func TestPeersReachEachOther(t *testing.T) {
	for name, key := range map[string]Key{"plain": {}, "with a key": keyA()} {
		t.Run(name, func(t *testing.T) {
			l := listen(t, key, Filter{})
			answer(t, l)
			for range 3 {
				if err := reach(l.Addr().String(), key); err != nil {
					t.Error(err)
				}
			}
			if r := l.Rejected(); len(r) > 0 {
				t.Errorf("refused %v", r)
			}
		})
	}
}

func TestStrangers(t *testing.T) {
	var log lines
	l := listen(t, keyA(), Filter{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	answer(t, l)
	addr := l.Addr().String()

	t.Run("another key", func(t *testing.T) {
		err := reach(addr, keyB())
		if !errors.Is(err, ErrKeyDiffers) || !strings.Contains(err.Error(), addr) ||
			!strings.Contains(err.Error(), "the cluster key differs: set nactor.cluster.key to the same secret on every node") {
			t.Error(err)
		}
		eventually(t, "counted", func() bool { return l.Rejected()[ReasonKey] == 1 })
	})
	t.Run("another key, not caring about ours", func(t *testing.T) {
		cfg := keyB().ClientTLS()
		cfg.VerifyConnection = nil
		if err := reachTLS(t, addr, cfg); err == nil {
			t.Error("it got in")
		}
		eventually(t, "counted", func() bool { return l.Rejected()[ReasonKey] == 2 })
	})
	t.Run("TLS without a certificate", func(t *testing.T) {
		if err := reachTLS(t, addr, &tls.Config{InsecureSkipVerify: true}); err == nil {
			t.Error("it got in")
		}
		eventually(t, "counted", func() bool { return l.Rejected()[ReasonKey] == 3 })
	})
	t.Run("our certificate without its private key", func(t *testing.T) {
		cfg := keyB().ClientTLS()
		cfg.VerifyConnection = nil
		cfg.Certificates[0].Certificate = keyA().s.cert.Certificate
		if err := reachTLS(t, addr, cfg); err == nil {
			t.Error("it got in")
		}
		eventually(t, "counted", func() bool { return total(l.Rejected()) == 4 })
	})
	t.Run("TLS 1.2", func(t *testing.T) {
		cfg := keyA().ClientTLS()
		cfg.MinVersion, cfg.MaxVersion = 0, tls.VersionTLS12
		if err := reachTLS(t, addr, cfg); err == nil {
			t.Error("it got in")
		}
		eventually(t, "counted", func() bool { return total(l.Rejected()) == 5 })
	})
	t.Run("plain", func(t *testing.T) {
		if err := reach(addr, Key{}); err == nil {
			t.Error("it got in")
		}
		eventually(t, "counted", func() bool { return l.Rejected()[ReasonPlain] == 1 })
	})
	t.Run("a probe", func(t *testing.T) {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		eventually(t, "counted", func() bool { return l.Rejected()[ReasonClosed] == 1 })
	})
	t.Run("peers still get in", func(t *testing.T) {
		if err := reach(addr, keyA()); err != nil {
			t.Error(err)
		}
	})
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "the cluster key differs") {
		t.Errorf("%d lines:\n%s", n, log.String())
	}
}

func total(counts map[string]uint64) (n uint64) {
	for _, c := range counts {
		n += c
	}
	return n
}

func reachTLS(t *testing.T, addr string, cfg *tls.Config) error {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return echoes(tls.Client(c, cfg))
}

func TestWrongListeners(t *testing.T) {
	t.Run("a peer without a key", func(t *testing.T) {
		l := listen(t, Key{}, Filter{})
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() {
			if c, err := l.Accept(); err == nil {
				c.Write([]byte("I never heard of TLS"))
				io.Copy(io.Discard, c)
				c.Close()
			}
		})
		if err := reach(l.Addr().String(), keyA()); err == nil || !strings.Contains(err.Error(), "set nactor.cluster.key there too") {
			t.Error(err)
		}
	})
	t.Run("a peer that hangs up", func(t *testing.T) {
		l := listen(t, keyA(), Filter{Allowed: func(netip.Addr) bool { return false }})
		if err := reach(l.Addr().String(), keyA()); err == nil || !strings.Contains(err.Error(), "is this node one of its members?") {
			t.Error(err)
		}
	})
	t.Run("a peer that says nothing", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		if c, err := Dial(ctx, l.Addr().String(), keyA()); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(c, err)
		}
	})
}

func TestAddresses(t *testing.T) {
	t.Run("filter", func(t *testing.T) {
		var allow atomic.Bool
		l := listen(t, keyA(), Filter{Allowed: func(a netip.Addr) bool { return allow.Load() && a == netip.MustParseAddr("127.0.0.1") }})
		answer(t, l)
		if err := reach(l.Addr().String(), keyA()); err == nil || l.Rejected()[ReasonAddress] != 1 {
			t.Error(err, l.Rejected())
		}
		allow.Store(true)
		if err := reach(l.Addr().String(), keyA()); err != nil {
			t.Error(err)
		}
	})
	t.Run("no key, another machine", func(t *testing.T) {
		inner := newFake()
		l := NewListener(inner, Key{}, Filter{})
		defer l.Close()
		here, there := net.Pipe()
		defer there.Close()
		inner.give(from{here, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 7}})
		if _, err := there.Read(make([]byte, 1)); err != io.EOF {
			t.Error(err)
		}
		if l.Rejected()[ReasonAddress] != 1 {
			t.Error(l.Rejected())
		}
	})
	t.Run("no key, to another machine", func(t *testing.T) {
		host := foreignHost(t)
		inner, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			t.Skip(err)
		}
		defer inner.Close()
		if c, err := Dial(context.Background(), inner.Addr().String(), Key{}); !errors.Is(err, ErrNoKey) {
			t.Error(c, err)
		}
	})
}

// foreignHost returns an address of this machine that does not look like one.
func foreignHost(t *testing.T) string {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			return n.IP.String()
		}
	}
	t.Skip("no network but loopback")
	return ""
}

// 500 connections that say nothing keep no peer out, hold no more than their share of
// goroutines, and are gone when the listener is.
func TestHalfOpen(t *testing.T) {
	l := listen(t, keyA(), Filter{})
	answer(t, l)
	const n = 500
	var silent [n]net.Conn
	for i := range silent {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		silent[i] = c
	}
	if err := reach(l.Addr().String(), keyA()); err != nil {
		t.Error(err)
	}
	// The peer left its place again, so of 501 that came 256 at most are there.
	eventually(t, "the oldest had to go", func() bool { return l.Rejected()[ReasonCrowded] == n+1-maxPending })
	silent[0].SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := silent[0].Read(make([]byte, 1)); err != io.EOF && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the oldest connection: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	silent[n-1].SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := silent[n-1].Read(make([]byte, 1)); err == nil || errors.Is(err, syscall.ETIMEDOUT) {
		t.Errorf("the newest connection: %v", err)
	}
}

// Connections that nobody accepts are bounded too.
func TestNobodyAccepts(t *testing.T) {
	for name, key := range map[string]Key{"plain": {}, "with a key": keyA()} {
		t.Run(name, func(t *testing.T) {
			l := listen(t, key, Filter{})
			for range maxPending + 10 {
				c, err := Dial(t.Context(), l.Addr().String(), key)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
			}
			eventually(t, "the oldest had to go", func() bool { return l.Rejected()[ReasonCrowded] == 10 })
			c, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
		})
	}
}

// fake is a listener that returns what it is given.
type fake struct {
	next   chan any
	closed chan struct{}
	once   sync.Once
}

func newFake() *fake { return &fake{next: make(chan any), closed: make(chan struct{})} }

func (f *fake) give(x any) { f.next <- x }

func (f *fake) Accept() (net.Conn, error) {
	select {
	case x := <-f.next:
		if err, ok := x.(error); ok {
			return nil, &net.OpError{Op: "accept", Net: "tcp", Err: err}
		}
		return x.(net.Conn), nil
	case <-f.closed:
		return nil, net.ErrClosed
	}
}

func (f *fake) Close() error {
	f.once.Do(func() { close(f.closed) })
	return nil
}

func (f *fake) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// from is a connection that comes from somewhere.
type from struct {
	net.Conn
	addr net.Addr
}

func (c from) RemoteAddr() net.Addr { return c.addr }

func TestShortages(t *testing.T) {
	inner := newFake()
	l := NewListener(inner, Key{}, Filter{})
	for _, err := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED, syscall.EMFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		inner.give(err)
	}
	here, there := net.Pipe()
	defer there.Close()
	inner.give(from{here, &net.TCPAddr{IP: net.IPv6loopback}})
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if n := l.Rejected()[ReasonShortage]; n != 6 {
		t.Errorf("counted %d", n)
	}
	inner.give(syscall.EMFILE) // closed while it waits
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

func TestListenerFailsForGood(t *testing.T) {
	inner := newFake()
	l := NewListener(inner, Key{}, Filter{})
	defer l.Close()
	inner.give(syscall.EBADF)
	for range 2 {
		if _, err := l.Accept(); !errors.Is(err, syscall.EBADF) {
			t.Error(err)
		}
	}
}

// Three packets of a stranger must not move a raft node's term.
func TestRaftStream(t *testing.T) {
	stream := func(key Key) (*Stream, *raft.NetworkTransport) {
		s, err := NewStream(listen(t, key, Filter{}), "node-1.example:7850")
		if err != nil {
			t.Fatal(err)
		}
		nt := raft.NewNetworkTransport(s, 1, 5*time.Second, io.Discard)
		t.Cleanup(func() { nt.Close() })
		return s, nt
	}
	server, transport := stream(keyA())
	if a := transport.LocalAddr(); a != "node-1.example:7850" {
		t.Errorf("advertises %s", a)
	}
	var heard atomic.Int32
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case rpc := <-transport.Consumer():
				heard.Add(1)
				rpc.Respond(&raft.AppendEntriesResponse{Success: true}, nil)
			case <-done:
				return
			}
		}
	})
	defer wg.Wait()
	defer close(done)

	at := raft.ServerAddress(server.Listener.Addr().String())
	request := &raft.AppendEntriesRequest{RPCHeader: raft.RPCHeader{ProtocolVersion: 3, ID: []byte("x"), Addr: []byte("x")}, Term: 1<<64 - 1}
	for name, key := range map[string]Key{"without a key": {}, "with another key": keyB()} {
		_, stranger := stream(key)
		var response raft.AppendEntriesResponse
		if err := stranger.AppendEntries("x", at, request, &response); err == nil {
			t.Errorf("%s: answered %v", name, response)
		}
	}
	if n := heard.Load(); n != 0 {
		t.Errorf("raft heard %d strangers", n)
	}
	_, peer := stream(keyA())
	var response raft.AppendEntriesResponse
	if err := peer.AppendEntries("x", at, request, &response); err != nil || !response.Success {
		t.Errorf("a peer: %v, %v", response, err)
	}

	for _, bad := range []string{"", "7850", ":7850", "node-1"} {
		if _, err := NewStream(server.Listener, bad); err == nil {
			t.Errorf("advertises %q", bad)
		}
	}
}

// lines is a log.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lines) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}
