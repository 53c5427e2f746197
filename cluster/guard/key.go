package guard

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// MinKey is the least length of a cluster key, in bytes.
const MinKey = 16

// Property names the setting that the texts of this package tell an operator to change.
const Property = "nactor.cluster.key"

// ErrKeyDiffers says that a peer holds another cluster key than this node.
var ErrKeyDiffers = errors.New("the cluster key differs: set " + Property + " to the same secret on every node")

// ErrNoKey says that this node has no cluster key and the peer is on another machine.
var ErrNoKey = fmt.Errorf("the peer is on another machine: set %s to the same secret of at least %d characters on every node", Property, MinKey)

// Key is the secret of a cluster, in the forms that its ports need. The zero Key is no
// secret: plain TCP, for a cluster within one machine. A Key can be copied, and printing it
// does not tell the secret.
type Key struct{ s *secrets }

type secrets struct {
	public ed25519.PublicKey
	cert   tls.Certificate
	gossip []byte
}

// Derivation. A change of any of these is another key for the same text: a node of the
// version before could not join.
const (
	salt       = "nactor cluster key 1"
	labelTLS   = "nactor tls ed25519"
	labelSerf  = "nactor serf aes-256"
	iterations = 600_000
)

// ParseKey derives the key from the configured text. White space around it does not count,
// so that the last line end of a file does no harm. The empty text is the zero Key. A text
// that is short or easily guessed is refused; the error does not repeat it.
//
// It takes about a tenth of a second, on purpose: a stranger who connects is shown a public
// key and can try secrets against it at leisure.
func ParseKey(text string) (Key, error) {
	if text == "" {
		return Key{}, nil
	}
	text = strings.TrimSpace(text)
	if len(text) < MinKey {
		return Key{}, fmt.Errorf("%s has %d characters: give it at least %d, for example from `openssl rand -hex 32`", Property, len(text), MinKey)
	}
	if guessable(text) {
		return Key{}, fmt.Errorf("%s repeats or counts, which is easily guessed: give it a random text, for example from `openssl rand -hex 32`", Property)
	}
	stretched, err := pbkdf2.Key(sha256.New, text, []byte(salt), iterations, sha256.Size)
	if err != nil {
		return Key{}, fmt.Errorf("derive the cluster key: %w", err)
	}
	seed, err := hkdf.Expand(sha256.New, stretched, labelTLS, ed25519.SeedSize)
	if err != nil {
		return Key{}, fmt.Errorf("derive the TLS key: %w", err)
	}
	gossip, err := hkdf.Expand(sha256.New, stretched, labelSerf, 32)
	if err != nil {
		return Key{}, fmt.Errorf("derive the gossip key: %w", err)
	}
	private := ed25519.NewKeyFromSeed(seed)
	cert, err := certificate(private)
	if err != nil {
		return Key{}, fmt.Errorf("make the certificate: %w", err)
	}
	return Key{&secrets{public: private.Public().(ed25519.PublicKey), cert: cert, gossip: gossip}}, nil
}

// guessable reports whether a text has few different characters, is a part said again and
// again, or mostly goes up or down by one. It knows no words: "correct horse…" passes.
func guessable(text string) bool {
	distinct := map[byte]bool{}
	steps := 0
	for i := range len(text) {
		distinct[text[i]] = true
		if i > 0 {
			if d := int(text[i]) - int(text[i-1]); -1 <= d && d <= 1 {
				steps++
			}
		}
	}
	if len(distinct) < 6 || steps*4 > (len(text)-1)*3 {
		return true
	}
	for period := 1; period <= len(text)/2; period++ {
		if text[period:] == text[:len(text)-period] {
			return true
		}
	}
	return false
}

// certificate signs the public key by itself. It is the same for the same key: fixed serial
// number and dates, and ed25519 has no randomness. Nobody looks at the dates.
func certificate(private ed25519.PrivateKey) (tls.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "nactor cluster"},
		NotBefore:    time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}, nil
}

// IsZero reports whether there is no secret.
func (k Key) IsZero() bool { return k.s == nil }

// String tells whether there is a secret, for logs.
func (k Key) String() string {
	if k.IsZero() {
		return "none"
	}
	return "set"
}

// GoString is String: %#v must not tell more.
func (k Key) GoString() string { return "guard.Key(" + k.String() + ")" }

// GossipKey returns the 32 bytes (AES-256) that memberlist seals its packets with; nil
// without a secret.
func (k Key) GossipKey() []byte {
	if k.IsZero() {
		return nil
	}
	return append([]byte(nil), k.s.gossip...)
}

// ServerTLS returns how to accept peers: TLS 1.3, from those that hold the same secret.
// Nil without a secret. The caller owns it.
func (k Key) ServerTLS() *tls.Config { return k.config() }

// ClientTLS returns how to connect to peers: TLS 1.3, to those that hold the same secret.
// Nil without a secret. The caller owns it.
func (k Key) ClientTLS() *tls.Config { return k.config() }

func (k Key) config() *tls.Config {
	if k.IsZero() {
		return nil
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{k.s.cert},
		ClientAuth:   tls.RequireAnyClientCert,
		// Names, dates and authorities mean nothing here, and a wrong clock must not part a
		// cluster: the peer has proved to hold a private key, and verify asks whether it is ours.
		InsecureSkipVerify:     true,
		VerifyConnection:       k.verify,
		SessionTicketsDisabled: true,
	}
}

func (k Key) verify(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 || !k.s.public.Equal(state.PeerCertificates[0].PublicKey) {
		return ErrKeyDiffers
	}
	return nil
}

// CheckKey returns why nodes on these hosts need a key; nil if they have one or all are
// on this machine. Hosts may carry a port.
func CheckKey(key Key, hosts []string) error {
	if !key.IsZero() || Loopback(hosts) {
		return nil
	}
	var once []string
	for _, h := range hosts {
		if !slices.Contains(once, h) {
			once = append(once, h)
		}
	}
	return fmt.Errorf("members are not all on loopback: set %s to the same secret of at least %d characters on every node "+
		"(members: %s)", Property, MinKey, strings.Join(once, ", "))
}

// Loopback reports whether all hosts, with or without a port, are this machine by
// themselves: addresses of the loopback network or "localhost". Other names are not looked
// up, since what they mean may change. No hosts are not all on loopback.
func Loopback(hosts []string) bool {
	for _, host := range hosts {
		if !isLoopback(host) {
			return false
		}
	}
	return len(hosts) > 0
}

func isLoopback(host string) bool {
	if ap, err := netip.ParseAddrPort(host); err == nil {
		return ap.Addr().Unmap().IsLoopback()
	}
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return a.Unmap().IsLoopback()
	}
	name, _, _ := strings.Cut(host, ":")
	return strings.EqualFold(name, "localhost")
}
