// Package proctest runs the real binary for tests: it builds it once a test process,
// starts servers on loopback in homes of their own, and ends exactly what it started.
package proctest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

var (
	building sync.Mutex
	tempDir  string // holds the binaries; empty until one is built
	binaries = map[string]string{}
)

// build builds the binary with build tags, once a test process.
func build(tags string) (string, error) {
	building.Lock()
	defer building.Unlock()
	if bin := binaries[tags]; bin != "" {
		return bin, nil
	}
	if tempDir == "" {
		dir, err := os.MkdirTemp("", "nactor-test-")
		if err != nil {
			return "", err
		}
		tempDir = dir
	}
	bin := filepath.Join(tempDir, "nactor"+tags)
	args := []string{"build", "-tags", tags, "-o", bin}
	if raceEnabled {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, "nactor/cmd/nactor")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	binaries[tags] = bin
	return bin, nil
}

// Binary returns the path of the freshly built binary. TestMain must go through [Run].
func Binary(t testing.TB) string { return binary(t, "") }

func binary(t testing.TB, tags string) string {
	t.Helper()
	bin, err := build(tags)
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// Run runs the tests of a package and removes the binary; for TestMain.
func Run(m *testing.M) int {
	code := m.Run()
	if tempDir != "" {
		os.RemoveAll(tempDir)
	}
	return code
}

// Server is a server process.
type Server struct {
	Addr string // host:port of the HTTP front
	Home string

	t    testing.TB
	spec Spec
	cmd  *exec.Cmd
	out  *lockedBuffer
	done chan struct{}
	err  error
}

// Spec says how to run a server.
type Spec struct {
	Mode string   // standalone or cluster
	Addr string   // host:port of the HTTP front
	Home string   // its conf, data and logs
	Args []string // more arguments of nactor server
	// Prefix is a command that ends by becoming the one that follows it, such as
	// ip netns exec: the process that it starts is the server.
	Prefix []string
	Tags   string   // build tags of the binary
	Env    []string // key=value, beside the environment of the test
	// HTTP reaches Addr; nil: http.DefaultClient does.
	HTTP *http.Client
}

// Start starts a standalone server in home and waits until it is ready. The server ends
// with the test.
func Start(t testing.TB, home string, args ...string) *Server {
	t.Helper()
	s := Launch(t, home, args...)
	if err := s.Ready(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	return s
}

// Launch is Start without waiting.
func Launch(t testing.TB, home string, args ...string) *Server {
	t.Helper()
	return Spec{Mode: "standalone", Addr: fmt.Sprintf("127.0.0.1:%d", FreePort(t)), Home: home, Args: args}.Launch(t)
}

// Restart starts another process with the same home, port and arguments and waits until
// it is ready. The one before must have ended.
func (s *Server) Restart() *Server { return s.RestartAs(s.spec.Args...) }

// RestartAs is Restart with other arguments instead of [Spec.Args].
func (s *Server) RestartAs(args ...string) *Server {
	s.t.Helper()
	spec := s.spec
	spec.Args = args
	again := spec.Launch(s.t)
	if err := again.Ready(20 * time.Second); err != nil {
		s.t.Fatal(err)
	}
	return again
}

// Launch starts a server and does not wait for it. It ends with the test, or with the
// test process, however that ends.
func (spec Spec) Launch(t testing.TB) *Server {
	t.Helper()
	host, port, err := net.SplitHostPort(spec.Addr)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Addr: spec.Addr, Home: spec.Home, t: t, spec: spec, out: &lockedBuffer{}, done: make(chan struct{})}
	line := append(slices.Clone(spec.Prefix), binary(t, spec.Tags), "server", "-m", spec.Mode, "--home", spec.Home,
		"--set", "server.address="+host, "--set", "server.port="+port)
	line = append(line, spec.Args...)
	s.cmd = exec.Command(line[0], line[1:]...)
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	if len(spec.Env) > 0 {
		s.cmd.Env = append(os.Environ(), spec.Env...)
	}
	if err := startChild(s.cmd); err != nil {
		t.Fatal(err)
	}
	go func() {
		s.err = s.cmd.Wait()
		close(s.done)
	}()
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Logf("output of the server on %s:\n%s", s.Addr, s.out.String())
		}
	})
	return s
}

// Ready waits until the server is ready, has ended, or within is over.
func (s *Server) Ready(within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	client := s.spec.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Addr+"/nacos/v1/console/health/readiness", nil)
		if err != nil {
			return err
		}
		if resp, err := client.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-s.done:
			return fmt.Errorf("the server ended before it was ready: %v\n%s", s.err, s.out.String())
		case <-ctx.Done():
			return fmt.Errorf("the server was not ready within %v\n%s", within, s.out.String())
		case <-tick.C:
		}
	}
}

// Kill ends the process at once, as kill -9 does.
func (s *Server) Kill() {
	s.cmd.Process.Kill()
	<-s.done
}

// Pause keeps the process from running until Resume; it does not notice.
func (s *Server) Pause() { s.signal(syscall.SIGSTOP) }

// Resume lets a paused process run on.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatalf("%v for the server on %s: %v", sig, s.Addr, err)
	}
}

// Ended is closed when the process has ended.
func (s *Server) Ended() <-chan struct{} { return s.done }

// Terminate asks the process to end and does not wait.
func (s *Server) Terminate() { s.cmd.Process.Signal(syscall.SIGTERM) }

// Stop asks the process to end and returns its exit code; it fails the test when that
// takes longer than within.
func (s *Server) Stop(within time.Duration) int {
	s.t.Helper()
	s.Terminate()
	return s.Wait(within)
}

// Wait waits for the process to end and returns its exit code.
func (s *Server) Wait(within time.Duration) int {
	s.t.Helper()
	select {
	case <-s.done:
	case <-time.After(within):
		s.t.Fatalf("the server did not end within %v\n%s", within, s.out.String())
	}
	var exit *exec.ExitError
	if errors.As(s.err, &exit) {
		return exit.ExitCode()
	}
	return 0
}

// Pid returns the process id.
func (s *Server) Pid() int { return s.cmd.Process.Pid }

// Output returns what the process has printed so far.
func (s *Server) Output() string { return s.out.String() }

// Log returns the content of a log file, empty if there is none.
func (s *Server) Log(name string) string {
	b, err := os.ReadFile(filepath.Join(s.Home, "logs", name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.t.Fatal(err)
	}
	return string(b)
}

// FreePort returns a TCP port of loopback that is free now.
func FreePort(t testing.TB) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}

// lockedBuffer is a buffer that a process fills while a test reads.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
