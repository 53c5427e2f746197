package persistence

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"nactor/naming"
)

const (
	childEnv    = "NACTOR_PERSISTENCE_TEST_CHILD"
	childDirEnv = "NACTOR_PERSISTENCE_TEST_DIR"
)

// children are what this binary does as another process, by name.
var children = map[string]func(dir string){"hold": holdStore, "bbolt": holdFile, "write": writeForEver, "cluster": writeAsCluster}

// child starts one and returns its output, line by line.
func child(t *testing.T, name, dir string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+name, childDirEnv+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	return cmd, bufio.NewScanner(out)
}

func holdStore(dir string) {
	if _, err := Open(Options{Dir: dir}); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("open")
	select {}
}

func holdFile(dir string) {
	if _, err := bbolt.Open(filepath.Join(dir, databaseFile), 0o600, nil); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("open")
	select {}
}

// writeForEver commits as fast as it can and prints what was acknowledged.
func writeForEver(dir string) {
	b, err := Open(Options{Dir: dir, Fatal: func(err error) { fmt.Fprintln(os.Stderr, err); os.Exit(1) }})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var mu sync.Mutex
	next := 0
	for range 32 {
		go func() {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if err := commit(b, instanceRec(svc, i), overlayRec(svc, i)); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				fmt.Println(i)
			}
		}()
	}
	select {}
}

func TestSecondProcessIsRefusedAtOnce(t *testing.T) {
	for _, who := range []string{"hold", "bbolt"} {
		t.Run(who, func(t *testing.T) {
			dir := t.TempDir()
			closeStore(t, open(t, dir))
			cmd, lines := child(t, who, dir)
			if !lines.Scan() || lines.Text() != "open" {
				t.Fatal(lines.Text())
			}
			begin := time.Now()
			text := refused(t, dir, ErrLocked)
			if d := time.Since(begin); d > time.Second {
				t.Errorf("it took %v", d)
			}
			if !strings.Contains(text, "by process "+strconv.Itoa(cmd.Process.Pid)) {
				t.Errorf("%s; want process %d to be named", text, cmd.Process.Pid)
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			mustCommit(t, open(t, dir), instanceRec(svc, 1)) // nothing is left behind
		})
	}
}

// Two servers that start at once in an empty directory: one makes the store, the other
// touches nothing.
func TestOneMakesTheStore(t *testing.T) {
	dir := t.TempDir()
	other, err := lockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	refused(t, dir, ErrLocked)
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
}

// What was acknowledged before kill -9 is there, and the file is sound.
func TestKill(t *testing.T) {
	rounds := 4
	if testing.Short() {
		rounds = 1
	}
	dir := t.TempDir()
	for round := range rounds {
		cmd, lines := child(t, "write", dir)
		acknowledged := map[int]bool{}
		read := func() {
			i, err := strconv.Atoi(lines.Text())
			if err != nil {
				t.Fatal(lines.Text())
			}
			acknowledged[i] = true
		}
		for len(acknowledged) < 300+700*round && lines.Scan() {
			read()
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // what it had printed when it died: lines are short, so whole
			read()
		}
		_ = cmd.Wait()
		if len(acknowledged) < 300 {
			t.Fatalf("only %d writes: the child failed", len(acknowledged))
		}

		b := open(t, dir)
		saved := services(t, b)[svc]
		there := map[naming.Addr]bool{}
		for _, in := range saved.Instances {
			there[in.Addr()] = true
		}
		for i := range acknowledged {
			if addr := instanceRec(svc, i).Addr; !there[addr] || saved.Overlays[addr] == nil {
				t.Fatalf("round %d: write %d of %d was acknowledged and is gone", round, i, len(acknowledged))
			}
		}
		if len(saved.Instances) != len(saved.Overlays) {
			t.Errorf("round %d: %d instances and %d overlays: a batch was torn", round, len(saved.Instances), len(saved.Overlays))
		}
		closeStore(t, b)
		t.Logf("round %d: %d acknowledged, %d there", round, len(acknowledged), len(saved.Instances))
	}
}
