package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// scriptHome is a home like the one that make dist packs: the scripts and a program.
// The program is this test binary.
type scriptHome struct {
	t    *testing.T
	dir  string
	port int
}

func newScriptHome(t *testing.T) *scriptHome {
	t.Helper()
	if testing.Short() {
		t.Skip("starts real servers")
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	h := &scriptHome{t: t, dir: filepath.Join(dir, "a home with spaces"), port: freePorts(t)}
	for _, d := range []string{"bin", "conf", "target"} {
		if err := os.MkdirAll(filepath.Join(h.dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range []string{"startup.sh", "shutdown.sh"} {
		text, err := os.ReadFile(filepath.Join("../../bin", s))
		if err != nil {
			t.Fatal(err)
		}
		h.write("bin/"+s, string(text))
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(h.dir, "target", "nactor")); err != nil {
		t.Fatal(err)
	}
	h.write("conf/application.properties", fmt.Sprintf("server.port=%d\nserver.address=127.0.0.1\n", h.port))
	t.Cleanup(func() {
		if pid, _, _ := servedBy(filepath.Join(h.dir, "data")); pid != 0 {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return h
}

func (h *scriptHome) write(name, text string) {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(h.dir, name), []byte(text), 0o755); err != nil {
		h.t.Fatal(err)
	}
}

func (h *scriptHome) read(name string) string {
	h.t.Helper()
	b, err := os.ReadFile(filepath.Join(h.dir, name))
	if err != nil {
		h.t.Fatal(err)
	}
	return string(b)
}

// result is what came of a script.
type result struct {
	code        int
	out, errors string
}

// run runs a script of the home: shell is sh or bash, cwd where it is called from.
func (h *scriptHome) run(shell, cwd, script string, args ...string) result {
	h.t.Helper()
	cmd := exec.Command(shell, append([]string{script}, args...)...)
	cmd.Dir = cwd
	// A bare environment: nothing of the machine's reaches the server.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "NACTOR_TEST_RUN_MAIN=1", "STARTUP_TIMEOUT=30",
		"GORACE=atexit_sleep_ms=0"}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		h.t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

func (r result) want(t *testing.T, code int, texts ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d", r.code, code)
	}
	for _, text := range texts {
		if !strings.Contains(r.out+r.errors, text) {
			t.Errorf("%q is missing", text)
		}
	}
	if t.Failed() {
		t.Fatalf("the script said:\n%s%s", r.out, r.errors)
	}
}

// freePorts returns a port that is free at the moment, as is the gRPC port above it.
func freePorts(t *testing.T) int {
	t.Helper()
	for range 100 {
		a, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := a.Addr().(*net.TCPAddr).Port
		b, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port+1000))
		a.Close()
		if err == nil {
			b.Close()
			return port
		}
	}
	t.Fatal("no free ports")
	return 0
}

func TestStartAndShutdown(t *testing.T) {
	for _, shell := range []string{"sh", "bash"} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			h := newScriptHome(t)
			bin := filepath.Join(h.dir, "bin")
			h.run(shell, bin, "shutdown.sh").want(t, 255, "No nacosServer running.")

			r := h.run(shell, bin, "startup.sh", "-m", "standalone", "-p", "embedded", "-f", "naming", "-s", "nacos-server")
			r.want(t, 0, "nacos is starting with standalone",
				"nacos is starting，you can check the "+h.dir+"/logs/start.out", "nacos is ready, pid ")
			pid, _, err := servedBy(filepath.Join(h.dir, "data"))
			if err != nil || pid == 0 {
				t.Fatal("nobody serves the home:", pid, err)
			}
			if got := strings.TrimSpace(h.read("data/nactor.pid")); got != strconv.Itoa(pid) {
				t.Errorf("nactor.pid says %q, the process is %d", got, pid)
			}
			const started = "Nacos started successfully in stand alone mode. use embedded storage\n"
			for _, log := range []string{"logs/start.out", "logs/nacos.log"} {
				if !strings.Contains(h.read(log), started) {
					t.Errorf("%s lacks the line %q:\n%s", log, started, h.read(log))
				}
			}

			// From another directory, through a link to the script: the same home.
			link := filepath.Join(t.TempDir(), "start me")
			if err := os.Symlink(filepath.Join(bin, "startup.sh"), link); err != nil {
				t.Fatal(err)
			}
			h.run(shell, "/", link, "-m", "standalone").want(t, 1, fmt.Sprintf("The nacosServer(%d) is already running", pid))

			h.run(shell, "/", filepath.Join(bin, "shutdown.sh")).want(t, 0,
				fmt.Sprintf("The nacosServer(%d) is running...\nSend shutdown request to nacosServer(%d) OK\n", pid, pid),
				fmt.Sprintf("nacosServer(%d) has stopped", pid))
			if pid, _, _ := servedBy(filepath.Join(h.dir, "data")); pid != 0 {
				t.Error("still served by", pid)
			}
			h.run(shell, bin, "shutdown.sh").want(t, 255, "No nacosServer running.")

			// The next run continues the logs.
			h.run(shell, bin, "startup.sh", "-m", "standalone").want(t, 0)
			if n := strings.Count(h.read("logs/start.out"), started); n != 2 {
				t.Errorf("start.out tells of %d starts, want 2", n)
			}
			h.run(shell, bin, "shutdown.sh").want(t, 0)
		})
	}
}

func TestStartupSaysWhyNot(t *testing.T) {
	h := newScriptHome(t)
	start := filepath.Join(h.dir, "bin", "startup.sh")
	h.run("sh", "/", start, "-h").want(t, 0, "Usage: startup.sh")
	h.run("sh", "/", start, "-x").want(t, 1, "Unknown parameter")
	h.run("sh", "/", start, "-m").want(t, 1, "Unknown parameter")
	h.run("sh", "/", start, "-s", "other").want(t, 1, "/target/other is not there")
	h.run("sh", "/", start).want(t, exitUsage, "nacos is starting with cluster", "external storage is not available yet", "exit code 2")
	h.run("sh", "/", start, "-m", "standalone", "--", "--set", "server.port=x").want(t, exitUsage, `server.port: "x" is not a port number (--set)`)

	ln, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(h.port))
	if err != nil {
		t.Fatal(err)
	}
	r := h.run("sh", "/", start, "-m", "standalone")
	r.want(t, exitBind, "address already in use")
	if strings.Contains(r.errors, "external storage") {
		t.Error("lines of an earlier start are shown:", r.errors)
	}
	ln.Close()
}

// A server that was killed leaves its process id behind; the next start must not mind,
// nor the shutdown take it for running, even when the id has gone to another process.
func TestStalePID(t *testing.T) {
	h := newScriptHome(t)
	start, shutdown := filepath.Join(h.dir, "bin", "startup.sh"), filepath.Join(h.dir, "bin", "shutdown.sh")
	h.run("sh", "/", start, "-m", "standalone").want(t, 0)
	pid, _, _ := servedBy(filepath.Join(h.dir, "data"))
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitGone(t, h)
	h.write("data/nactor.pid", strconv.Itoa(os.Getpid())+"\n")
	h.run("sh", "/", shutdown).want(t, 255, "No nacosServer running.")
	h.run("sh", "/", start, "-m", "standalone").want(t, 0)
	h.run("sh", "/", shutdown).want(t, 0)
}

// waitGone waits until nobody holds the lock of the home any more.
func waitGone(t *testing.T, h *scriptHome) {
	t.Helper()
	for range 1_000_000 {
		if pid, _, _ := servedBy(filepath.Join(h.dir, "data")); pid == 0 {
			return
		}
	}
	t.Fatal("the killed server still holds its lock")
}

// Two starts at once: one serves, the other says so and leaves it alone.
func TestStartsRace(t *testing.T) {
	h := newScriptHome(t)
	start := filepath.Join(h.dir, "bin", "startup.sh")
	var results [3]result
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() { results[i] = h.run("sh", "/", start, "-m", "standalone") })
	}
	wg.Wait()
	won := 0
	for _, r := range results {
		switch {
		case r.code == 0:
			won++
		case !strings.Contains(r.errors, "is already"):
			t.Errorf("exit %d without a word about the other:\n%s%s", r.code, r.out, r.errors)
		}
	}
	if won != 1 {
		t.Errorf("%d starts were told that they serve", won)
	}
	h.run("sh", "/", filepath.Join(h.dir, "bin", "shutdown.sh")).want(t, 0)
}
