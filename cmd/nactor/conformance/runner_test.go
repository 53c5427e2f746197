package conformance

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// sdk is one official client: how to build its runner and how to start it.
type sdk struct {
	name string
	// prepare builds the runner and returns the command that starts it, without arguments;
	// an error means that this machine cannot run it.
	prepare func() ([]string, error)
}

// sdks are the clients under test. What each prepares is kept for the whole run.
var sdks = []sdk{
	{name: "go-1.1.6", prepare: sync.OnceValues(prepareGo)},
	{name: "node-2.6.0", prepare: sync.OnceValues(prepareNode)},
	{name: "java-1.4.2", prepare: sync.OnceValues(func() ([]string, error) { return prepareJava("1.4.2") })},
	{name: "java-1.4.8", prepare: sync.OnceValues(func() ([]string, error) { return prepareJava("1.4.8") })},
}

// workDir holds what is built; TestMain makes and removes it.
var workDir string

func run(dir, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %v: %w\n%s", name, args, err, out)
	}
	return nil
}

func prepareGo() ([]string, error) {
	bin := filepath.Join(workDir, "gosdk")
	return []string{bin}, run("gosdk", "go", "build", "-o", bin, ".")
}

func prepareNode() ([]string, error) {
	runner := []string{"node", "node/runner.js"}
	lock, err := os.ReadFile("node/package-lock.json")
	if err != nil {
		return nil, err
	}
	// The lock file beside the modules tells what they were installed from.
	const stamp = "node/node_modules/.installed-from"
	if have, err := os.ReadFile(stamp); err == nil && string(have) == string(lock) {
		return runner, nil
	}
	if err := run("node", "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"); err != nil {
		return nil, err
	}
	return runner, os.WriteFile(stamp, lock, 0o644)
}

// errNoMaven: the Java client is skipped where Maven or its registry is not there.
var errNoMaven = errors.New("maven or its registry is not available")

func prepareJava(version string) ([]string, error) {
	dir := filepath.Join(workDir, "java-"+version)
	if _, err := exec.LookPath("mvn"); err != nil {
		return nil, fmt.Errorf("%w: %w", errNoMaven, err)
	}
	if err := os.CopyFS(dir, os.DirFS("java")); err != nil {
		return nil, err
	}
	if err := run(dir, "mvn", "-q", "-B", "-Dnacos.client.version="+version, "package"); err != nil {
		return nil, fmt.Errorf("%w: %w", errNoMaven, err)
	}
	classes := filepath.Join(dir, "target", "conformance-java-1.jar") + ":" + filepath.Join(dir, "target", "dependency", "*")
	home := filepath.Join(dir, "home")
	return []string{"java", "-Xmx128m", "-XX:+UseSerialGC", "-Duser.home=" + home, "-DJM.LOG.PATH=" + home, "-DJM.SNAPSHOT.PATH=" + home,
		"-Dcom.alibaba.nacos.naming.cache.dir=" + home, "-cp", classes, "Runner"}, nil
}

// host is an instance as a client shows it.
type host struct {
	IP       string            `json:"ip"`
	Port     int               `json:"port"`
	Cluster  string            `json:"cluster"`
	Weight   float64           `json:"weight"`
	Healthy  bool              `json:"healthy"`
	Enabled  bool              `json:"enabled"`
	Metadata map[string]string `json:"metadata"`
}

// args are the arguments of a command to a runner.
type args struct {
	ID          int               `json:"id"`
	Op          string            `json:"op"`
	Service     string            `json:"service"`
	Group       string            `json:"group"`
	IP          string            `json:"ip,omitempty"`
	Port        int               `json:"port,omitempty"`
	Cluster     string            `json:"cluster"`
	Weight      float64           `json:"weight"`
	Metadata    map[string]string `json:"metadata,omitempty"`
	Ephemeral   bool              `json:"ephemeral"`
	Enabled     bool              `json:"enabled"`
	HealthyOnly bool              `json:"healthyOnly,omitempty"`
	Clusters    []string          `json:"clusters,omitempty"`
}

// answer is a line from a runner: a reply, or an event.
type answer struct {
	ID      int      `json:"id"`
	Event   string   `json:"event"`
	Service string   `json:"service"`
	Error   string   `json:"error"`
	Hosts   []host   `json:"hosts"`
	Names   []string `json:"names"`
	at      time.Time
}

// client is a running client.
type client struct {
	t      testing.TB
	cmd    *exec.Cmd
	in     io.WriteCloser
	err    *os.File
	pushes chan answer // the newest are kept when nobody reads

	mu      sync.Mutex
	next    int
	waiting map[int]chan answer
	gone    chan struct{}
}

// start runs a client against a server until the test ends.
func (s sdk) start(t testing.TB, addr, namespace string) *client {
	t.Helper()
	command, err := s.prepare()
	if errors.Is(err, errNoMaven) {
		fmt.Fprintf(os.Stderr, "SKIPPED: %s is not tested: %v\n", s.name, err)
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, pushes: make(chan answer, 1000), waiting: map[int]chan answer{}, gone: make(chan struct{})}
	c.cmd = exec.Command(command[0], append(command[1:], addr, namespace, t.TempDir())...)
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if c.err, err = os.Create(filepath.Join(t.TempDir(), "stderr")); err != nil {
		t.Fatal(err)
	}
	c.cmd.Stderr = c.err
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go c.read(out)
	t.Cleanup(func() {
		c.kill()
		if t.Failed() {
			text, _ := os.ReadFile(c.err.Name())
			t.Logf("stderr of %s:\n%.4000s", s.name, text)
		}
		c.err.Close()
	})
	return c
}

func (c *client) read(out io.Reader) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var a answer
		if json.Unmarshal(lines.Bytes(), &a) != nil || a.ID == 0 && a.Event == "" {
			continue // an SDK that prints
		}
		a.at = time.Now()
		if a.Event != "" {
			c.pushes <- a
			continue
		}
		c.mu.Lock()
		if w := c.waiting[a.ID]; w != nil {
			w <- a
			delete(c.waiting, a.ID)
		}
		c.mu.Unlock()
	}
	c.cmd.Wait()
	close(c.gone)
}

// kill ends the client at once: its beats stop, nothing is deregistered.
func (c *client) kill() {
	c.cmd.Process.Kill()
	<-c.gone
}

// do carries out a command; errors are the client's.
func (c *client) do(a args) (answer, error) {
	c.mu.Lock()
	c.next++
	a.ID = c.next
	reply := make(chan answer, 1)
	c.waiting[a.ID] = reply
	c.mu.Unlock()
	if a.Group == "" {
		a.Group = "DEFAULT_GROUP"
	}
	line, err := json.Marshal(a)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.in.Write(append(line, '\n')); err != nil {
		return answer{}, err
	}
	select {
	case r := <-reply:
		if r.Error != "" {
			return r, errors.New(r.Error)
		}
		return r, nil
	case <-c.gone:
		return answer{}, errors.New("the client has ended")
	case <-time.After(60 * time.Second):
		return answer{}, fmt.Errorf("no answer to %s", line)
	}
}

// must is do for commands that have to succeed.
func (c *client) must(a args) answer {
	c.t.Helper()
	r, err := c.do(a)
	if err != nil {
		c.t.Fatalf("%s of %s: %v", a.Op, a.Service, err)
	}
	return r
}
