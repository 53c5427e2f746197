package grpc

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	"nactor/grpc/grpcpb"
)

// witness is a client that behaves. Whatever others do, it is served and pushed.
type witness struct {
	*peer
	n int
}

func (r *rig) witness() *witness {
	r.t.Helper()
	w := &witness{peer: r.dial()}
	w.setup()
	w.ask(typeSubscribe, `{"serviceName":"witnessed","groupName":"g","subscribe":true}`)
	return w
}

// wellServed fails unless what the client registers is pushed to it.
func (w *witness) wellServed() {
	w.t.Helper()
	w.n++
	ip := fmt.Sprintf("10.9.0.%d", w.n)
	began := time.Now()
	if _, got := w.ask(typeInstance, `{"serviceName":"witnessed","groupName":"g","type":"registerInstance","instance":{"ip":"`+ip+`","port":1}}`); !strings.Contains(got, `"success":true`) {
		w.t.Fatalf("a client that behaves is answered %s", got)
	}
	for {
		kind, body := w.pushed()
		if id, _ := body["requestId"].(string); id != "" {
			w.send("NotifySubscriberResponse", `{"requestId":"`+id+`"}`)
		}
		text, _ := json.Marshal(body)
		if kind == typeNotify && bytes.Contains(text, []byte(`"`+ip+`"`)) {
			break
		}
	}
	if took := time.Since(began); took > 5*time.Second {
		w.t.Errorf("a client that behaves is pushed after %v", took)
	}
}

// What a client sends that no SDK does is refused or passed over, and disturbs nobody else.
func TestMalformed(t *testing.T) {
	r := newRig(t, func(cfg *Config) { cfg.MaxMessage = 1 << 20 })
	w := r.witness()
	invoke := func(p *peer, in *grpcpb.Payload, opts ...grpc.CallOption) (*grpcpb.Payload, error) {
		out := &grpcpb.Payload{}
		return out, p.conn.Invoke(t.Context(), "/Request/request", in, out, opts...)
	}
	for name, test := range map[string]func(t *testing.T, p *peer){
		"no metadata, no body": func(t *testing.T, p *peer) {
			if out, err := invoke(p, &grpcpb.Payload{}); err != nil || !strings.Contains(string(out.GetBody().GetValue()), `"errorCode":302`) {
				t.Errorf("%v, %v", out, err)
			}
		},
		"a type in the body that is none of ours": func(t *testing.T, p *peer) {
			in := &grpcpb.Payload{Metadata: &grpcpb.Metadata{Type: typeQuery}, Body: &anypb.Any{TypeUrl: "type.googleapis.com/x.Y", Value: []byte(`{"@type":"java.lang.Runtime","serviceName":"s"}`)}}
			if out, err := invoke(p, in); err != nil || out.GetMetadata().GetType() != typeQueryAnswer {
				t.Errorf("%v, %v", out, err)
			}
		},
		"an address that is not the client's": func(t *testing.T, p *peer) {
			in := frame(typeSubscribe, []byte(`{"serviceName":"forged","groupName":"g","subscribe":true}`))
			in.Metadata.ClientIp, in.Metadata.Headers = "203.0.113.1", map[string]string{"clientIp": "203.0.113.1"}
			if _, err := invoke(p, in); err != nil {
				t.Error(err)
			}
			for _, c := range r.server.Clients() {
				if got := c.Addr.Addr().String(); got != "127.0.0.1" {
					t.Errorf("a client is at %s", got)
				}
			}
		},
		"an oversized message": func(t *testing.T, p *peer) {
			in := frame(typeQuery, []byte(`{"serviceName":"`+strings.Repeat("x", 2<<20)+`"}`))
			if _, err := invoke(p, in); status.Code(err) != codes.ResourceExhausted {
				t.Errorf("%v", err)
			}
		},
		"a small message that becomes an oversized one": func(t *testing.T, p *peer) {
			in := frame(typeQuery, []byte(`{"serviceName":"`+strings.Repeat("x", 16<<20)+`"}`))
			if _, err := invoke(p, in, grpc.UseCompressor(gzip.Name)); err == nil {
				t.Error("taken")
			}
		},
		"an oversized message on the stream": func(t *testing.T, p *peer) {
			p.send("NotifySubscriberResponse", `{"requestId":"`+strings.Repeat("x", 2<<20)+`"}`)
			p.ended()
		},
		"a setup twice": func(t *testing.T, p *peer) {
			before := r.server.Len()
			p.send(typeSetup, `{"clientVersion":"again"}`)
			another, err := p.conn.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/BiRequestStream/requestBiStream")
			if err != nil {
				t.Fatal(err)
			}
			if err := another.SendMsg(frame(typeSetup, []byte(`{"clientVersion":"again"}`))); err != nil {
				t.Fatal(err)
			}
			p.ask(typeHealthCheck, `{}`)
			if n := r.server.Len(); n != before {
				t.Errorf("%d clients, %d before", n, before)
			}
			for _, c := range r.server.Clients() {
				if c.Version != "Test:v1" {
					t.Errorf("a client calls itself %q", c.Version)
				}
			}
		},
		"answers that nobody waits for": func(t *testing.T, p *peer) {
			for i := range 1000 {
				p.send("NotifySubscriberResponse", fmt.Sprintf(`{"requestId":"%d"}`, i))
			}
			for _, body := range []string{``, `{`, `null`, `[]`, "\xff", `{"requestId":7}`} {
				p.send("NotifySubscriberResponse", body)
				p.send(typeSetup, body)
				p.send("", body)
			}
			if kind, _ := p.ask(typeHealthCheck, `{}`); kind != typeHealthChecked {
				t.Errorf("answered with %s", kind)
			}
		},
		"another method": func(t *testing.T, p *peer) {
			for _, method := range []string{"/RequestStream/requestStream", "/Request/x", "/x/request", "Request/request", "//", "/"} {
				err := p.conn.Invoke(t.Context(), method, &grpcpb.Payload{}, &grpcpb.Payload{})
				if code := status.Code(err); code != codes.Unimplemented && code != codes.Internal {
					t.Errorf("%s: %v", method, err)
				}
			}
		},
		"more streams than there may be": func(t *testing.T, p *peer) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			n := 0
			for ; n < 2*maxStreams; n++ {
				if _, err := p.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/BiRequestStream/requestBiStream"); err != nil {
					break
				}
			}
			if n > maxStreams {
				t.Errorf("%d streams", n)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := r.dial()
			p.t = t
			p.setup()
			p.ask(typeHealthCheck, `{}`)
			test(t, p)
			w.wellServed()
			p.conn.Close()
		})
	}
}

// ended waits for the end of the stream.
func (p *peer) ended() {
	p.t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		select {
		case _, ok := <-p.pushes:
			if !ok {
				return
			}
		case <-deadline:
			p.t.Fatal("the stream goes on")
		}
	}
}

// What a client says of itself is kept within bounds.
func TestTalkativeSetup(t *testing.T) {
	r := newRig(t, nil)
	p := r.dial()
	p.open()
	labels := map[string]string{"source": "sdk", "module": "naming", "AppName": strings.Repeat("a", 1000)}
	for i := range 10_000 {
		labels[fmt.Sprint("label", i)] = strings.Repeat("v", 300)
	}
	body, err := json.Marshal(map[string]any{"clientVersion": strings.Repeat("v", 100_000), "tenant": "größe", "labels": labels})
	if err != nil {
		t.Fatal(err)
	}
	p.send(typeSetup, string(body))
	eventually(t, "set up", func() bool { return r.server.Len() == 1 })
	c := r.server.Clients()[0]
	if len(c.Labels) > maxLabels || c.Labels["source"] != "sdk" || c.Labels["module"] != "naming" || c.App != strings.Repeat("a", maxWord) || len(c.Version) != maxWord || c.Tenant != "größe" {
		t.Errorf("%d labels, app %q, version of %d bytes, tenant %q", len(c.Labels), c.App, len(c.Version), c.Tenant)
	}
	size := 0
	for k, v := range c.Labels {
		if size += len(k) + len(v); len(v) > maxWord {
			t.Errorf("a label of %d bytes", len(v))
		}
	}
	if size > 2*maxLabels*maxWord {
		t.Errorf("labels of %d bytes", size)
	}
}

// Bytes that are no HTTP/2, and HTTP/2 that is abused, end the connection and nothing else.
func TestRawBytes(t *testing.T) {
	r := newRig(t, nil)
	w := r.witness()
	dial := func(t *testing.T) net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	closed := func(t *testing.T, conn net.Conn) {
		t.Helper()
		_ = conn.SetReadDeadline(time.Now().Add(15 * time.Second))
		if _, err := io.Copy(io.Discard, conn); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Error("the connection stays open")
		}
	}
	framer := func(t *testing.T, conn net.Conn) *http2.Framer {
		t.Helper()
		if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
			t.Fatal(err)
		}
		f := http2.NewFramer(conn, conn)
		if err := f.WriteSettings(); err != nil {
			t.Fatal(err)
		}
		return f
	}
	headers := func(path string) []byte {
		var b bytes.Buffer
		enc := hpack.NewEncoder(&b)
		for _, h := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", path}, {":authority", "x"}, {"content-type", "application/grpc"}, {"te", "trailers"}} {
			_ = enc.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]})
		}
		return b.Bytes()
	}
	for name, test := range map[string]func(t *testing.T){
		"HTTP/1": func(t *testing.T) {
			conn := dial(t)
			fmt.Fprint(conn, "GET /nacos/v1/ns/instance/list HTTP/1.1\r\nHost: x\r\n\r\n")
			closed(t, conn)
		},
		"nothing at all": func(t *testing.T) { closed(t, dial(t)) },
		"noise": func(t *testing.T) {
			conn := dial(t)
			_, _ = conn.Write(bytes.Repeat([]byte{0xff, 0, 0x7f}, 10_000))
			closed(t, conn)
		},
		"a path without a slash": func(t *testing.T) {
			conn := dial(t)
			f := framer(t, conn)
			if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: headers("Request/request"), EndHeaders: true, EndStream: true}); err != nil {
				t.Fatal(err)
			}
			for {
				fr, err := f.ReadFrame()
				if err != nil {
					return // the connection is ended: as good an answer
				}
				if h, ok := fr.(*http2.HeadersFrame); ok {
					fields, err := hpack.NewDecoder(4096, nil).DecodeFull(h.HeaderBlockFragment())
					if err != nil || strings.Contains(fmt.Sprint(fields), "grpc-status = \"0\"") {
						t.Errorf("%v, %v", fields, err)
					}
					return
				}
			}
		},
		"streams that are reset at once": func(t *testing.T) {
			conn := dial(t)
			go func() { _, _ = io.Copy(io.Discard, conn) }()
			f := framer(t, conn)
			block := headers("/BiRequestStream/requestBiStream")
			for id := uint32(1); id < 20_000; id += 2 {
				if f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndHeaders: true}) != nil || f.WriteRSTStream(id, http2.ErrCodeCancel) != nil {
					return
				}
			}
		},
		"a flood of pings": func(t *testing.T) {
			conn := dial(t)
			f := framer(t, conn)
			over := make(chan struct{})
			go func() { defer close(over); closed(t, conn) }()
			for range 100_000 {
				if f.WritePing(false, [8]byte{}) != nil {
					break
				}
			}
			<-over
		},
	} {
		t.Run(name, func(t *testing.T) {
			test(t)
			w.wellServed()
		})
	}
}
