package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"nactor/naming"
)

// real returns a prober that uses the network; tests make its checks one by one.
func real(t *testing.T) *Prober {
	p := New(Config{Switches: naming.DefaultSwitches, Report: func(context.Context, naming.Key, naming.SetHealth) error { return nil }})
	t.Cleanup(p.Stop)
	return p
}

func addrOf(a net.Addr) naming.Addr {
	tcp := a.(*net.TCPAddr)
	return naming.Addr{IP: tcp.IP.String(), Port: tcp.Port, Cluster: naming.DefaultCluster}
}

// closed returns an address where nobody listens.
func closed(t *testing.T) naming.Addr {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	return addrOf(l.Addr())
}

// once makes one check, again if a busy machine did not answer in time.
func (p *Prober) once(plan *plan, addr naming.Addr) (out outcome) {
	for range 10 {
		if out = p.probe(plan, addr); !out.busy || out.status != 0 {
			break
		}
	}
	return out
}

func TestTCP(t *testing.T) {
	p := real(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // nobody accepts: that the kernel does is enough
	a := addrOf(l.Addr())
	if out := p.once(plain, a); out.finding != passed || out.String() != "tcp:ok" {
		t.Errorf("%+v", out)
	}
	named := a
	named.IP = "localhost"
	if out := p.once(plain, named); out.finding != passed {
		t.Errorf("by name: %+v", out)
	}
	if out := p.once(plain, closed(t)); out.finding != failedNow {
		t.Errorf("nobody listens: %+v", out)
	}
	if out := p.once(newPlan(spec{fixedPort: true, port: a.Port}), closed(t)); out.finding != passed {
		t.Errorf("check port: %+v", out)
	}
	for _, port := range []int{0, -1, 70000} {
		if out := p.once(plain, naming.Addr{IP: "127.0.0.1", Port: port}); out.finding != failed {
			t.Errorf("port %d: %+v", port, out)
		}
	}
	if out := p.once(plain, naming.Addr{IP: "no such name", Port: 80}); out.finding != failed {
		t.Errorf("%+v", out)
	}
	if l6, err := net.Listen("tcp", "[::1]:0"); err == nil {
		defer l6.Close()
		for _, ip := range []string{"::1", "[::1]"} {
			if out := p.once(plain, naming.Addr{IP: ip, Port: addrOf(l6.Addr()).Port}); out.finding != passed {
				t.Errorf("%s: %+v", ip, out)
			}
		}
	}
}

func TestHTTP(t *testing.T) {
	p := real(t)
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	var asked *http.Request
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) { asked = r })
	mux.HandleFunc("/code/{code}", func(w http.ResponseWriter, r *http.Request) {
		var code int
		fmt.Sscan(r.PathValue("code"), &code)
		w.Header().Set("Location", other.URL)
		w.WriteHeader(code)
	})
	mux.HandleFunc("/hints", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusOK)
	})
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/headers", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Long", strings.Repeat("x", 2*maxAnswer))
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	a := addrOf(srv.Listener.Addr())
	for _, c := range []struct {
		path     string
		expected int
		want     finding
		busy     bool
	}{
		{"/ok", 0, passed, false},
		{"ok", 200, passed, false},
		{"/ok?a=b%20c", 200, passed, false},
		{"/ok", 204, failedNow, false},
		{"/code/204", 204, passed, false},
		{"/code/204", 200, failedNow, false},
		{"/code/404", 0, failedNow, false},
		{"/code/500", 0, failedNow, false},
		{"/code/503", 0, failed, true},
		{"/code/503", 503, passed, false},
		{"/code/302", 0, failed, true},
		{"/code/301", 0, failedNow, false},
		{"/code/307", 0, failedNow, false},
		{"/hints", 0, passed, false},
		{"/endless", 0, passed, false},
		{"/headers", 0, failed, false},
		{other.URL, 0, failedNow, false},                           // a path at our address
		{"/" + other.URL[len("http:"):], 0, failedNow, false},      // "///host:port"
		{other.URL[len("http:"):], 0, failedNow, false},            // "//host:port"
		{"/%zz", 0, failed, false},                                 // no path
		{"/ok HTTP/1.1\r\nHost: evil\r\n\r\n", 0, failed, false},   // nor this
		{"/ok?a HTTP/1.1\r\nHost: evil\r\n\r\n", 0, failed, false}, // nor this
	} {
		out := p.once(newPlan(spec{kind: kindHTTP, path: c.path, expected: c.expected}), a)
		if out.finding != c.want || out.busy != c.busy {
			t.Errorf("%q, expected %d: %v %+v", c.path, c.expected, out, out)
		}
	}
	if elsewhere.Load() != 0 {
		t.Error("another address was asked")
	}
	out := p.once(newPlan(spec{kind: kindHTTP, path: "/ok?q=1", headers: "X-A:1|bad|Host:example.org|y: z |c:d:e|User-Agent:me"}), a)
	if out.finding != passed || asked.Host != "example.org" || asked.Header.Get("X-A") != "1" || asked.Header.Get("Y") != "z" ||
		asked.Header.Get("C") != "" || asked.UserAgent() != "me" || asked.RequestURI != "/ok?q=1" || asked.Method != "GET" {
		t.Errorf("%+v %+v", out, asked)
	}
	if p.once(newPlan(spec{kind: kindHTTP, path: "/ok"}), a); asked.UserAgent() != "VIPServer" {
		t.Errorf("%+v", asked.Header)
	}
	if out := p.once(newPlan(spec{kind: kindHTTP, path: "/"}), closed(t)); out.finding != failedNow {
		t.Errorf("nobody listens: %+v", out)
	}
}

// One who accepts and says nothing, or nonsense, fails; the first one is busy.
func TestHTTPSilence(t *testing.T) {
	for _, c := range []struct {
		name  string
		serve func(net.Conn)
		want  outcome
		after time.Duration
	}{
		{"silence", func(c net.Conn) { io.Copy(io.Discard, c) }, outcome{finding: failed, busy: true}, answerTimeout},
		{"nonsense", func(c net.Conn) {
			go io.Copy(io.Discard, c)
			io.WriteString(c, "SSH-2.0-OpenSSH\r\n\r\n")
		}, outcome{finding: failed}, 0},
		{"hints for ever", func(c net.Conn) {
			go io.Copy(io.Discard, c)
			for {
				if _, err := io.WriteString(c, "HTTP/1.1 103 Early Hints\r\n\r\n"); err != nil {
					return
				}
			}
		}, outcome{finding: failed}, 0},
		{"a byte at a time", func(c net.Conn) {
			go io.Copy(io.Discard, c)
			for {
				if _, err := io.WriteString(c, "H"); err != nil {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		}, outcome{finding: failed, busy: true}, answerTimeout},
		{"closes", func(c net.Conn) { c.Close() }, outcome{finding: failed}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := start(t, Config{})
				var served sync.WaitGroup
				w.answer = func(context.Context, string) (net.Conn, error) {
					ours, theirs := net.Pipe()
					served.Go(func() {
						c.serve(theirs)
						theirs.Close()
					})
					return ours, nil
				}
				begin := time.Now()
				out := w.probe(newPlan(spec{kind: kindHTTP, path: "/"}), naming.Addr{IP: "10.0.0.1", Port: 80})
				if took := time.Since(begin); out.finding != c.want.finding || out.busy != c.want.busy || took != c.after {
					t.Errorf("after %v %+v", took, out)
				}
				served.Wait()
			})
		})
	}
}

// Stop ends a check whose answer is awaited.
func TestStopEndsHTTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Config{})
		w.answer = func(context.Context, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go io.Copy(io.Discard, theirs)
			return ours, nil
		}
		w.show(view(withChecker(naming.HealthChecker{Type: "HTTP", Path: "/"}), persistent("10.0.0.1", true)))
		for w.Stats().HTTP == 0 {
			pass(grain)
		}
		begin := time.Now()
		w.Stop()
		if took := time.Since(begin); took != 0 {
			t.Errorf("stopped after %v", took)
		}
		synctest.Wait()
	})
}

func TestForbidden(t *testing.T) {
	for ip, want := range map[string]bool{
		"169.254.169.254": true, "169.254.0.1": true, "::ffff:169.254.169.254": true, "fe80::1": true, "fe80::1%eth0": true,
		"febf::1": true, "fd00:ec2::254": true, "100.100.100.200": true, "192.0.0.192": true, "224.0.0.1": true,
		"127.0.0.1": false, "10.0.0.1": false, "192.168.1.1": false, "8.8.8.8": false, "::1": false, "fd00::1": false, "169.253.0.1": false,
	} {
		if got := forbidden(netip.MustParseAddr(ip)); got != want {
			t.Errorf("%s: %v", ip, got)
		}
	}
	// Not even dialled, and no verdict.
	w := start(t, Config{})
	http := newPlan(spec{kind: kindHTTP, path: "/latest/meta-data"})
	for _, ip := range []string{"169.254.169.254", "[fe80::1]", "::ffff:a9fe:a9fe"} {
		if out := w.probe(http, naming.Addr{IP: ip, Port: 80}); out.finding != nothing {
			t.Errorf("%s: %+v", ip, out)
		}
	}
	if d, _ := w.taken(); len(d) != 0 {
		t.Errorf("dialled %v", d)
	}
	// What a name resolves to is seen when it is connected to.
	_, guarded := dialers()
	if c, err := guarded(t.Context(), "tcp", "169.254.169.254:80"); !errors.Is(err, errForbidden) {
		t.Errorf("%v %v", c, err)
	}
}

func TestSpecOf(t *testing.T) {
	meta := &naming.ServiceMeta{Clusters: []naming.ClusterMeta{
		{Name: "a", CheckPort: 80, UseInstancePort: true, Checker: naming.HealthChecker{Type: "TCP"}},
		{Name: "b", CheckPort: 81, Checker: naming.HealthChecker{Type: "http", Path: "/p", Headers: "k:v", ExpectedResponseCode: 204}},
		{Name: "c", UseInstancePort: true},
		{Name: "d", CheckPort: 82, Checker: naming.HealthChecker{Type: "NONE"}},
		{Name: "e", CheckPort: 83, Checker: naming.HealthChecker{Type: "MYSQL", User: "u", Password: "p", Command: "select 1"}}, // the port does not count
	}}
	for cluster, want := range map[string]spec{
		"a": {}, "b": {kind: kindHTTP, fixedPort: true, port: 81, path: "/p", headers: "k:v", expected: 204}, "c": {},
		"d": {kind: kindNone, fixedPort: true, port: 82}, "e": {kind: kindMySQL, user: "u", password: "p", command: "select 1"}, "f": {},
	} {
		if got := specOf(meta, cluster); got != want {
			t.Errorf("%s: %+v, want %+v", cluster, got, want)
		}
	}
	if got := specOf(nil, "a"); got != (spec{}) {
		t.Errorf("%+v", got)
	}
}

// hurry makes every check due at once.
func (p *Prober) hurry() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range slices.Clone(p.due.heap) {
		p.due.remove(t)
		p.enqueue(t, 0)
	}
}

// The whole of it over the network: an HTTP service goes down and comes back.
func TestNetwork(t *testing.T) {
	var down atomic.Bool
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer srv.Close()
	reports := make(chan naming.SetHealth, 100)
	p := New(Config{Switches: naming.DefaultSwitches, Report: func(_ context.Context, _ naming.Key, c naming.SetHealth) error {
		reports <- c
		return nil
	}})
	defer p.Stop()
	a := addrOf(srv.Listener.Addr())
	in := &naming.Instance{IP: a.IP, Port: a.Port, Cluster: a.Cluster, Enabled: true, Healthy: true}
	meta := withChecker(naming.HealthChecker{Type: "HTTP", Path: "/health"})
	for _, healthy := range []bool{false, true} {
		down.Store(!healthy)
		shown := *in
		shown.Healthy = !healthy
		p.Watch(view(meta, &shown))
		tick := time.NewTicker(5 * time.Millisecond)
		for deadline := time.After(10 * time.Second); ; {
			p.hurry()
			select {
			case <-tick.C:
				continue
			case r := <-reports:
				if r != (naming.SetHealth{Addr: a, Healthy: healthy, Probe: true}) {
					continue // of before the view
				}
			case <-deadline:
				t.Fatalf("not reported: healthy %v", healthy)
			}
			break
		}
		tick.Stop()
	}
}
