package faulttest

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fastjson"
)

// endpoint speaks to one node as clients do. It is safe for concurrent use.
type endpoint struct {
	host    *fasthttp.HostClient
	addr    string
	variety variety
}

const (
	// writeTime is how long a client waits for an answer before it asks another node.
	writeTime = 6 * time.Second
	readTime  = 5 * time.Second
)

func newEndpoint(addr string, dial func(string) (net.Conn, error)) *endpoint {
	return &endpoint{addr: addr, host: &fasthttp.HostClient{
		Addr: addr, Dial: dial, MaxConns: 2000, MaxIdleConnDuration: 10 * time.Second, NoDefaultUserAgentHeader: true,
		MaxIdemponentCallAttempts: 2, // a connection that the server has closed meanwhile
	}}
}

// transport is for the standard library's client.
func transport(dial func(string) (net.Conn, error)) *http.Transport {
	return &http.Transport{DialContext: func(_ context.Context, _, addr string) (net.Conn, error) { return dial(addr) }}
}

// do sends a request and hands a 200 answer's body to use, which must not keep it.
func (e *endpoint) do(method, path string, body []byte, within time.Duration, use func(body []byte) error) error {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.Header.SetMethod(method)
	req.SetRequestURI("http://" + e.addr + "/nacos" + path)
	req.Header.SetUserAgent("Nacos-Java-Client:v1.4.2")
	if body != nil {
		req.Header.SetContentType("application/x-www-form-urlencoded")
		req.SetBody(body)
	}
	if err := e.host.DoTimeout(req, resp, within); err != nil {
		return err
	}
	if code := resp.StatusCode(); code != fasthttp.StatusOK {
		return fmt.Errorf("status %d: %.200s", code, resp.Body())
	}
	if use == nil {
		return nil
	}
	return use(resp.Body())
}

// get decodes the data of an answer into v.
func (e *endpoint) get(path string, v any) error {
	return e.do(http.MethodGet, path, nil, readTime, func(body []byte) error { return json.Unmarshal(body, v) })
}

type member struct {
	Address, State string
	ExtendInfo     struct {
		Version        string
		ReadyToUpgrade *bool // nil: not there
	}
}

// members returns whom the node sees.
func (e *endpoint) members() ([]member, error) {
	var v struct{ Data []member }
	err := e.get("/v1/core/cluster/nodes", &v)
	return v.Data, err
}

type actor struct {
	Identity, Node string
	Revision       string
	V2Instances    int
}

// actor returns what the grain of a service says of itself.
func (e *endpoint) actor(service int) (actor, error) {
	var v struct{ Data actor }
	err := e.get("/v1/core/ops/actors/detail?identity="+url.QueryEscape(e.variety.key(service).String()), &v)
	return v.Data, err
}

// actors returns the active grains of all nodes.
func (e *endpoint) actors(limit int) ([]actor, error) {
	var out []actor
	for page := 1; len(out) < limit; page++ {
		var v struct{ Data struct{ Actors []actor } }
		if err := e.get(fmt.Sprintf("/v1/core/ops/actors?pageNo=%d&pageSize=500", page), &v); err != nil {
			return nil, err
		}
		if len(v.Data.Actors) == 0 {
			break
		}
		out = append(out, v.Data.Actors...)
	}
	return out, nil
}

// params names an instance. Its id is in its address.
func (e *endpoint) params(in *instance) string {
	return fmt.Sprintf("%s&clusterName=%s&ip=%s&port=8080&ephemeral=%v", e.variety.params(in.service), e.variety.cluster(in.id), address(in.id, in.persistent), !in.persistent)
}

// describe is params with what the instance says of itself.
func (e *endpoint) describe(in *instance) []byte {
	if e.variety == plain {
		return []byte(e.params(in))
	}
	c := e.variety.content(in.id, in.edits)
	return fmt.Appendf(nil, "%s&weight=%v&enabled=%v&metadata=%s", e.params(in), c.weight, !in.disabled, url.QueryEscape(c.json()))
}

// address returns the address of an instance. Persistent ones are probed by the servers:
// theirs refuses at once.
func address(id int, persistent bool) string {
	if persistent {
		return fmt.Sprintf("127.%d.%d.%d", 1+id>>16&31, id>>8&255, id&255)
	}
	return fmt.Sprintf("10.%d.%d.%d", 1+id>>16&31, id>>8&255, id&255)
}

// idOf returns the instance that has an address, -1 if none can have it.
func idOf(ip string) int {
	var net, a, b, c int
	if n, _ := fmt.Sscanf(ip, "%d.%d.%d.%d", &net, &a, &b, &c); n != 4 || net != 10 && net != 127 || a < 1 {
		return -1
	}
	return (a-1)<<16 | b<<8 | c
}

func (e *endpoint) register(in *instance) error {
	return e.do(http.MethodPost, "/v1/ns/instance", e.describe(in), writeTime, nil)
}

func (e *endpoint) edit(in *instance) error {
	return e.do(http.MethodPut, "/v1/ns/instance", e.describe(in), writeTime, nil)
}

func (e *endpoint) deregister(in *instance) error {
	return e.do(http.MethodDelete, "/v1/ns/instance?"+e.params(in), nil, writeTime, nil)
}

// beat returns whether the node knows the instance, or does now. Half of the instances beat
// as the Java client does, the others tell all about themselves each time, as the Go client
// does.
func (e *endpoint) beat(in *instance) (known bool, err error) {
	body := []byte{}
	if in.id%2 == 1 && !in.disabled { // a beat cannot say that an instance is disabled
		c := e.variety.content(in.id, in.edits)
		body = fmt.Appendf(nil, `beat={"ip":"%s","port":8080,"weight":%v,"serviceName":"%s","cluster":"%s","metadata":%s,"scheduled":true}`,
			address(in.id, in.persistent), c.weight, e.variety.key(in.service).Grouped(), e.variety.cluster(in.id), url.QueryEscape(c.json()))
	}
	err = e.do(http.MethodPut, "/v1/ns/instance/beat?"+e.params(in), body, writeTime, func(body []byte) error {
		known = fastjson.GetInt(body, "code") == 10200
		return nil
	})
	return known, err
}

// list returns what the node shows of a service.
func (e *endpoint) list(service int) (out []shown, err error) {
	err = e.do(http.MethodGet, "/v1/ns/instance/list?"+e.variety.params(service), nil, readTime, func(body []byte) error {
		p := parsers.Get()
		defer parsers.Put(p)
		v, err := p.ParseBytes(body)
		if err != nil {
			return err
		}
		for _, host := range v.GetArray("hosts") {
			out = append(out, e.variety.read(host))
		}
		return nil
	})
	return out, err
}

var parsers fastjson.ParserPool
