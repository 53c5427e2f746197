package grpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"nactor/grpc/grpcpb"
)

// fuzzKinds are the types of unary requests, and one that is none.
var fuzzKinds = []string{typeInstance, typeBatch, typePersistent, typeQuery, typeList, typeSubscribe, typeHealthCheck, typeServerCheck, "x"}

// loose returns a transport of nobody.
func loose(n int) *transport {
	addr := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(n))
	return &transport{id: fmt.Sprint("1_127.0.0.1_", n), remote: addr, registered: make(chan struct{})}
}

// judge fails unless a message to a client is JSON that says whether its request succeeded.
func judge(t *testing.T, out *grpcpb.Payload) {
	t.Helper()
	var a map[string]any
	if err := json.Unmarshal(out.GetBody().GetValue(), &a); err != nil {
		t.Fatalf("%s: %v", out.GetBody().GetValue(), err)
	}
	if _, ok := a["success"].(bool); !ok || a["message"] == "the server failed on this request" {
		t.Fatalf("answered with %s", out.GetBody().GetValue())
	}
}

// Whatever a client asks, it is answered with JSON that says whether it succeeded. Each type
// gets each body: those that it takes, and those that it does not.
func FuzzAccept(f *testing.F) {
	for i := range fuzzKinds {
		for _, body := range []string{``, `null`, `{`, `{"serviceName":"s"}`, `{` + orders + `,"type":"registerInstance",` + instanceJSON("10.0.0.1") + `}`,
			`{` + orders + `,"type":"deregisterInstance",` + instanceJSON("10.0.0.1") + `}`,
			`{` + orders + `,"type":"batchRegisterInstance","instances":[null,{"ip":"1.1.1.1"}]}`, `{"serviceName":"a@@b@@c","subscribe":true}`, `{"pageSize":-1}`,
			`{` + orders + `,"subscribe":true,"clusters":"a,b,"}`, `{` + orders + `,"cluster":"c","healthyOnly":true}`, `{"groupName":"g","pageNo":2,"pageSize":1}`,
			`{` + orders + `,"type":"registerInstance","instance":{"ip":"::1","port":1,"weight":1e308,"metadata":{"preserved.heart.beat.timeout":"9e18"}}}`} {
			f.Add(byte(i), []byte(body))
		}
	}
	r := newRig(f, nil)
	f.Fuzz(func(t *testing.T, kind byte, body []byte) {
		tr := loose(2)
		c, err := r.server.enter(tr, setup{}, "")
		if err != nil {
			t.Fatal(err)
		}
		defer r.server.leave(c)
		judge(t, r.server.accept(context.WithValue(t.Context(), transportKey{}, tr), frame(fuzzKinds[int(kind)%len(fuzzKinds)], body)))
	})
}

// script is a stream whose client sends what it is given and reads all.
type script struct {
	grpc.ServerStream
	ctx  context.Context
	in   [][]byte
	sent atomic.Int64
	bad  atomic.Pointer[string]
}

func (s *script) Context() context.Context { return s.ctx }

func (s *script) RecvMsg(m any) error {
	if len(s.in) == 0 {
		return io.EOF
	}
	next := s.in[0]
	s.in = s.in[1:]
	if err := proto.Unmarshal(next, m.(proto.Message)); err != nil {
		return fmt.Errorf("as gRPC does: %w", err)
	}
	return nil
}

func (s *script) SendMsg(m any) error {
	if p, ok := m.(*grpcpb.Payload); !ok || !json.Valid(p.GetBody().GetValue()) {
		text := fmt.Sprint(m)
		s.bad.Store(&text)
		return errors.New("this is no message")
	}
	s.sent.Add(1)
	return nil
}

// Whatever bytes a client sends, as a request or as a sequence of messages on its stream, end
// in an answer or in the end of that stream: protobuf, setup and acknowledgements included.
func FuzzFrames(f *testing.F) {
	marshal := func(kind, body string) []byte {
		b, err := proto.Marshal(frame(kind, []byte(body)))
		if err != nil {
			f.Fatal(err)
		}
		return b
	}
	join := func(frames ...[]byte) (out []byte) {
		for _, b := range frames {
			out = protowire.AppendBytes(out, b)
		}
		return out
	}
	set := marshal(typeSetup, `{"clientVersion":"v","tenant":"t","labels":{"source":"sdk","module":"naming","AppName":"a"}}`)
	f.Add(join(set, marshal("NotifySubscriberResponse", `{"requestId":"1","resultCode":200}`)))
	f.Add(join(set, set, marshal("ClientDetectionResponse", `{}`), marshal(typeQuery, `{"serviceName":"s"}`)))
	f.Add(join(marshal(typeSetup, `{"labels":[]}`), marshal(typeSetup, `null`), []byte{0xff}))
	f.Add(join(marshal("", ``), nil, set))
	for _, kind := range fuzzKinds {
		f.Add(join(marshal(kind, `{`+orders+`,"type":"registerInstance",`+instanceJSON("10.0.0.1")+`}`)))
	}
	r := newRig(f, nil)
	f.Fuzz(func(t *testing.T, data []byte) {
		var frames [][]byte
		for len(data) > 0 && len(frames) < 20 {
			one, n := protowire.ConsumeBytes(data)
			if n < 0 {
				one, n = data, len(data)
			}
			frames, data = append(frames, one), data[n:]
		}
		tr := loose(3)
		ctx := context.WithValue(t.Context(), transportKey{}, tr)
		s := &script{ctx: ctx, in: frames}
		if err := r.server.stream(nil, s); err != nil {
			t.Fatal(err)
		}
		if bad := s.bad.Load(); bad != nil {
			t.Fatalf("sent %s", *bad)
		}
		if r.server.Len() != 0 {
			t.Fatal("the client is still here")
		}
		c, err := r.server.enter(tr, setup{}, "")
		if err != nil {
			t.Fatal(err)
		}
		defer r.server.leave(c)
		for _, b := range frames {
			in := &grpcpb.Payload{}
			if proto.Unmarshal(b, in) == nil {
				judge(t, r.server.accept(ctx, in))
			}
		}
	})
}
