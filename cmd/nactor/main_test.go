package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"nactor/cmd/nactor/node"
	"nactor/persistence"
)

// TestMain lets the test binary stand for the program, so that tests can run it as a
// process of its own without building it first.
func TestMain(m *testing.M) {
	if os.Getenv("NACTOR_TEST_RUN_MAIN") == "1" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// runHere runs a command line in this process.
func runHere(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(args, &out, &err)
	return code, out.String(), err.String()
}

func TestUsageErrors(t *testing.T) {
	home := t.TempDir()
	for _, tt := range []struct {
		args string
		want string
	}{
		{"serve", `unknown command "serve"`},
		{"server --colour red", "unknown flag: --colour"},
		{"server extra", `unknown command "extra"`},
		{"version extra", `unknown command "extra"`},
		{"actors a b", "accepts at most 1 arg(s)"},
		{"actors --page x", "invalid argument"},
		{"actors --page 0", "--page and --size count from 1"},
		{"server -m alone --home " + home, `-m: "alone" is not a mode: standalone or cluster`},
		{"server --home " + home, "external storage is not available yet: start with -p embedded"},
		{"server -p embedded --home " + home, "cluster mode needs to know its nodes"},
		{"server -m standalone -p external --home " + home, "external storage is not available yet"},
		{"server -m standalone --set nacos.core.auth.enabled=true --home " + home, "authentication is not available yet"},
		{"server -m standalone --set server.port=abc --home " + home, `server.port: "abc" is not a port number (--set)`},
		{"server -m standalone --home " + home + "/none", "does not exist"},
		{"server -m cluster --set spring.datasource.platform=mysql -c 127.0.0.1:8848 --home " + home, "or remove spring.datasource.platform (--set)"},
		{"server -m standalone --join x:1 --home " + home, "names nodes of a cluster"},
		{"server -m cluster -p embedded --join 127.0.0.1 --home " + home, "has no port: write 127.0.0.1:8848"},
		{"upgrade bogus", `unknown command "bogus"`},
		{"upgrade status --watch --json", "[json watch] were all set"},
		{"upgrade status --wait v3", `"v3" is not a mode: v1 or v2`},
		{"pid --home " + home + "/none", "does not exist"},
		{"ready --home " + home + " --server x", "give one"},
	} {
		code, _, stderr := runHere(strings.Fields(tt.args)...)
		if code != exitUsage || !strings.Contains(stderr, tt.want) {
			t.Errorf("%s: exit %d, stderr %q, want %q", tt.args, code, stderr, tt.want)
		}
	}
	if entries, err := os.ReadDir(home); err != nil || len(entries) > 0 {
		t.Error("a refused start left something in the home:", entries, err)
	}
}

// What is not set cannot be removed.
func TestStorageIsAskedFor(t *testing.T) {
	code, _, stderr := runHere("server", "-m", "cluster", "-c", "127.0.0.1:8848", "--home", t.TempDir())
	if code != exitUsage || !strings.Contains(stderr, "start with -p embedded") || strings.Contains(stderr, "datasource") {
		t.Error(code, stderr)
	}
}

// Refusals of a node that has got as far as its data directory.
func TestRefusals(t *testing.T) {
	cluster := func(home string, more ...string) []string {
		return append([]string{"server", "-m", "cluster", "-p", "embedded", "--home", home, "-c", "10.255.0.1:18848,10.255.0.2:18848"}, more...)
	}
	for _, tt := range []struct {
		name string
		args []string
		code int
		text string
	}{
		{"no key", cluster(t.TempDir()), exitUsage, "members are not all on loopback: set nactor.cluster.key"},
		{"short key", cluster(t.TempDir(), "--set", "nactor.cluster.key=short"), exitUsage, "nactor.cluster.key has 5 characters"},
		{"guessable key", cluster(t.TempDir(), "--set", "nactor.cluster.key=aaaaaaaaaaaaaaaaaaaa"), exitUsage, "easily guessed"},
		{"address of nobody here", []string{"server", "-m", "standalone", "--home", t.TempDir(), "--set", "server.address=192.0.2.1", "--set", "server.port=0"}, exitBind,
			"set server.address to an address of this machine"},
	} {
		if code, _, stderr := runHere(tt.args...); code != tt.code || !strings.Contains(stderr, tt.text) || strings.Contains(stderr, "server.port") {
			t.Errorf("%s: exit %d, %s", tt.name, code, stderr)
		}
	}
}

func TestHelpNamesExitCodes(t *testing.T) {
	for _, args := range []string{"--help", "server --help", ""} {
		code, stdout, _ := runHere(strings.Fields(args)...)
		if code != 0 || !strings.Contains(stdout, "4  the data directory was refused") {
			t.Errorf("%q: exit %d\n%s", args, code, stdout)
		}
	}
}

func TestVersion(t *testing.T) {
	if code, stdout, _ := runHere("version"); code != 0 || !strings.HasPrefix(stdout, "nactor dev (speaks as Nacos 2.") {
		t.Errorf("exit %d: %s", code, stdout)
	}
}

func TestExitCodes(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, taken := net.Listen("tcp", ln.Addr().String())
	_, foreign := net.Listen("tcp", "192.0.2.1:0") // a documentation address: nobody's
	for _, tt := range []struct {
		err  error
		want int
	}{
		{nil, exitOK},
		{errors.New("x"), exitFailure},
		{fmt.Errorf("http: %w", taken), exitBind},
		{fmt.Errorf("http: %w", foreign), exitBind},
		{fmt.Errorf("udp: %w", os.NewSyscallError("bind", syscall.EADDRINUSE)), exitBind},
		{errors.Join(errors.New("x"), &coded{exitStorage, errors.New("y")}), exitStorage},
		{&coded{exitData, taken}, exitData},
		{fmt.Errorf("data/naming.db: %w: restore it", persistence.ErrCorrupt), exitData},
		{fmt.Errorf("x: %w", persistence.ErrNewer), exitData},
		{fmt.Errorf("x: %w", persistence.ErrLost), exitData},
		{fmt.Errorf("x: %w", persistence.ErrLocked), exitData},
		{fmt.Errorf("x: %w", persistence.ErrMode), exitData},
		{fmt.Errorf("x: %w", node.ErrCopied), exitData},
	} {
		if got := exitCode(tt.err); got != tt.want {
			t.Errorf("%v: %d, want %d", tt.err, got, tt.want)
		}
	}
}
