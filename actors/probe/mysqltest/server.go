// Package mysqltest is a MySQL server for tests: it lets one user log in and answers queries
// from a table. It knows as much of the protocol as clients use for that.
package mysqltest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Ways to log in that a Server knows.
const (
	Native  = "mysql_native_password"
	Caching = "caching_sha2_password"
	SHA256  = "sha256_password"
)

// Server is a MySQL server. Its fields must not change while it serves.
type Server struct {
	User, Password string
	Plugin         string      // how the user logs in; "": Native
	Default        string      // what the greeting names; "": Plugin
	TLS            *tls.Config // nil: without
	NeedTLS        bool        // logins without TLS are refused
	Forgetful      bool        // has Caching log in the long way

	// Answers are results by command. A command that is not there is a syntax error.
	Answers map[string]Result

	mu      sync.Mutex
	queries []string
	quits   int
	open    int
}

// Result is the answer to a command.
type Result struct {
	Columns []string   // none: the command changes something
	Rows    [][]string // "NULL" is NULL
	Err     string
	Before  func(net.Conn) // called before the answer
}

// ReadOnly answers the command by which masters are told from slaves.
func ReadOnly(value string) map[string]Result {
	return map[string]Result{"show global variables where variable_name='read_only'": {
		Columns: []string{"Variable_name", "Value"}, Rows: [][]string{{"read_only", value}},
	}}
}

// Queries returns the commands so far.
func (s *Server) Queries() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.queries)
}

// Connections returns how many are open, and how many were ended by a word of farewell.
func (s *Server) Connections() (open, quits int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open, s.quits
}

// Listen serves on a free port of the loopback interface until the test ends.
func (s *Server) Listen(t testing.TB) *net.TCPAddr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	stop := make(chan struct{})
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				ended := make(chan struct{})
				go func() {
					select {
					case <-stop:
					case <-ended:
					}
					conn.Close()
				}()
				s.Serve(conn)
				close(ended)
			})
		}
	})
	t.Cleanup(func() {
		close(stop)
		l.Close()
		serving.Wait()
	})
	return l.Addr().(*net.TCPAddr)
}

// Serve serves one connection until its end and closes it. The error says what the client
// did wrong, or that the connection broke.
func (s *Server) Serve(conn net.Conn) error {
	s.mu.Lock()
	s.open++
	s.mu.Unlock()
	c := &session{s: s, conn: conn}
	defer func() {
		conn.Close()
		s.mu.Lock()
		s.open--
		s.mu.Unlock()
	}()
	if err := c.login(); err != nil {
		return err
	}
	for {
		c.seq = 0
		b, err := c.read()
		if err != nil {
			return err
		}
		switch {
		case len(b) == 1 && b[0] == 1:
			s.mu.Lock()
			s.quits++
			s.mu.Unlock()
			return nil
		case len(b) > 0 && b[0] == 3:
			err = c.answer(string(b[1:]))
		default:
			err = c.fail(1047, "08S01", "Unknown command")
		}
		if err != nil {
			return err
		}
	}
}

type session struct {
	s    *Server
	conn net.Conn
	seq  byte
}

func (c *session) read() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(c.conn, head[:]); err != nil {
		return nil, err
	}
	if head[3] != c.seq {
		return nil, fmt.Errorf("packet %d, want %d", head[3], c.seq)
	}
	c.seq++
	b := make([]byte, int(head[0])|int(head[1])<<8|int(head[2])<<16)
	_, err := io.ReadFull(c.conn, b)
	return b, err
}

func (c *session) write(b []byte) error {
	n := len(b)
	_, err := c.conn.Write(append([]byte{byte(n), byte(n >> 8), byte(n >> 16), c.seq}, b...))
	c.seq++
	return err
}

func (c *session) ok() error { return c.write([]byte{0, 0, 0, 2, 0, 0, 0}) }

func (c *session) fail(code uint16, state, text string) error {
	return c.write(append(binary.LittleEndian.AppendUint16([]byte{0xff}, code), "#"+state+text...))
}

// Capabilities.
const (
	longPassword = 1 << 0
	protocol41   = 1 << 9
	withTLS      = 1 << 11
	secure       = 1 << 15
	pluginAuth   = 1 << 19
	lenencAuth   = 1 << 21
)

var errRefused = errors.New("the login was refused")

func (c *session) login() error {
	plugin := c.s.Plugin
	if plugin == "" {
		plugin = Native
	}
	named := c.s.Default
	if named == "" {
		named = plugin
	}
	nonce := make([]byte, 20)
	rand.Read(nonce)
	for i := range nonce {
		nonce[i] = nonce[i]&0x7f | 1 // never zero
	}
	caps := uint32(longPassword | protocol41 | secure | pluginAuth)
	if c.s.TLS != nil {
		caps |= withTLS
	}
	g := append([]byte{10}, "5.7.99-fake\x00\x01\x00\x00\x00"...)
	g = append(append(g, nonce[:8]...), 0)
	g = binary.LittleEndian.AppendUint16(g, uint16(caps))
	g = append(g, 33, 2, 0)
	g = binary.LittleEndian.AppendUint16(g, uint16(caps>>16))
	g = append(append(g, 21), make([]byte, 10)...)
	g = append(append(append(g, nonce[8:]...), 0), named+"\x00"...)
	if err := c.write(g); err != nil {
		return err
	}
	b, err := c.read()
	if err != nil {
		return err
	}
	if len(b) < 32 {
		return fmt.Errorf("an answer of %d bytes to the greeting", len(b))
	}
	got := binary.LittleEndian.Uint32(b)
	if got&withTLS != 0 {
		if c.s.TLS == nil || len(b) != 32 {
			return errors.New("the client wants TLS in a wrong way")
		}
		t := tls.Server(c.conn, c.s.TLS)
		if err := t.Handshake(); err != nil {
			return err
		}
		c.conn = t
		if b, err = c.read(); err != nil {
			return err
		}
	}
	if got&(protocol41|secure) != protocol41|secure || len(b) < 34 {
		return errors.New("the client is too old")
	}
	user, rest, found := strings.Cut(string(b[32:]), "\x00")
	if !found || rest == "" || int(rest[0]) > len(rest)-1 || got&lenencAuth != 0 && rest[0] > 250 {
		return errors.New("the login is cut short")
	}
	proof, rest := rest[1:1+rest[0]], rest[1+rest[0]:]
	if client, _, _ := strings.Cut(rest, "\x00"); got&pluginAuth != 0 && client != plugin {
		if err := c.write(append(append(append([]byte{0xfe}, plugin+"\x00"...), nonce...), 0)); err != nil {
			return err
		}
		if b, err = c.read(); err != nil {
			return err
		}
		proof = string(b)
	}
	known, err := c.check(plugin, []byte(proof), nonce)
	if err != nil {
		return err
	}
	_, encrypted := c.conn.(*tls.Conn)
	switch {
	case c.s.NeedTLS && !encrypted:
		return errors.Join(errRefused, c.fail(3159, "08004", "Connections using insecure transport are prohibited while --require_secure_transport=ON."))
	case user != c.s.User || !known:
		return errors.Join(errRefused, c.fail(1045, "28000", "Access denied for user '"+user+"'@'127.0.0.1' (using password: YES)"))
	}
	return c.ok()
}

// check tells whether proof shows that the client knows the password, as servers do, which
// know only a hash of it.
func (c *session) check(plugin string, proof, nonce []byte) (bool, error) {
	password := []byte(c.s.Password)
	if len(password) == 0 {
		return len(proof) == 0 || string(proof) == "\x00", nil
	}
	switch plugin {
	case Native:
		once := sha1.Sum(password)
		stored := sha1.Sum(once[:])
		mask := sha1.Sum(slices.Concat(nonce, stored[:]))
		if len(proof) != len(mask) {
			return false, nil
		}
		subtle.XORBytes(mask[:], mask[:], proof)
		return sha1.Sum(mask[:]) == stored, nil
	case Caching:
		if !c.s.Forgetful {
			once := sha256.Sum256(password)
			stored := sha256.Sum256(once[:])
			mask := sha256.Sum256(slices.Concat(stored[:], nonce))
			if len(proof) != len(mask) {
				return false, nil
			}
			subtle.XORBytes(mask[:], mask[:], proof)
			if sha256.Sum256(mask[:]) != stored {
				return false, nil
			}
			return true, c.write([]byte{1, 3})
		}
		if err := c.write([]byte{1, 4}); err != nil {
			return false, err
		}
		var err error
		if proof, err = c.read(); err != nil {
			return false, err
		}
	}
	if _, encrypted := c.conn.(*tls.Conn); !encrypted {
		return false, errors.New("a password without TLS")
	}
	return string(proof) == c.s.Password+"\x00", nil
}

func (c *session) answer(command string) error {
	c.s.mu.Lock()
	c.s.queries = append(c.s.queries, command)
	c.s.mu.Unlock()
	r, known := c.s.Answers[command]
	if r.Before != nil {
		r.Before(c.conn)
	}
	switch {
	case !known:
		return c.fail(1064, "42000", "You have an error in your SQL syntax")
	case r.Err != "":
		return c.fail(1105, "HY000", r.Err)
	case len(r.Columns) == 0:
		return c.ok()
	}
	if err := c.write([]byte{byte(len(r.Columns))}); err != nil {
		return err
	}
	for _, name := range r.Columns {
		b := text(nil, "def", "", "", "", name, name)
		b = append(b, 12, 33, 0, 0xff, 0, 0, 0, 253, 0, 0, 0, 0, 0)
		if err := c.write(b); err != nil {
			return err
		}
	}
	end := []byte{0xfe, 0, 0, 2, 0}
	if err := c.write(end); err != nil {
		return err
	}
	for _, row := range r.Rows {
		if err := c.write(text(nil, row...)); err != nil {
			return err
		}
	}
	return c.write(end)
}

func text(b []byte, values ...string) []byte {
	for _, v := range values {
		switch {
		case v == "NULL":
			b = append(b, 0xfb)
		case len(v) < 251:
			b = append(append(b, byte(len(v))), v...)
		default:
			b = append(append(b, 0xfd, byte(len(v)), byte(len(v)>>8), byte(len(v)>>16)), v...)
		}
	}
	return b
}

// Certificate returns the TLS of a server that made its certificate itself, as MySQL does.
func Certificate(t testing.TB) *tls.Config {
	t.Helper()
	cert, key := CertificateFiles(t)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}}
}

// CertificateFiles returns a certificate and its key in files.
func CertificateFiles(t testing.TB) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	public, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, b []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", public), write("key.pem", "PRIVATE KEY", secret)
}
