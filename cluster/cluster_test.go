package cluster

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	pacluster "github.com/asynkron/protoactor-go/cluster"
	"github.com/asynkron/protoactor-go/remote"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// echo answers with the identity it was activated for.
type echo struct{}

func (echo) Receive(ctx actor.Context) {
	if ctx.Message() == "who" {
		ctx.Respond(Identity(ctx.Self()))
	}
}

// One cluster for the package: a stop and a start take seconds in the framework.
func TestStandalone(t *testing.T) {
	begun := time.Now()
	c, err := StartStandalone(Config{
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Kinds:  []*pacluster.Kind{{Kind: "echo", Props: actor.PropsFromProducer(func() actor.Actor { return echo{} })}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop(t.Context())
	t.Logf("up after %v", time.Since(begun))

	t.Run("identities are activated once", func(t *testing.T) {
		for _, identity := range []string{"public@@g@@s", "a/b$1:c", "", "服务 with space"} {
			pid := c.Activate("echo", identity)
			if again := c.Activate("echo", identity); !again.Equal(pid) {
				t.Errorf("%q: activated twice, %v and %v", identity, pid, again)
			}
			got, err := c.System().Root.RequestFuture(pid, "who", 5*time.Second).Result()
			if err != nil || got != identity {
				t.Errorf("%q says it is %q, %v", identity, got, err)
			}
		}
	})
	t.Run("the framework finds them too", func(t *testing.T) {
		got, err := c.pa.Request("x", "echo", "who")
		if err != nil || got != "x" {
			t.Errorf("%v, %v", got, err)
		}
	})
	t.Run("a retired identity is activated anew", func(t *testing.T) {
		pid := c.Activate("echo", "old")
		c.Retire("echo", "old", pid)
		fresh := c.Activate("echo", "old")
		if fresh.Equal(pid) {
			t.Error("the same process again")
		}
		c.Retire("echo", "old", pid) // late: must not touch the new one
		if again := c.Activate("echo", "old"); !again.Equal(fresh) {
			t.Error("a late retirement removed the new activation")
		}
	})
	t.Run("unknown kind", func(t *testing.T) {
		if pid := c.Activate("none", "x"); pid != nil {
			t.Errorf("activated %v", pid)
		}
	})
	t.Run("strangers are refused", func(t *testing.T) {
		conn, err := grpc.NewClient(c.System().Address(), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		client := remote.NewRemotingClient(conn)
		// Unguarded, this call ends the process.
		if _, err := client.ListProcesses(ctx, &remote.ListProcessesRequest{}); status.Code(err) != codes.PermissionDenied {
			t.Errorf("ListProcesses: %v", err)
		}
		stream, err := client.Receive(ctx)
		if err != nil {
			t.Fatal(err)
		}
		stream.Send(&remote.RemoteMessage{MessageType: &remote.RemoteMessage_MessageBatch{MessageBatch: &remote.MessageBatch{
			Envelopes: []*remote.MessageEnvelope{{Target: 7, TypeId: 9}},
		}}})
		if _, err := stream.Recv(); status.Code(err) != codes.PermissionDenied {
			t.Errorf("Receive: %v", err)
		}
	})
}
