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
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// sdk is one official client: how to build its runner and how to start it.
type sdk struct {
	name              string // language-version
	language, version string
	// prepare builds the runner and returns the command that starts it; an error means that
	// this machine cannot run it.
	prepare func() ([]string, error)
	// connected: see the function.
	connected bool
}

// official is a client under test. What it prepares is kept for the whole run.
func official(language, version string, prepare func(version string) ([]string, error)) sdk {
	return sdk{name: language + "-" + version, language: language, version: version,
		prepare: sync.OnceValues(func() ([]string, error) { return prepare(version) })}
}

var sdks = []sdk{
	official("go", "1.1.6", prepareGo),
	official("node", "2.6.3", prepareNode),
	official("java", "1.4.2", prepareJava),
	official("java", "1.4.8", prepareJava),
	connected(official("go", "2.3.2", prepareGo2)),
	connected(official("python", "3.2.0", preparePython)),
	connected(official("rust", "0.8.3", prepareRust)),
	connected(official("java", "2.0.4", prepareJava)),
	connected(official("java", "2.5.1", prepareJava)),
}

// connected marks a client of 2.x: it speaks gRPC, sends no heartbeats, and publishes one
// instance in a service.
func connected(s sdk) sdk {
	s.connected = true
	return s
}

func (s sdk) skipIfShort(t *testing.T) {
	t.Helper()
	if testing.Short() && slices.Contains([]string{"java", "python", "rust"}, s.language) {
		t.Skip("short: the clients for Java, Python and Rust are left out")
	}
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

// go.mod says which version.
func prepareGo(string) ([]string, error) {
	bin := filepath.Join(workDir, "gosdk")
	return []string{bin}, run("gosdk", "go", "build", "-o", bin, ".")
}

func prepareGo2(string) ([]string, error) {
	bin := filepath.Join(workDir, "gosdk2")
	return []string{bin}, run("gosdk2", "go", "build", "-o", bin, ".")
}

// package-lock.json says which version, of nacos-naming too: nacos only asks for a range.
func prepareNode(string) ([]string, error) {
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

// errAbsent: a client is skipped where the tool that builds it, or its registry, is not there.
var errAbsent = errors.New("its tool or registry is not available")

// cacheDir is a directory that outlives the run and the checkout, named after what is in it.
func cacheDir(name string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "nactor-conformance", name)
	return dir, os.MkdirAll(dir, 0o755)
}

// python/requirements.txt says which version.
func preparePython(version string) ([]string, error) {
	dir, err := cacheDir("python-" + version)
	if err != nil {
		return nil, err
	}
	runner := []string{filepath.Join(dir, "bin", "python"), "python/runner.py"}
	// The list of what was installed is written when all is.
	installed := filepath.Join(dir, "installed.txt")
	want, err := os.ReadFile("python/requirements.txt")
	if err != nil {
		return nil, err
	}
	if have, err := os.ReadFile(installed); err == nil && string(have) == string(want) {
		return runner, nil
	}
	for _, args := range [][]string{
		{"python3", "-m", "venv", "--clear", dir},
		{runner[0], "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", "python/requirements.txt", "-c", "python/constraints.txt"},
	} {
		if err := run(".", args[0], args[1:]...); err != nil {
			return nil, fmt.Errorf("%w: %w", errAbsent, err)
		}
	}
	return runner, os.WriteFile(installed, want, 0o644)
}

func prepareJava(version string) ([]string, error) {
	dir := filepath.Join(workDir, "java-"+version)
	if _, err := exec.LookPath("mvn"); err != nil {
		return nil, fmt.Errorf("%w: %w", errAbsent, err)
	}
	// A directory for each version, and nothing of an earlier build: jars of two versions in
	// one class path are neither.
	if err := os.CopyFS(filepath.Join(dir, "src"), os.DirFS("java/src")); err != nil {
		return nil, err
	}
	pom, err := os.ReadFile("java/pom.xml")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "pom.xml"), pom, 0o644); err != nil {
		return nil, err
	}
	if err := run(dir, "mvn", "-q", "-B", "-Dnacos.client.version="+version, "package", "dependency:copy-dependencies"); err != nil {
		return nil, fmt.Errorf("%w: %w", errAbsent, err)
	}
	classes := filepath.Join(dir, "target", "runner.jar") + ":" + filepath.Join(dir, "target", "dependency", "*")
	home := filepath.Join(dir, "home")
	return []string{"java", "-Xmx128m", "-XX:+UseSerialGC", "-Duser.home=" + home, "-DJM.LOG.PATH=" + home, "-DJM.SNAPSHOT.PATH=" + home,
		"-Dcom.alibaba.nacos.naming.cache.dir=" + home, "-cp", classes, "Runner"}, nil
}

// rust/Cargo.lock says which version. To build it takes minutes, and it waits for half of one
// before it registers again, so only NACTOR_CONFORMANCE_RUST has it built and run.
func prepareRust(version string) ([]string, error) {
	dir, err := cacheDir("rust-" + version)
	if err != nil {
		return nil, err
	}
	if os.Getenv("NACTOR_CONFORMANCE_RUST") == "" {
		return nil, fmt.Errorf("%w: make conformance-rust builds and runs it", errAbsent)
	}
	if err := run("rust", "cargo", "build", "--quiet", "--locked", "--target-dir", dir); err != nil {
		return nil, fmt.Errorf("%w: %w", errAbsent, err)
	}
	return []string{filepath.Join(dir, "debug", "runner")}, nil
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

// request is a line to a runner.
type request struct {
	ID     int    `json:"id"`
	Op     string `json:"op"`
	Client string `json:"client"`
	Args   args   `json:"args"`
}

// args are an operation and its arguments.
type args struct {
	Op        string            `json:"-"`
	Servers   string            `json:"servers,omitempty"`
	Namespace string            `json:"namespace,omitempty"`
	Dir       string            `json:"dir,omitempty"`
	Service   string            `json:"service"`
	Group     string            `json:"group"`
	IP        string            `json:"ip,omitempty"`
	Port      int               `json:"port,omitempty"`
	Cluster   string            `json:"cluster"`
	Weight    float64           `json:"weight"`
	Metadata  map[string]string `json:"metadata,omitempty"`
	Ephemeral bool              `json:"ephemeral"`
	Enabled   bool              `json:"enabled"`
	Healthy   bool              `json:"healthy"` // select: only these
	Clusters  []string          `json:"clusters,omitempty"`
	IPs       []string          `json:"ips,omitempty"` // of a batch
}

// result is what a runner says of an operation that succeeded.
type result struct {
	SDK      string   `json:"sdk"`
	Hosts    []host   `json:"hosts"`
	Services []string `json:"services"`
	Serves   bool     `json:"serves"`
	Methods  []string `json:"methods"`
}

// push is a change that the SDK told its listener.
type push struct {
	Service string `json:"service"`
	Hosts   []host `json:"hosts"`
	at      time.Time
}

// line is what a runner writes: a reply, or an event.
type line struct {
	ID    int     `json:"id"`
	OK    *result `json:"ok"`
	Error string  `json:"error"`
	Event string  `json:"event"`
	At    int64   `json:"at"` // ms since 1970
	push
}

// client is a running client, alone in a process of its own.
type client struct {
	t      testing.TB
	sdk    sdk
	cmd    *exec.Cmd
	in     io.WriteCloser
	err    *os.File
	pushes chan push

	mu      sync.Mutex
	next    int
	waiting map[int]chan line
	gone    chan struct{}
}

// clientName is what the runner calls its only client.
const clientName = "c"

// start runs a client against servers until the test ends.
func (s sdk) start(t testing.TB, at addrs, namespace string) *client {
	t.Helper()
	command, err := s.prepare()
	if errors.Is(err, errAbsent) {
		fmt.Fprintf(os.Stderr, "SKIPPED: %s is not tested: %v\n", s.name, err)
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, sdk: s, pushes: make(chan push, 1000), waiting: map[int]chan line{}, gone: make(chan struct{})}
	c.cmd = exec.Command(command[0], command[1:]...)
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
	dir := t.TempDir()
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
	c.must(args{Op: "create", Servers: strings.Join(at, ","), Namespace: namespace, Dir: dir})
	return c
}

// other returns a client that can publish another instance in the same service.
func (c *client) other(at addrs, namespace string) *client {
	c.t.Helper()
	if c.sdk.connected {
		return c.sdk.start(c.t, at, namespace)
	}
	return c
}

func (c *client) read(out io.Reader) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var l line
		if json.Unmarshal(lines.Bytes(), &l) != nil || l.ID == 0 && l.Event == "" {
			continue // an SDK that prints
		}
		if l.Event != "" {
			l.at = time.UnixMilli(l.At)
			select {
			case c.pushes <- l.push:
			default: // nobody reads: replies must come through all the same
			}
			continue
		}
		c.mu.Lock()
		if w := c.waiting[l.ID]; w != nil {
			w <- l
			delete(c.waiting, l.ID)
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

// do carries out an operation; errors are the client's.
func (c *client) do(a args) (result, error) {
	if a.Group == "" {
		a.Group = group
	}
	reply := make(chan line, 1)
	c.mu.Lock()
	c.next++
	r := request{ID: c.next, Op: a.Op, Client: clientName, Args: a}
	c.waiting[r.ID] = reply
	c.mu.Unlock()
	text, err := json.Marshal(r)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.in.Write(append(text, '\n')); err != nil {
		return result{}, err
	}
	select {
	case l := <-reply:
		switch {
		case l.Error != "":
			return result{}, errors.New(l.Error)
		case l.OK == nil:
			return result{}, fmt.Errorf("neither ok nor error in the answer to %s", text)
		case l.OK.SDK != c.sdk.version:
			return result{}, fmt.Errorf("%s runs version %s", c.sdk.name, l.OK.SDK)
		}
		return *l.OK, nil
	case <-c.gone:
		return result{}, errors.New("the client has ended")
	case <-time.After(60 * time.Second):
		return result{}, fmt.Errorf("no answer to %s", text)
	}
}

// must is do for operations that have to succeed.
func (c *client) must(a args) result {
	c.t.Helper()
	r, err := c.do(a)
	if err != nil {
		c.t.Fatalf("%s of %s: %v", a.Op, a.Service, err)
	}
	return r
}
