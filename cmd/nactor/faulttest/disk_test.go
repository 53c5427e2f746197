package faulttest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// F7: one fsync of a node fails. The node ends at once, has promised nothing after the
// fault, and comes back with all that it had promised before.
func TestFailedSync(t *testing.T) {
	const fault = "F7 EIO on fdatasync"
	if testing.Short() {
		t.Skip("short: faults of the disk are left out")
	}
	if _, err := exec.LookPath("strace"); err != nil {
		results.skip(t, fault, "needs the command strace")
	}
	if out, err := exec.Command("strace", "-qq", "-o", "/dev/null", "true").CombinedOutput(); err != nil {
		results.skip(t, fault, fmt.Sprintf("processes cannot be traced: %v %s", err, out))
	}
	p := usual
	p.instances, p.savedIn, p.savedLife = 300, 100, [2]seconds{0.5, 3}
	r := begin(t, fault, loopback{}, 3, p)
	var ends []time.Duration
	wrong := 0
	for i := range 4 {
		r.well()
		victim := r.nodes[i%3]
		victim.stop(20 * time.Second)
		trace := filepath.Join(r.dir, fmt.Sprintf("strace%d", i))
		plain := victim.spec.Prefix
		// -D: the process that is started is the server, the tracer is its grandchild.
		victim.spec.Prefix = []string{"strace", "-D", "-f", "-qq", "--seccomp-bpf", "-ttt", "-o", trace,
			"-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=" + strconv.Itoa(15+10*i)}
		victim.launch() // it need not answer from now on
		select {
		case <-victim.server.Ended():
		case <-time.After(time.Minute):
			t.Errorf("no fdatasync failed, or the node lives on\n%s", victim.tail("naming-raft.log", 2000))
			victim.server.Kill()
		}
		ended := time.Now()
		if code := victim.server.Wait(time.Second); code != exitStorage {
			t.Errorf("exit code %d, want %d\n%s", code, exitStorage, victim.server.Output())
			wrong++
		}
		if at := injected(t, trace); !at.IsZero() {
			ends = append(ends, ended.Sub(at))
		}
		victim.spec.Prefix = plain
		victim.launch()
		victim.ready(readyTime)
		r.traffic(2 * time.Second)
	}
	r.within("failed → process ended", ends, time.Second)
	r.expect(wrong == 0, "ends with another exit code than 5", fmt.Sprint(wrong), "0")
	r.end()
}

// exitStorage is the exit code after a failed write.
const exitStorage = 5

var injectedLine = regexp.MustCompile(`(?m)^\d+ +(\d+)\.(\d{6}) .*\(INJECTED\)`)

// injected returns when strace first made a call fail.
func injected(t *testing.T, trace string) time.Time {
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	m := injectedLine.FindStringSubmatch(string(text))
	if m == nil {
		t.Errorf("no injected fault in\n%s", lastLines(string(text), 5))
		return time.Time{}
	}
	sec, _ := strconv.ParseInt(m[1], 10, 64)
	micro, _ := strconv.ParseInt(m[2], 10, 64)
	return time.Unix(sec, micro*1000)
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
