package bench

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// child is a process that the benchmark started and ends.
type child struct {
	cmd  *exec.Cmd
	addr string
	out  bytes.Buffer
	done chan error
}

// freePort returns a TCP port on loopback that nobody listens on at the moment.
func freePort() (int, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port, nil
}

// free reports whether nobody listens on a port of loopback.
func free(port int) bool {
	ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	return ln.Close() == nil
}

func startChild(addr string, args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find my own binary: %w", err)
	}
	c := &child{cmd: exec.Command(self, args...), addr: addr, done: make(chan error, 1)}
	c.cmd.Stdout, c.cmd.Stderr = &c.out, &c.out
	// The child must not outlive a benchmark that is killed.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", strings.Join(args, " "), err)
	}
	go func() { c.done <- c.cmd.Wait() }()
	return c, nil
}

// ready waits until url answers 200.
func (c *child) ready(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case err := <-c.done:
			c.done <- err
			return fmt.Errorf("%s ended before it was ready: %v\n%s", c.cmd.Args[1], err, c.out.String())
		case <-ctx.Done():
			return fmt.Errorf("%s was not ready in time:\n%s", c.cmd.Args[1], c.out.String())
		case <-tick.C:
		}
	}
}

// stop ends the child, by force if it does not go.
func (c *child) stop() {
	c.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-c.done:
	case <-time.After(10 * time.Second):
		c.cmd.Process.Kill()
		<-c.done
	}
}

// memory returns the resident memory of a process in bytes, 0 when it cannot be read.
func memory(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(b), &size, &resident); err != nil {
		return 0
	}
	return resident * int64(os.Getpagesize())
}

// cpuTime returns the processor time that a process has used, 0 when it cannot be read.
func cpuTime(pid int) time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The name in parentheses may hold anything; user and system time are the 12th and
	// 13th fields behind it, in ticks of 10 ms.
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

func startBare(ctx context.Context, size int) (*child, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	c, err := startChild(addr, "bench", "bare", "--listen", addr, "--size", fmt.Sprint(size))
	if err != nil {
		return nil, err
	}
	if err := c.ready(ctx, "http://"+addr+"/"); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

func startServer(ctx context.Context, home string) (*child, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	c, err := startChild(addr, "server", "-m", "standalone", "--home", home,
		"--set", "server.address=127.0.0.1", "--set", fmt.Sprintf("server.port=%d", port))
	if err != nil {
		return nil, err
	}
	if err := c.ready(ctx, "http://"+addr+"/nacos/v1/console/health/readiness"); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}
