package http

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	nethttp "net/http"
	"strings"
	"testing"
	"time"
)

// FuzzHTTPRaw sends any bytes down a connection. Whatever comes back are whole answers with
// statuses of ours, and nothing was done that was not answered.
func FuzzHTTPRaw(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s.method + " " + contextPath + s.path + "?" + s.query + " HTTP/1.1\r\nHost: node\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: " + itoa(len(s.body)) + "\r\n\r\n" + s.body))
	}
	const list = "GET /nacos/v1/ns/instance/list?serviceName=s HTTP/1.1\r\nHost: node\r\n"
	for _, s := range []string{
		list + "\r\n" + list + "Connection: close\r\n\r\n", list + "X: a\r\n b\r\n\r\n", list + "Expect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
		"POST /nacos/v1/ns/instance HTTP/1.1\r\nHost: node\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n0\r\n\r\n", "POST / HTTP/1.1\r\nHost: node\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"POST /nacos/v1/ns/service HTTP/1.1\r\nHost: node\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 70\r\n\r\n--b\r\nContent-Disposition: form-data; name=\"serviceName\"\r\n\r\ns\r\n--b--\r\n",
		"HEAD /nacos/v1/console/health/readiness HTTP/1.0\r\n\r\n", "GET /nacos/v1/ns/none HTTP/1.1\r\nHost: node\r\nAccept: text/html\r\n\r\n", "\x16\x03\x01\x02\x00", "",
	} {
		f.Add([]byte(s))
	}
	fake, logged, s := offline(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		fake.forget()
		c := &monologue{in: bytes.NewReader(raw)}
		_ = s.fast.ServeConn(c) // what was wrong with the bytes
		if text := logged.String(); strings.Contains(text, "panic") {
			t.Fatalf("panic: %s", text)
		}
		if bytes.Contains(raw, []byte("HEAD ")) {
			return // its answer has no end that can be seen
		}
		answers := 0
		for out := bufio.NewReader(&c.out); ; answers++ {
			if _, err := out.Peek(1); errors.Is(err, io.EOF) {
				break
			}
			resp, err := nethttp.ReadResponse(out, nil)
			if err != nil {
				t.Fatalf("answer %d: %v", answers, err)
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				t.Fatalf("answer %d: %v", answers, err)
			}
			switch resp.StatusCode {
			case 100, 200, 400, 404, 405, 408, 413, 415, 417, 431, 500, 501, 503, 505:
			default:
				t.Fatalf("answer %d: status %d", answers, resp.StatusCode)
			}
		}
		if answers == 0 && len(fake.commands) > 0 {
			t.Fatalf("done without an answer: %q", fake.commands)
		}
	})
}

// monologue is a connection whose other end has sent all it will.
type monologue struct {
	in  *bytes.Reader
	out bytes.Buffer
}

func (c *monologue) Read(b []byte) (int, error)       { return c.in.Read(b) }
func (c *monologue) Write(b []byte) (int, error)      { return c.out.Write(b) }
func (c *monologue) Close() error                     { return nil }
func (c *monologue) LocalAddr() net.Addr              { return peer }
func (c *monologue) RemoteAddr() net.Addr             { return peer }
func (c *monologue) SetDeadline(time.Time) error      { return nil }
func (c *monologue) SetReadDeadline(time.Time) error  { return nil }
func (c *monologue) SetWriteDeadline(time.Time) error { return nil }
