package probe

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"unicode"
)

// As much of MySQL's protocol as a check needs: log in, one query, quit. Common drivers trust
// the server: one packet of a hostile one can have them allocate what the machine does not
// have. Who may register an instance names the server here, so every length is checked.

// maxSQLAnswer bounds the bytes of all packets that are read of one server.
const maxSQLAnswer = 1 << 20

const (
	maxSQLColumns = 4096 // MySQL's own bound
	maxSQLError   = 256  // bytes of its text that are kept
	maxAuthSteps  = 8    // packets of the server until it knows who asks
)

// Capabilities (CLIENT_… in MySQL).
const (
	sqlLongPassword = 1 << 0
	sqlProtocol41   = 1 << 9
	sqlTLS          = 1 << 11
	sqlSecure       = 1 << 15
	sqlMultiResults = 1 << 17
	sqlPluginAuth   = 1 << 19
)

// First bytes of packets.
const (
	sqlOK        = 0x00
	sqlMore      = 0x01
	sqlNull      = 0xfb // in a row; else the wish for a local file
	sqlEnd       = 0xfe // of rows; else another way to log in
	sqlErr       = 0xff
	sqlQuit      = 0x01
	sqlQuery     = 0x03
	sqlFastLogin = 3
	sqlFullLogin = 4
)

// Ways to log in.
const (
	nativePassword  = "mysql_native_password"
	cachingPassword = "caching_sha2_password"
	sha256Password  = "sha256_password"
	clearPassword   = "mysql_clear_password"
)

var (
	errLargeAnswer = fmt.Errorf("the answer is larger than %d bytes", maxSQLAnswer)
	errProtocol    = errors.New("this is not MySQL's protocol")
	errInsecure    = errors.New("the server wants the password itself, but has no TLS")
	errNoResult    = errors.New("the command has no result")
	errUser        = errors.New("the user name or the password has a zero byte")
)

// sqlError is an error that the server tells.
type sqlError struct {
	code uint16
	text string
}

func (e *sqlError) Error() string { return fmt.Sprintf("%d %s", e.code, e.text) }

// sqlConn is a connection to a MySQL server.
type sqlConn struct {
	conn   net.Conn
	secure bool // by TLS
	seq    byte
	left   int // bytes that may still be read
}

// read returns the next packet, which has at least one byte.
func (c *sqlConn) read() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(c.conn, head[:]); err != nil {
		return nil, err
	}
	n := int(head[0]) | int(head[1])<<8 | int(head[2])<<16
	switch {
	case n == 0 || head[3] != c.seq:
		return nil, errProtocol
	case n > c.left:
		return nil, errLargeAnswer
	}
	c.seq++
	c.left -= n
	b := make([]byte, n)
	_, err := io.ReadFull(c.conn, b)
	return b, err
}

// write sends a packet. None here is as long as one that would have to be split.
func (c *sqlConn) write(b []byte) error {
	n := len(b)
	_, err := c.conn.Write(append([]byte{byte(n), byte(n >> 8), byte(n >> 16), c.seq}, b...))
	c.seq++
	return err
}

// login introduces itself and answers what the server asks until it is content.
func (c *sqlConn) login(user, password string) error {
	if strings.Contains(user+password, "\x00") {
		return errUser
	}
	b, err := c.read()
	if err != nil {
		return err
	}
	g, err := parseGreeting(b)
	if err != nil {
		return err
	}
	caps := uint32(sqlLongPassword | sqlProtocol41 | sqlSecure | sqlMultiResults | g.capabilities&sqlPluginAuth)
	if g.capabilities&sqlTLS != 0 {
		caps |= sqlTLS
	}
	hello := binary.LittleEndian.AppendUint32(nil, caps)
	hello = binary.LittleEndian.AppendUint32(hello, maxSQLAnswer)
	hello = append(hello, 33) // utf8_general_ci, which all versions know
	hello = append(hello, make([]byte, 23)...)
	if caps&sqlTLS != 0 {
		if err := c.write(hello); err != nil {
			return err
		}
		secured := tls.Client(c.conn, opportunistic)
		if err := secured.Handshake(); err != nil {
			return fmt.Errorf("TLS: %w", err)
		}
		c.conn, c.secure = secured, true
	}
	proof, err := c.proof(g.plugin, password, g.nonce)
	if err != nil || len(proof) > 250 {
		// The server names the right way, and what it needs, if this is not it.
		g.plugin, proof = nativePassword, scrambleNative(password, g.nonce)
	}
	hello = append(append(hello, user...), 0)
	hello = append(append(hello, byte(len(proof))), proof...)
	if caps&sqlPluginAuth != 0 {
		hello = append(append(hello, g.plugin...), 0)
	}
	if err := c.write(hello); err != nil {
		return err
	}
	return c.authenticate(g.plugin, password)
}

func (c *sqlConn) authenticate(plugin, password string) error {
	for range maxAuthSteps {
		b, err := c.read()
		if err != nil {
			return err
		}
		switch {
		case b[0] == sqlOK:
			return nil
		case b[0] == sqlErr:
			return parseError(b)
		case b[0] == sqlEnd:
			name, nonce, ok := bytes.Cut(b[1:], []byte{0})
			if !ok {
				return fmt.Errorf("%w: it asks for passwords as before 4.1", errProtocol)
			}
			plugin = string(name)
			proof, err := c.proof(plugin, password, bytes.TrimSuffix(nonce, []byte{0}))
			if err != nil {
				return err
			}
			if err := c.write(proof); err != nil {
				return err
			}
		case b[0] == sqlMore && plugin == cachingPassword && len(b) == 2 && b[1] == sqlFastLogin:
		case b[0] == sqlMore && plugin == cachingPassword && len(b) == 2 && b[1] == sqlFullLogin:
			// A key that the server sends without TLS may be anybody's; Nacos's driver does
			// not take it either.
			proof, err := c.plain(password)
			if err != nil {
				return err
			}
			if err := c.write(proof); err != nil {
				return err
			}
		default:
			return errProtocol
		}
	}
	return errProtocol
}

// proof returns what shows that password is known.
func (c *sqlConn) proof(plugin, password string, nonce []byte) ([]byte, error) {
	switch plugin {
	case "", nativePassword:
		return scrambleNative(password, nonce), nil
	case cachingPassword:
		return scrambleCaching(password, nonce), nil
	case sha256Password, clearPassword:
		return c.plain(password)
	}
	return nil, fmt.Errorf("the server wants a login by %s, which is not known here", printable([]byte(plugin)))
}

// plain returns the password itself, which only TLS hides.
func (c *sqlConn) plain(password string) ([]byte, error) {
	if !c.secure && password != "" {
		return nil, errInsecure
	}
	return append([]byte(password), 0), nil
}

func scrambleNative(password string, nonce []byte) []byte {
	if password == "" {
		return nil
	}
	once := sha1.Sum([]byte(password))
	twice := sha1.Sum(once[:])
	mask := sha1.Sum(append(bytes.Clone(nonce), twice[:]...))
	subtle.XORBytes(mask[:], mask[:], once[:])
	return mask[:]
}

func scrambleCaching(password string, nonce []byte) []byte {
	if password == "" {
		return nil
	}
	once := sha256.Sum256([]byte(password))
	twice := sha256.Sum256(once[:])
	mask := sha256.Sum256(append(twice[:], nonce...))
	subtle.XORBytes(mask[:], mask[:], once[:])
	return mask[:]
}

// greeting is what a server says first.
type greeting struct {
	capabilities uint32
	nonce        []byte
	plugin       string
}

func parseGreeting(b []byte) (g greeting, err error) {
	if b[0] == sqlErr {
		return g, parseError(b)
	}
	if b[0] != 10 {
		return g, errProtocol
	}
	version := bytes.IndexByte(b, 0)
	if version < 0 || len(b) < version+1+4+8+1+2 {
		return g, errProtocol
	}
	b = b[version+1+4:]
	g.nonce = bytes.Clone(b[:8])
	g.capabilities = uint32(binary.LittleEndian.Uint16(b[9:]))
	b = b[11:]
	// character set, state, further capabilities, length of the nonce, ten bytes of nothing
	if len(b) >= 1+2+2+1+10 {
		g.capabilities |= uint32(binary.LittleEndian.Uint16(b[3:])) << 16
		rest := max(13, int(b[5])-8)
		b = b[16:]
		if len(b) < rest {
			return g, errProtocol
		}
		g.nonce = append(g.nonce, bytes.TrimSuffix(b[:rest], []byte{0})...)
		name, _, _ := bytes.Cut(b[rest:], []byte{0})
		g.plugin = string(name)
	}
	if g.capabilities&sqlProtocol41 == 0 || g.capabilities&sqlSecure == 0 {
		return g, fmt.Errorf("%w: the server is older than 4.1", errProtocol)
	}
	return g, nil
}

func parseError(b []byte) error {
	if len(b) < 3 {
		return errProtocol
	}
	e, text := &sqlError{code: binary.LittleEndian.Uint16(b[1:])}, b[3:]
	if len(text) >= 6 && text[0] == '#' {
		text = text[6:] // the state, which the code says too
	}
	e.text = printable(text)
	return e
}

// printable makes text of a server fit for a log.
func printable(b []byte) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, string(b[:min(len(b), maxSQLError)]))
}

// sqlRow is a row of a result, as sent.
type sqlRow []byte

// column returns column i, counted from 0; NULL is empty.
func (r sqlRow) column(i int) (string, error) {
	for ; ; i-- {
		if len(r) == 0 {
			return "", errors.New("the answer has too few columns")
		}
		if r[0] == sqlNull {
			if i == 0 {
				return "", nil
			}
			r = r[1:]
			continue
		}
		n, size, ok := lengthOf(r)
		if !ok || n > uint64(len(r)-size) {
			return "", errProtocol
		}
		if i == 0 {
			return string(r[size : size+int(n)]), nil
		}
		r = r[size+int(n):]
	}
}

// lengthOf reads an integer of one to nine bytes and tells how many they were.
func lengthOf(b []byte) (n uint64, size int, ok bool) {
	var wide [8]byte
	switch {
	case len(b) == 0:
		return 0, 0, false
	case b[0] < sqlNull:
		return uint64(b[0]), 1, true
	case b[0] == 0xfc:
		size = 3
	case b[0] == 0xfd:
		size = 4
	case b[0] == 0xfe:
		size = 9
	}
	if size == 0 || len(b) < size {
		return 0, 0, false
	}
	copy(wide[:], b[1:size])
	return binary.LittleEndian.Uint64(wide[:]), size, true
}

// query runs a command and shows each row of its first result.
func (c *sqlConn) query(command string, each func(sqlRow) error) error {
	c.seq = 0
	if err := c.write(append([]byte{sqlQuery}, command...)); err != nil {
		return err
	}
	b, err := c.read()
	if err != nil {
		return err
	}
	switch b[0] {
	case sqlErr:
		return parseError(b)
	case sqlOK:
		return errNoResult
	}
	columns, _, ok := lengthOf(b)
	if !ok || columns == 0 || columns > maxSQLColumns {
		return errProtocol
	}
	for range columns {
		if _, err := c.read(); err != nil {
			return err
		}
	}
	switch b, err = c.read(); {
	case err != nil:
		return err
	case !isEnd(b):
		return errProtocol
	}
	for {
		b, err := c.read()
		switch {
		case err != nil:
			return err
		case isEnd(b):
			return nil
		case b[0] == sqlErr:
			return parseError(b)
		}
		if err := each(b); err != nil {
			return err
		}
	}
}

func isEnd(b []byte) bool { return b[0] == sqlEnd && len(b) < 9 }

// quit takes leave, which keeps the server from counting an aborted client.
func (c *sqlConn) quit() {
	c.seq = 0
	c.write([]byte{sqlQuit}) // nobody needs to hear it
}
