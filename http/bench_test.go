package http

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"
	"github.com/valyala/fastjson"

	"nactor/naming"
)

// still is a registry that knows everybody and does nothing: what is measured is the front.
type still struct {
	*registry
	view *naming.View
}

func (s still) Do(context.Context, naming.Key, naming.Command) (naming.Result, error) {
	return naming.Result{Known: true, Interval: 5 * time.Second}, nil
}

func (s still) View(naming.Key) *naming.View { return s.view }

func serveBench(b *testing.B, h fasthttp.RequestHandler, raw string) {
	ln := fasthttputil.NewInmemoryListener()
	fast := &fasthttp.Server{Handler: h, NoDefaultServerHeader: true, ReadBufferSize: 16 << 10}
	go fast.Serve(ln)
	defer fast.Shutdown()
	exchange(b, ln.Dial, raw)
}

// exchange sends one request after the other over one connection.
func exchange(b *testing.B, dial func() (net.Conn, error), raw string) {
	c, err := dial()
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	req, br := []byte(raw), bufio.NewReaderSize(c, 64<<10)
	var resp fasthttp.Response
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(req); err != nil {
			b.Fatal(err)
		}
		if err := resp.Read(br); err != nil || resp.StatusCode() != 200 {
			b.Fatalf("%d %s %v", resp.StatusCode(), resp.Body(), err)
		}
	}
}

const benchHead = " HTTP/1.1\r\nHost: bench\r\nUser-Agent: Nacos-Go-Client:v1.1.6\r\nClient-Version: Nacos-Go-Client:v1.1.6\r\nConnection: Keep-Alive\r\nRequest-Module: Naming\r\nContent-Type: application/x-www-form-urlencoded;charset=utf-8\r\n"

func benchRequest(method, path, body string) string {
	return fmt.Sprintf("%s /nacos%s%sContent-Length: %d\r\n\r\n%s", method, path, benchHead, len(body), body)
}

var benchRequests = []struct{ name, raw string }{
	{"light beat", benchRequest("PUT", inst+"/beat?namespaceId=public&serviceName=DEFAULT_GROUP%40%40s&clusterName=DEFAULT&ip=10.0.0.1&port=80", "")},
	{"full beat", benchRequest("PUT", inst+"/beat", `namespaceId=public&serviceName=DEFAULT_GROUP@@s&beat={"ip":"10.0.0.1","port":80,"weight":1,"serviceName":"DEFAULT_GROUP@@s","cluster":"DEFAULT","metadata":{"preserved.register.source":"SPRING_CLOUD"},"scheduled":false}`)},
	{"list of 10", benchRequest("GET", inst+"/list?namespaceId=public&serviceName=DEFAULT_GROUP@@s&clusters=&udpPort=0&healthyOnly=false&clientIP=127.0.0.1", "")},
	{"register", benchRequest("POST", inst, "app=bench&clusterName=DEFAULT&enable=true&ephemeral=true&groupName=DEFAULT_GROUP&healthy=true&ip=10.0.0.1&metadata=%7B%7D&namespaceId=public&port=80&serviceName=DEFAULT_GROUP%40%40s&weight=1")},
}

func benchServer(b *testing.B) (*Server, int) {
	f := newRegistry()
	v := &naming.View{Key: naming.Key{Namespace: "public", Group: "DEFAULT_GROUP", Name: "s"}}
	for i := range 10 {
		v.Instances = append(v.Instances, &naming.Instance{IP: fmt.Sprintf("10.0.0.%d", i), Port: 80, Cluster: "DEFAULT", Weight: 1, Enabled: true, Healthy: true, Ephemeral: true})
	}
	st := still{f, v}
	s := New(Config{Registry: st, Reader: st, Subscriptions: f, Settings: settings{f}, Members: node{f}})
	var ctx fasthttp.RequestCtx
	ctx.Init(request4("GET", inst+"/list", "serviceName=s", ""), peer, nil)
	s.fast.Handler(&ctx)
	return s, len(ctx.Response.Body())
}

// BenchmarkFront measures whole exchanges in memory, beside a bare handler that answers as
// many bytes.
func BenchmarkFront(b *testing.B) {
	s, listSize := benchServer(b)
	sizes := map[string]int{"light beat": 64, "full beat": 64, "list of 10": listSize, "register": 2}
	for _, tt := range benchRequests {
		body := []byte(strings.Repeat("x", sizes[tt.name]))
		b.Run(tt.name+"/bare", func(b *testing.B) {
			serveBench(b, func(ctx *fasthttp.RequestCtx) {
				ctx.SetContentType(jsonText)
				ctx.Response.SetBodyRaw(body)
			}, tt.raw)
		})
		b.Run(tt.name+"/front", func(b *testing.B) { serveBench(b, s.fast.Handler, tt.raw) })
	}
}

// BenchmarkBeatJSON measures reading the JSON of a beat, and the strict check in it.
func BenchmarkBeatJSON(b *testing.B) {
	json := []byte(`{"ip":"10.0.0.1","port":80,"weight":1,"serviceName":"DEFAULT_GROUP@@s","cluster":"DEFAULT","metadata":{"preserved.register.source":"SPRING_CLOUD"},"scheduled":false}`)
	b.Run("whole", func(b *testing.B) {
		var p fastjson.Parser
		b.ReportAllocs()
		for b.Loop() {
			if _, err := parseBeat(&p, json); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("check", func(b *testing.B) {
		for b.Loop() {
			if err := fastjson.ValidateBytes(json); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkHandler measures the front alone: what it adds to reading and writing HTTP.
func BenchmarkHandler(b *testing.B) {
	s, _ := benchServer(b)
	for _, tt := range benchRequests {
		b.Run(tt.name, func(b *testing.B) {
			var ctx fasthttp.RequestCtx
			var req fasthttp.Request
			if err := req.Read(bufio.NewReader(strings.NewReader(tt.raw))); err != nil {
				b.Fatal(err)
			}
			ctx.Init(&req, peer, nil)
			b.ReportAllocs()
			for b.Loop() {
				ctx.Response.Reset()
				s.fast.Handler(&ctx)
			}
			if ctx.Response.StatusCode() != 200 {
				b.Fatalf("%d %s", ctx.Response.StatusCode(), ctx.Response.Body())
			}
		})
	}
}
