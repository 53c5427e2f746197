package systemtest

import (
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nactor/cmd/nactor/proctest"
)

// What keeps a server from starting is told by the exit code and by words.
func TestRefusalsToStart(t *testing.T) {
	damage := func(change func(path string) error) func(t *testing.T, home string) []string {
		return func(t *testing.T, home string) []string {
			first := proctest.Start(t, home)
			newClient(t, first.Addr).must(http.MethodPost, "/nacos/v1/ns/instance", instance("s", 1, "ephemeral", "false"))
			if code := first.Stop(10 * time.Second); code != 0 {
				t.Fatalf("exit code %d", code)
			}
			if err := change(filepath.Join(home, "data", "nactor.db")); err != nil {
				t.Fatal(err)
			}
			return nil
		}
	}
	for name, c := range map[string]struct {
		prepare func(t *testing.T, home string) []string // returns more arguments
		code    int
		says    string
	}{
		"port in use": {func(t *testing.T, _ string) []string {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { ln.Close() })
			_, port, _ := net.SplitHostPort(ln.Addr().String())
			return []string{"--set", "server.port=" + port}
		}, 3, "server.port"},
		"home in use": {func(t *testing.T, home string) []string {
			proctest.Start(t, home)
			return nil
		}, 4, "already serving"},
		"database emptied": {damage(func(p string) error { return os.Truncate(p, 0) }), 4, "restore it from a backup"},
		"database removed": {damage(os.Remove), 4, "restore it from a backup"},
		"database damaged": {damage(func(p string) error {
			f, err := os.OpenFile(p, os.O_RDWR, 0)
			if err != nil {
				return err
			}
			if _, err := f.WriteAt(make([]byte, 512), 4096+16); err != nil {
				return err
			}
			return f.Close()
		}), 4, "damaged"},
		"bad property": {func(*testing.T, string) []string { return []string{"--set", "server.port=abc"} }, 2, "server.port"},
	} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			more := c.prepare(t, home)
			s := proctest.Launch(t, home, more...)
			if code := s.Wait(10 * time.Second); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			if out := s.Output() + s.Log("nacos.log"); !strings.Contains(out, c.says) {
				t.Errorf("nothing about %q in\n%s", c.says, out)
			}
		})
	}
}

// A stop answers what was accepted and is quick; the next start has what was durable.
func TestGracefulStop(t *testing.T) {
	home := t.TempDir()
	s := proctest.Start(t, home)
	c := newClient(t, s.Addr)
	c.must(http.MethodPost, "/nacos/v1/ns/instance", instance("s", 1, "ephemeral", "false"))
	c.must(http.MethodPost, "/nacos/v1/ns/instance", instance("s", 2))
	c.must(http.MethodPut, "/nacos/v1/ns/operator/switches", url.Values{"entry": {"check"}, "value": {"false"}})
	begin := time.Now()
	if code := s.Stop(10 * time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
	t.Logf("stopped in %v", time.Since(begin).Round(time.Millisecond))
	if log := s.Log("nacos.log"); strings.Contains(log, "panic") || !strings.Contains(log, "Nacos started successfully in stand alone mode. use embedded storage") {
		t.Errorf("nacos.log:\n%s", log)
	}
	c = newClient(t, s.Restart().Addr)
	if h := c.list("s"); len(h) != 1 || h[0].IP != "10.0.0.1" {
		t.Errorf("after the restart: %+v", h)
	}
	if sw := c.must(http.MethodGet, "/nacos/v1/ns/operator/switches", nil); !strings.Contains(sw, `"healthCheckEnabled":false`) {
		t.Errorf("the switch is forgotten: %s", sw)
	}
}
