package cluster

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"
)

// InboxPrefix begins the names of the only processes that other nodes may send to.
const InboxPrefix = "inbox-"

// inbox is the actor that takes messages of other nodes.
type inbox struct {
	receive func(from string, message proto.Message)
}

// Receive implements actor.Actor.
func (i *inbox) Receive(ctx actor.Context) {
	message, ok := ctx.Message().(proto.Message)
	if !ok || ctx.Sender() == nil {
		return
	}
	// Senders name themselves by the id of the process that they send from.
	if from, ok := strings.CutPrefix(ctx.Sender().Id, senderPrefix); ok {
		i.receive(from, message)
	}
}

const senderPrefix = "node-"

func (c *Cluster) open(name string, receive func(string, proto.Message)) error {
	props := actor.PropsFromProducer(func() actor.Actor { return &inbox{receive} })
	if _, err := c.System().Root.SpawnNamed(props, InboxPrefix+name); err != nil {
		return fmt.Errorf("open the inbox %q: %w", name, err)
	}
	return nil
}

// Send sends a message to an inbox of another node. It returns at once; the message may be
// lost, and what matters is acknowledged by the receiver. Messages to one inbox that
// arrive do so in order.
func (c *Cluster) Send(to, name string, message proto.Message) {
	m := c.Membership().Members().Find(to)
	if m == nil || m.Status == Left {
		return
	}
	// Also to one that is believed dead: it may just have been stalled, and wait for an answer.
	sender := actor.NewPID(c.System().Address(), senderPrefix+c.self)
	c.System().Root.RequestWithCustomSender(actor.NewPID(m.RemoteAddr(), InboxPrefix+name), message, sender)
}

// OnLost sets who is told that the connection to a node ended: messages on their way were
// lost.
func (c *Cluster) OnLost(f func(id string)) { c.lost.Store(&f) }

func (c *Cluster) connectionLost(addr string) {
	ms := c.Membership()
	if ms == nil {
		return
	}
	for _, m := range ms.Members().All() {
		if m.RemoteAddr() != addr {
			continue
		}
		ms.Suspect(m.ID)
		if f := c.lost.Load(); f != nil {
			(*f)(m.ID)
		}
	}
}

const dialTimeout = 500 * time.Millisecond

// refuses reports whether nobody listens at a member's actor port. Only an answer that says
// so counts: silence may be a slow network or a process that was stopped.
func refuses(m *Member) bool {
	conn, err := net.DialTimeout("tcp", m.RemoteAddr(), dialTimeout)
	if err != nil {
		return errors.Is(err, syscall.ECONNREFUSED)
	}
	conn.Close() // it was only asked whether it opens
	return false
}
