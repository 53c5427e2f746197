package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/anypb"

	"nactor/grpc/grpcpb"
)

// Client is a client of 2.x on one connection, without the caches, queues and threads of an
// SDK, so that a process can be thousands of them. It answers what it is pushed, as SDKs do.
// Nobody reconnects it.
type Client struct {
	conn   *grpc.ClientConn
	stream grpc.ClientStream
	tcp    atomic.Pointer[net.TCPConn]
	cancel context.CancelFunc
	told   func(serviceInfo []byte)
	reads  sync.WaitGroup
}

// buffer of each connection: SDKs take more, which would be this process's memory only.
const buffer = 2 << 10

// Connect connects to the gRPC port at addr and sets the client up. told is called with the
// JSON of each service that the client is pushed, one at a time; nil: nobody is to be told.
func Connect(ctx context.Context, addr string, told func(serviceInfo []byte)) (*Client, error) {
	c := &Client{told: told}
	conn, err := grpc.NewClient("passthrough:///"+addr,
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableServiceConfig(), grpc.WithDisableRetry(),
		grpc.WithReadBufferSize(buffer), grpc.WithWriteBufferSize(buffer), grpc.WithIdleTimeout(0),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
			if err == nil {
				c.tcp.Store(conn.(*net.TCPConn))
			}
			return conn, err
		}))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", addr, err)
	}
	c.conn = conn
	open, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c.cancel = cancel
	// The first request also brings the connection about.
	if err := c.ask(ctx, "ServerCheckRequest", "{}"); err != nil {
		c.Close()
		return nil, err
	}
	c.stream, err = conn.NewStream(open, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/BiRequestStream/requestBiStream")
	if err == nil {
		err = c.stream.SendMsg(frame("ConnectionSetupRequest", `{"clientVersion":"Nactor-Bench:v1","tenant":"","labels":{"source":"sdk","module":"naming"}}`))
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("set up a client at %s: %w", addr, err)
	}
	c.reads.Go(c.read)
	return c, nil
}

func frame(kind, body string) *grpcpb.Payload {
	return &grpcpb.Payload{Metadata: &grpcpb.Metadata{Type: kind}, Body: &anypb.Any{Value: []byte(body)}}
}

// read takes what is pushed until the stream ends.
func (c *Client) read() {
	for {
		in := &grpcpb.Payload{}
		if c.stream.RecvMsg(in) != nil {
			return
		}
		var push struct {
			RequestID   string          `json:"requestId"`
			ServiceInfo json.RawMessage `json:"serviceInfo"`
		}
		if json.Unmarshal(in.GetBody().GetValue(), &push) != nil || push.RequestID == "" {
			continue
		}
		kind := "ClientDetectionResponse"
		if push.ServiceInfo != nil {
			kind = "NotifySubscriberResponse"
			if c.told != nil {
				c.told(push.ServiceInfo)
			}
		}
		if c.stream.SendMsg(frame(kind, fmt.Sprintf(`{"resultCode":200,"success":true,"requestId":%q}`, push.RequestID))) != nil {
			return
		}
	}
}

// ask sends a request and returns an error unless the answer is a success.
func (c *Client) ask(ctx context.Context, kind, body string) error {
	out := &grpcpb.Payload{}
	if err := c.conn.Invoke(ctx, "/Request/request", frame(kind, body), out); err != nil {
		return fmt.Errorf("%s to %s: %w", kind, c.conn.Target(), err)
	}
	if answer := out.GetBody().GetValue(); !bytes.Contains(answer, []byte(`"success":true`)) {
		return fmt.Errorf("%s to %s: refused with %.300s", kind, c.conn.Target(), answer)
	}
	return nil
}

// Register publishes the one instance of the client in a service, or replaces it. The metadata
// has one entry.
func (c *Client) Register(ctx context.Context, service, ip string, port int, name, value string) error {
	return c.ask(ctx, "InstanceRequest", fmt.Sprintf(
		`{"requestId":"1","namespace":"public","serviceName":%q,"groupName":"DEFAULT_GROUP","type":"registerInstance","instance":{"ip":%q,"port":%d,"weight":1,"healthy":true,"enabled":true,"ephemeral":true,"clusterName":"DEFAULT","metadata":{%q:%q}}}`,
		service, ip, port, name, value))
}

// Subscribe subscribes to a service, which need not exist.
func (c *Client) Subscribe(ctx context.Context, service string) error {
	return c.ask(ctx, "SubscribeServiceRequest", fmt.Sprintf(
		`{"requestId":"1","namespace":"public","serviceName":%q,"groupName":"DEFAULT_GROUP","subscribe":true,"clusters":""}`, service))
}

// CheckHealth tells the server that the client is there.
func (c *Client) CheckHealth(ctx context.Context) error {
	return c.ask(ctx, "HealthCheckRequest", `{"requestId":"1"}`)
}

// Close ends the connection in order.
func (c *Client) Close() {
	c.cancel()
	c.conn.Close()
	c.reads.Wait()
}

// Abort ends the connection as the death of a process does: without a word of gRPC's, by a
// reset.
func (c *Client) Abort() {
	if tcp := c.tcp.Load(); tcp != nil {
		tcp.SetLinger(0)
		tcp.Close()
	}
	c.Close()
}
