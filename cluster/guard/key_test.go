package guard

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"testing"
)

const (
	secretA = "Vq7fH2mZ0xk4Lr9T"
	secretB = "n3Yp8Ws1Dc6Bg5Ju"
)

// keyA and keyB are derived once: it is slow on purpose.
var keyA, keyB = sync.OnceValue(func() Key { return mustKey(secretA) }), sync.OnceValue(func() Key { return mustKey(secretB) })

func mustKey(text string) Key {
	k, err := ParseKey(text)
	if err != nil {
		panic(err)
	}
	return k
}

// A node of another version must derive the same: these values never change.
func TestKeyGolden(t *testing.T) {
	k := keyA()
	for _, c := range []struct {
		what string
		got  []byte
		want string
	}{
		{"public key", k.s.public, "1a006fce953955577bc6b9642aec4ade83323eb68a5b05a63d2e164d6d570f43"},
		{"gossip key", k.GossipKey(), "3e4305f69869a9df650a28e36ee0e1d925062c3b6efa41f233da06dc2aa15a85"},
		{"certificate", sum(k.s.cert.Certificate[0]), "db4c877e07834a55dd2a8c54c45c6d0ed15c9678bffd04c346f07c6e485f7ec1"},
	} {
		if got := hex.EncodeToString(c.got); got != c.want {
			t.Errorf("%s: %s", c.what, got)
		}
	}
	if again := mustKey(" " + secretA + "\r\n"); !again.s.public.Equal(k.s.public) {
		t.Error("white space around the key counts")
	}
	if k.ServerTLS().MinVersion != tls.VersionTLS13 || k.ClientTLS().MinVersion != tls.VersionTLS13 {
		t.Error("not TLS 1.3 only")
	}
}

func sum(b []byte) []byte {
	s := sha256.Sum256(b)
	return s[:]
}

func TestParseKeyRefuses(t *testing.T) {
	for _, text := range []string{
		"short", "   ", "0123456789abcde", "aaaaaaaaaaaaaaaa", "1234567890123456", "abcdefghijklmnop",
		"ponmlkjihgfedcba", "passwordpassword", "s3cret-s3cret-s3cret-", "abababababababab", "                    x",
	} {
		k, err := ParseKey(text)
		if err == nil || !k.IsZero() {
			t.Errorf("%q is accepted", text)
			continue
		}
		if !strings.Contains(err.Error(), Property) || strings.Contains(err.Error(), text) && text != "short" && text != "   " {
			t.Errorf("%q: %v", text, err)
		}
	}
	if k, err := ParseKey(""); err != nil || !k.IsZero() {
		t.Errorf("no key: %v, %v", k, err)
	}
	for _, text := range []string{secretA, "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "correct horse battery"} {
		if _, err := ParseKey(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestKeyDoesNotTell(t *testing.T) {
	k := keyA()
	in := struct{ Key Key }{k}
	for _, text := range []string{fmt.Sprint(k), fmt.Sprintf("%+v %#v", k, k), fmt.Sprintf("%+v %v", in, &in), fmt.Sprintf("%#v", in)} {
		if strings.Contains(text, hex.EncodeToString(k.s.gossip)) || strings.Contains(text, fmt.Sprint(k.s.gossip)) || !strings.Contains(text, "set") {
			t.Errorf("printed as %s", text)
		}
	}
	var zero Key
	if zero.ServerTLS() != nil || zero.ClientTLS() != nil || zero.GossipKey() != nil || fmt.Sprint(zero) != "none" {
		t.Error("the zero key is not nothing")
	}
}

func TestCheckKeyNamesEachHostOnce(t *testing.T) {
	err := CheckKey(Key{}, []string{"10.0.0.1", "10.0.0.1", "10.0.0.2"})
	if err == nil || !strings.HasSuffix(err.Error(), "(members: 10.0.0.1, 10.0.0.2)") {
		t.Error(err)
	}
}

func TestCheckKey(t *testing.T) {
	for _, c := range []struct {
		hosts string
		local bool
	}{
		{"127.0.0.1", true},
		{"127.0.0.1:8848 127.9.9.9:8849 localhost LOCALHOST:7 ::1 [::1]:8848 [::1] ::ffff:127.0.0.1", true},
		{"127.0.0.1 10.0.0.1", false},
		{"0.0.0.0", false},
		{"localhost.example.com", false},
		{"127.0.0.1.example.com:8848", false},
		{"node1:8848", false},
		{"", false},
	} {
		hosts := strings.Fields(c.hosts)
		if got := Loopback(hosts); got != c.local {
			t.Errorf("Loopback(%q) = %v", hosts, got)
		}
		err := CheckKey(Key{}, hosts)
		if (err == nil) != c.local || err != nil && !strings.HasPrefix(err.Error(),
			"members are not all on loopback: set nactor.cluster.key to the same secret of at least 16 characters on every node") {
			t.Errorf("CheckKey(none, %q) = %v", hosts, err)
		}
		if err := CheckKey(keyA(), hosts); err != nil {
			t.Errorf("CheckKey(key, %q) = %v", hosts, err)
		}
	}
}
