package actors

import (
	"sync"

	"github.com/asynkron/protoactor-go/actor"
)

// mailbox is a mailbox that runs its actor on the goroutine that posts, unless the actor
// is at work already: then the message waits and the worker takes it. A heartbeat so costs
// no goroutine switch, and an idle actor no queue. Since Receive never blocks, a poster is
// held up by other posters' messages only, and by no more than maxRun of them.
type mailbox struct {
	invoker actor.MessageInvoker

	mu        sync.Mutex
	running   bool
	suspended bool
	system    []any
	user      []any
}

// maxRun is how many messages a poster works off before another goroutine takes over.
const maxRun = 64

func newMailbox() actor.Mailbox { return &mailbox{} }

// RegisterHandlers implements actor.Mailbox. The dispatcher is of no use here.
func (m *mailbox) RegisterHandlers(invoker actor.MessageInvoker, _ actor.Dispatcher) {
	m.invoker = invoker
}

// Start implements actor.Mailbox.
func (m *mailbox) Start() {}

// UserMessageCount implements actor.Mailbox.
func (m *mailbox) UserMessageCount() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.user)
}

// PostUserMessage implements actor.Mailbox.
func (m *mailbox) PostUserMessage(message any) {
	m.mu.Lock()
	if m.running || m.suspended {
		m.user = append(m.user, message)
		m.mu.Unlock()
		return
	}
	m.running = true
	m.mu.Unlock()
	m.invoke(message, false)
	m.run(1)
}

// PostSystemMessage implements actor.Mailbox.
func (m *mailbox) PostSystemMessage(message any) {
	m.mu.Lock()
	m.system = append(m.system, message)
	if m.running {
		m.mu.Unlock()
		return
	}
	m.running = true
	m.mu.Unlock()
	m.run(0)
}

// run works off what waits, system messages first; done messages were worked off before.
func (m *mailbox) run(done int) {
	for ; ; done++ {
		message, system, ok := m.next()
		if !ok {
			return
		}
		m.invoke(message, system)
		if done >= maxRun {
			go m.run(0)
			return
		}
	}
}

// next takes a message; when there is none the actor is idle from then on.
func (m *mailbox) next() (message any, system, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.system) > 0 {
		message, m.system = take(m.system)
		switch message.(type) {
		case *actor.SuspendMailbox:
			m.suspended = true
		case *actor.ResumeMailbox:
			m.suspended = false
		default:
			return message, true, true
		}
	}
	if !m.suspended && len(m.user) > 0 {
		message, m.user = take(m.user)
		return message, false, true
	}
	m.running = false
	return nil, false, false
}

// take removes the first of a queue and lets go of the memory of an empty one.
func take(queue []any) (any, []any) {
	first := queue[0]
	queue[0] = nil
	if len(queue) == 1 {
		return first, nil
	}
	return first, queue[1:]
}

// invoke hands a message to the actor; a panic goes to its supervisor.
func (m *mailbox) invoke(message any, system bool) {
	defer func() {
		if r := recover(); r != nil {
			m.invoker.EscalateFailure(r, message)
		}
	}()
	if system {
		m.invoker.InvokeSystemMessage(message)
	} else {
		m.invoker.InvokeUserMessage(message)
	}
}
