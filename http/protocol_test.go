package http

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"

	"nactor/naming"
)

// Requests as bytes: what fasthttp refuses, and what it lets through and we do not. An
// upgrade of fasthttp must not loosen any of these.
func TestRawRequests(t *testing.T) {
	r := start(t, func(c *Config) { c.ReadTimeout = 300 * time.Millisecond })
	const (
		list = "/nacos/v1/ns/instance/list?serviceName=s"
		host = "Host: node\r\n"
	)
	get := func(headers string) string { return "GET " + list + " HTTP/1.1\r\n" + headers + "\r\n" }
	post := func(headers, body string) string {
		return "POST /nacos/v1/ns/instance HTTP/1.1\r\n" + host + headers + "\r\n" + body
	}
	for _, tt := range []struct{ name, in, want string }{
		{"plain", get(host), "200 "},
		{"HTTP/1.0", strings.Replace(get(host), "1.1", "1.0", 1), "200 "},
		{"two pipelined", get(host) + get(host), "200 \n200 "},
		{"no host", get(""), "400 malformed request"},
		{"two hosts", get(host + host), "400 malformed request"},
		{"two lengths", post("Content-Length: 1\r\nContent-Length: 1\r\n", "x"), "400 malformed request"},
		{"negative length", post("Content-Length: -1\r\n", ""), "400 malformed request"},
		{"signed length", post("Content-Length: +4\r\n", "abcd"), "400 malformed request"},
		{"a list of lengths", post("Content-Length: 4, 4\r\n", "abcd"), "400 malformed request"},
		{"encoding on HTTP/1.0", strings.Replace(post("Transfer-Encoding: chunked\r\n", "0\r\n\r\n"), "1.1", "1.0", 1), "400 malformed request"},
		{"bad escape in a name", "GET " + list + "%zz%00 HTTP/1.1\r\n" + host + "\r\n", "400 caused: parameter serviceName has control characters;"},
		{"overlong UTF-8", "GET " + list + "%c0%af HTTP/1.1\r\n" + host + "\r\n", "400 caused: parameter serviceName is not valid UTF-8;"},
		{"huge length", post("Content-Length: 9223372036854775808\r\n", ""), "400 malformed request"},
		{"length and encoding", post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), "400 Transfer-Encoding and Content-Length in one request"},
		{"encoding and length", post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "0\r\n\r\n"), "400 Transfer-Encoding and Content-Length in one request"},
		{"two encodings", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), "400 malformed request"},
		{"xchunked", post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), "400 malformed request"},
		{"space before colon", get(host + "X : y\r\n"), "400 malformed request"},
		{"NUL in a value", get(host + "X: a\x00b\r\n"), "400 malformed request"},
		{"CR in a value", get(host + "X: a\rb\r\n"), "400 malformed request"},
		{"folded header", get(host + "X: a\r\n b\r\n"), "400 folded header"},
		{"folded with a tab", get(host + "X: a\r\n\tb\r\n"), "400 folded header"},
		{"overlong chunk", post("Transfer-Encoding: chunked\r\n", "FFFFFFFFFFFFFFFFF\r\n"), "400 malformed request"},
		{"HTTP/9.9", strings.Replace(get(host), "1.1", "9.9", 1), "505 HTTP version not supported"},
		{"unknown method", "FROB " + list + " HTTP/1.1\r\n" + host + "\r\n", "405 unknown method"},
		{"small letters", "get " + list + " HTTP/1.1\r\n" + host + "\r\n", "405 unknown method"},
		{"another host", "GET http://evil" + list + " HTTP/1.1\r\n" + host + "\r\n", "400 the request target names another host"},
		{"absolute", "GET http://node" + list + " HTTP/1.1\r\n" + host + "\r\n", "200 "},
		{"long header", get(host + "X: " + strings.Repeat("x", 17<<10) + "\r\n"), "431 request line and headers are larger than 16384 bytes"},
		{"long query", "GET " + list + strings.Repeat("x", 17<<10) + " HTTP/1.1\r\n" + host + "\r\n", "431 request line and headers are larger than 16384 bytes"},
		{"ask first, too large", post("Content-Length: 2000000\r\nExpect: 100-continue\r\n", ""), "413 "},
		{"gzip", post("Content-Encoding: gzip\r\nContent-Length: 1\r\n", "x"), "415 request bodies must not be compressed"},
		{"raw braces", "GET " + list + `&x={"a":"b;c"} HTTP/1.1` + "\r\n" + host + "\r\n", "200 "},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "408 the request did not arrive in time"},
		{"half a request", "GET /nacos/v1", "408 the request did not arrive in time"},
		{"half a body", post("Content-Length: 10\r\n", "abc"), "408 the request did not arrive in time"},
		{"garbage", "\x00\x01\x02 <script>alert(1)</script>\r\n\r\n", "400 malformed request"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := strings.Split(tt.want, "\n")
			for i, line := range strings.Split(strings.TrimSuffix(r.raw(tt.in), "\n"), "\n") {
				if i >= len(want) || !strings.HasPrefix(line, want[i]) || line != want[i] && want[i] != "200 " {
					t.Errorf("answer %d: %.200s, want %v", i, line, want)
				}
				if strings.Contains(line, "<script>") {
					t.Errorf("repeats what came: %s", line)
				}
			}
		})
	}
	if got := r.seen(); len(got) > 0 {
		t.Errorf("commands: %q", got)
	}
	if s := r.logs.String(); s != "" {
		t.Errorf("logged: %s", s)
	}
}

func TestLargeBody(t *testing.T) {
	r := start(t)
	a := r.send("POST", inst, "serviceName=s&ip=1.1.1.1&port=80&metadata="+strings.Repeat("x", 10<<20))
	if a.code != 413 || a.body != "request body is larger than 1048576 bytes" {
		t.Errorf("10 MiB: %v", a)
	}
	if a := r.send("POST", inst, "serviceName=s&ip=1.1.1.1&port=80&x="+strings.Repeat("x", 1000<<10)); a.code != 200 {
		t.Errorf("1 MB: %v", a)
	}
}

// A real socket: the kernel must not throw the answer away because of what was unread.
func TestLargeBodyOverTCP(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := start(t)
	go r.server.Serve(ln)
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	body := bytes.Repeat([]byte("x"), 10<<20)
	if _, err := c.Write([]byte("POST /nacos/v1/ns/instance HTTP/1.1\r\nHost: x\r\nContent-Length: 10485760\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(body); err != nil {
		t.Errorf("the server stopped listening: %v", err)
	}
	var resp fasthttp.Response
	if err := resp.Read(bufio.NewReader(c)); err != nil || resp.StatusCode() != 413 {
		t.Errorf("%d, %v", resp.StatusCode(), err)
	}
}

func TestGate(t *testing.T) {
	r := start(t)
	override := func(s string) {
		sw := naming.DefaultSwitches()
		sw.OverriddenServerStatus = &s
		r.mu.Lock()
		r.switches = sw
		r.mu.Unlock()
	}
	const list = inst + "/list?serviceName=s"
	check := func(method, path, want string, headers ...string) {
		t.Helper()
		if a := r.send(method, path, "", headers...); a.String() != want && !strings.HasPrefix(a.String(), want+"{") {
			t.Errorf("%s %s: %v, want %s", method, path, a, want)
		}
	}
	r.status = Status{State: "STARTING", Reason: "Distro protocol is not initialized"}
	check("GET", list, "503 server is STARTINGnow, detailed error message: Optional[Distro protocol is not initialized]")
	check("GET", "/v1/ns/nothing", "503 server is STARTINGnow, detailed error message: Optional[Distro protocol is not initialized]")
	check("GET", list, "200 ", "User-Agent: Nacos-Server:v2.0.3")
	check("GET", list, "200 ", "Client-Version: Nacos-Server")
	check("GET", "/v1/console/health/readiness", "503 Naming is not in readiness: Distro protocol is not initialized")
	check("GET", "/v1/console/health/liveness", "200 OK")
	if a := r.send("GET", list, ""); a.ct != "" {
		t.Errorf("content type %q, want none", a.ct)
	}
	r.status = Status{State: "UP"}
	override("DOWN")
	check("GET", list, "503 server is DOWNnow, please try again later!")
	override("READ_ONLY")
	check("GET", list, "200 ")
	check("DELETE", inst+"?serviceName=s&ip=1.1.1.1&port=80", "503 server is READ_ONLYnow, please try again later!")
	override("WRITE_ONLY")
	check("GET", list, "503 server is WRITE_ONLYnow, please try again later!")
	check("DELETE", inst+"?serviceName=s&ip=1.1.1.1&port=80", "200 ok")
	override(" ")
	check("GET", list, "200 ")

	sw := naming.DefaultSwitches()
	sw.LimitedURLMap = map[string]int{"/nacos/v1/ns/service/list": 403, "/nacos/v1/ns/health/server?null": 429}
	r.switches = sw
	check("GET", svc+"/list?pageNo=1&pageSize=1", "403 ")
	check("GET", "/v1/ns/health/server", "429 ")
	check("GET", "/v1/ns/health/server?a=b", "200 ")
	check("GET", list, "200 ")
}

func TestShutdownAnswers(t *testing.T) {
	r := start(t)
	r.block = make(chan struct{})
	answers := make(chan answer, 1)
	go func() { answers <- r.send("POST", inst, "serviceName=s&ip=1.1.1.1&port=80") }()
	eventually(t, "the request waits in the registry", func() bool { return r.blocked.Load() == 1 })
	down := make(chan error, 1)
	go func() { down <- r.server.Shutdown(context.Background()) }()
	eventually(t, "nothing is accepted any more", func() bool {
		c, err := r.ln.Dial()
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	select {
	case err := <-down:
		t.Fatalf("shut down with a request under way: %v", err)
	default:
	}
	close(r.block)
	a := <-answers
	if a.body != "ok" || !a.head.ConnectionClose() {
		t.Errorf("%v, closes %t", a, a.head.ConnectionClose())
	}
	if err := <-down; err != nil {
		t.Errorf("shut down: %v", err)
	}
}

func TestShutdownCutsOff(t *testing.T) {
	r := start(t)
	r.block = make(chan struct{})
	c, err := r.ln.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	body := "serviceName=s&ip=1.1.1.1&port=80"
	c.Write([]byte("DELETE /nacos/v1/ns/instance?" + body + " HTTP/1.1\r\nHost: x\r\n\r\n"))
	eventually(t, "the request waits in the registry", func() bool { return r.blocked.Load() == 1 })
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := r.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("shut down: %v", err)
	}
	close(r.block)
	if n, err := c.Read(make([]byte, 1)); err == nil {
		t.Errorf("%d bytes after the end", n)
	}
}

func TestShutdownClosesIdle(t *testing.T) {
	r := start(t)
	c, err := r.ln.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write([]byte("GET /nacos/v1/console/health/liveness HTTP/1.1\r\nHost: x\r\n\r\n"))
	var resp fasthttp.Response
	br := bufio.NewReader(c)
	if err := resp.Read(br); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := r.server.Shutdown(context.Background()); err != nil {
		t.Errorf("shut down: %v", err)
	}
	if d := time.Since(began); d > 2*time.Second {
		t.Errorf("an idle connection held it up for %v", d)
	}
	if _, err := br.ReadByte(); err == nil {
		t.Error("the idle connection is open")
	}
}

// scarce is a listener without file descriptors, for a while.
type scarce struct {
	net.Listener
	left atomic.Int32
}

func (l *scarce) Accept() (net.Conn, error) {
	if l.left.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

func TestOutOfFiles(t *testing.T) {
	r := start(t)
	inner := fasthttputil.NewInmemoryListener()
	ln := &scarce{Listener: inner}
	ln.left.Store(1)
	go r.server.Serve(ln)
	c, err := inner.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go c.Write([]byte("GET /nacos/v1/console/health/liveness HTTP/1.1\r\nHost: x\r\n\r\n"))
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	var resp fasthttp.Response
	if err := resp.Read(bufio.NewReader(c)); err != nil || string(resp.Body()) != "OK" {
		t.Errorf("after a shortage: %s, %v", resp.Body(), err)
	}
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}
