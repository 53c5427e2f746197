package systemtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"nactor/cmd/nactor/proctest"
)

func TestMain(m *testing.M) { os.Exit(proctest.Run(m)) }

// client sends requests as a 1.x client would.
type client struct {
	t    testing.TB
	addr string
	http http.Client
}

func newClient(t testing.TB, addr string) *client {
	return &client{t: t, addr: addr, http: http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true},
	}}
}

// do sends a request with its parameters in the form body (POST, PUT) or the query and
// returns status and body; err is about the connection.
func (c *client) do(method, path string, params url.Values) (int, string, error) {
	u := "http://" + c.addr + path
	var body io.Reader
	if method == http.MethodPost || method == http.MethodPut {
		body = strings.NewReader(params.Encode())
	} else {
		u += "?" + params.Encode()
	}
	req, err := http.NewRequest(method, u, body)
	if err != nil {
		c.t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// must is do for requests that have to succeed.
func (c *client) must(method, path string, params url.Values) string {
	c.t.Helper()
	code, body, err := c.do(method, path, params)
	if err != nil || code != http.StatusOK {
		c.t.Fatalf("%s %s?%s: %d %s %v", method, path, params.Encode(), code, body, err)
	}
	return body
}

type host struct {
	IP      string
	Port    int
	Healthy bool
}

// list returns the hosts of a service.
func (c *client) list(service string) []host {
	c.t.Helper()
	var v struct{ Hosts []host }
	body := c.must(http.MethodGet, "/nacos/v1/ns/instance/list", url.Values{"serviceName": {service}})
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		c.t.Fatalf("list of %s: %v in %.200s", service, err, body)
	}
	return v.Hosts
}

func instance(service string, i int, more ...string) url.Values {
	v := url.Values{"serviceName": {service}, "ip": {fmt.Sprintf("10.%d.%d.%d", i>>16&255, i>>8&255, i&255)}, "port": {"80"}}
	for j := 0; j+1 < len(more); j += 2 {
		v.Set(more[j], more[j+1])
	}
	return v
}

// eventually waits for a condition.
func eventually(t testing.TB, within time.Duration, what string, ok func() bool) time.Duration {
	t.Helper()
	begin := time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Since(begin) > within {
			t.Fatalf("not within %v: %s", within, what)
		}
		<-tick.C
	}
	return time.Since(begin)
}
