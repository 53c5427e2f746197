package grpc

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"

	"nactor/grpc/grpcpb"
	"nactor/naming"
)

// setupTime is how long a request waits for the client's setup, which travels on the stream
// and may come a moment later: on a busy machine, where SDKs that were refused would connect
// again and make it busier, a long one.
const setupTime = 2 * time.Second

// by1X is Nacos's answer to naming requests while the cluster goes by 1.X.
const by1X = "Nacos cluster is running with 1.X mode, can't accept gRPC request temporarily. Please check the server status or close Double write to force open 2.0 mode. Detail https://nacos.io/en-us/docs/2.0.0-upgrading.html."

// handler answers one type of requests of a client that is set up.
type handler struct {
	answer string // type of the answer
	naming bool   // refused by the logic of 1.X
	handle func(*client, context.Context, *request) (answer, error)
}

var handlers = map[string]handler{
	typeHealthCheck: {typeHealthChecked, false, func(*client, context.Context, *request) (answer, error) { return answer{}, nil }},
	typeInstance:    {typeInstanceAnswer, true, (*client).instance},
	typeBatch:       {typeBatchAnswer, true, (*client).batch},
	typePersistent:  {typeInstanceAnswer, true, (*client).persistent},
	typeQuery:       {typeQueryAnswer, true, (*client).query},
	typeList:        {typeListAnswer, true, (*client).list},
	typeSubscribe:   {typeSubscribeAnswer, true, (*client).subscribe},
}

// unary serves /Request/request.
func (s *Server) unary(_ any, ctx context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	in := &grpcpb.Payload{}
	if err := dec(in); err != nil {
		return nil, err
	}
	return s.accept(ctx, in), nil
}

// accept answers a request, in the order of Nacos's acceptor. A panic is one client's bad luck.
func (s *Server) accept(ctx context.Context, in *grpcpb.Payload) (out *grpcpb.Payload) {
	kind := in.GetMetadata().GetType()
	defer func() {
		if p := recover(); p != nil {
			s.cfg.Logger.Error("a request of a 2.x client failed", "type", kind, "panic", p)
			out = fail("", codeServerError, "the server failed on this request")
		}
	}()
	t := transportOf(ctx)
	if t == nil || s.cfg.Starting() {
		return fail("", codeStarting, "Server is starting,please try later.")
	}
	if kind == typeServerCheck {
		return reply(typeServerChecked, answer{ConnectionID: t.id})
	}
	h, known := handlers[kind]
	if !known {
		return fail("", codeNoHandler, "RequestHandler Not Found")
	}
	c := t.awaitClient(ctx)
	if c == nil {
		return fail("", codeUnregistered, "Connection is unregistered.")
	}
	req := &request{}
	if err := decode(in, req); err != nil {
		return fail("", codeUnreadable, err.Error())
	}
	t.heard()
	if h.naming && s.cfg.By1X() {
		c.refused.Store(true)
		return reply(h.answer, answer{ErrorCode: codeServerError, Message: by1X, RequestID: req.RequestID})
	}
	a, err := h.handle(c, ctx, req)
	if err != nil {
		return fail(req.RequestID, codeOf(err), err.Error())
	}
	a.RequestID = req.RequestID
	return reply(h.answer, a)
}

// awaitClient returns the client of a transport, which may be about to set itself up; nil:
// there is none.
func (t *transport) awaitClient(ctx context.Context) *client {
	if c := t.client.Load(); c != nil {
		return c
	}
	timer := time.NewTimer(setupTime)
	defer timer.Stop()
	select {
	case <-t.registered:
	case <-timer.C:
	case <-ctx.Done():
	}
	return t.client.Load()
}

func codeOf(err error) int {
	switch naming.KindOf(err) {
	case naming.KindInvalid, naming.KindRejected:
		return codeInvalid
	case naming.KindNotFound:
		return codeNotFound
	}
	return codeServerError
}

// stream serves /BiRequestStream/requestBiStream: a setup first, then answers to what the
// client was pushed. Its end is the end of the client: SDKs open another connection then.
func (s *Server) stream(_ any, stream grpc.ServerStream) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.cfg.Logger.Error("a stream of a 2.x client failed", "panic", p)
			err = fmt.Errorf("the server failed")
		}
	}()
	t := transportOf(stream.Context())
	if t == nil {
		return fmt.Errorf("no connection")
	}
	// Who opens a stream sets itself up on it.
	late := time.AfterFunc(idleTime, func() {
		if t.client.Load() == nil {
			t.close()
		}
	})
	defer late.Stop()
	var c *client
	defer func() {
		if c == nil {
			return
		}
		s.leave(c)
		// Nobody may send on the stream after this. Who is stuck in it is freed by the end of the
		// connection.
		stuck := time.AfterFunc(farewell, t.close)
		<-c.done
		stuck.Stop()
	}()
	for {
		in := &grpcpb.Payload{}
		if err := stream.RecvMsg(in); err != nil {
			return nil // it ended
		}
		t.heard()
		switch kind := in.GetMetadata().GetType(); {
		case kind == typeSetup && c == nil:
			if t.client.Load() != nil {
				continue // set up on another stream of the same connection
			}
			set := setup{}
			if decode(in, &set) != nil {
				continue
			}
			made, err := s.enter(t, set, in.GetMetadata().GetHeaders()["app"])
			if err != nil || s.cfg.Starting() {
				s.cfg.Logger.Warn("a 2.x client is sent away", "from", t.remote, "reason", err)
				_ = stream.SendMsg(s.resetMessage("", ""))
				if made != nil {
					s.leave(made)
					close(made.done)
				}
				return nil
			}
			c = made
			go c.run(stream) // ends with the client, which this function waits for
		case c != nil && kind != typeSetup:
			a := ack{}
			if decode(in, &a) == nil {
				c.acked(a.RequestID, time.Now())
			}
		}
	}
}
