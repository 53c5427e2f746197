package actors

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"nactor/naming"
)

// call is one command on its way to a grain and back. It is pooled: the caller owns it
// before it is sent and after done, the grain in between. A caller that gives up leaves
// the call to the grain and takes another next time.
type call struct {
	cmd    naming.Command
	result naming.Result
	err    error
	state  atomic.Int32
	pool   *sync.Pool
	done   chan struct{} // for a caller that waits; capacity 1: the grain never does
	timer  *time.Timer

	durable   bool // the command wrote something down
	confirmed bool // the store has been asked

	// then takes the outcome in the place of a caller that waits; it must not block.
	then func(naming.Result, error)
}

func newCalls() *sync.Pool {
	pool := &sync.Pool{}
	pool.New = func() any {
		t := time.NewTimer(time.Hour)
		t.Stop()
		return &call{pool: pool, done: make(chan struct{}, 1), timer: t}
	}
	return pool
}

func (s *Services) newCall(cmd naming.Command) *call {
	c := s.calls.Get().(*call)
	c.cmd = cmd
	return c
}

// answer ends the call; the grain must not touch it afterwards.
func (c *call) answer() {
	if then := c.then; then != nil {
		then(c.release())
		return
	}
	if !c.state.CompareAndSwap(callOpen, callAnswered) {
		c.done <- struct{}{} // the caller waits
	}
}

// answered reports whether the call has been answered. When it has not, the caller must
// wait on done.
func (c *call) answered() bool { return !c.state.CompareAndSwap(callOpen, callAwaited) }

// wait returns the outcome of a call that was sent to the grain of key.
func (c *call) wait(ctx context.Context, key naming.Key) (naming.Result, error) {
	if c.answered() {
		return c.release()
	}
	c.timer.Reset(naming.MaxRequestTime)
	select {
	case <-c.done:
		c.timer.Stop()
		return c.release()
	case <-c.timer.C:
		return naming.Result{}, naming.Unavailable("service %s did not answer within %v; the request may still be carried out", key.Grouped(), naming.MaxRequestTime)
	case <-ctx.Done():
		return naming.Result{}, naming.Unavailable("request to service %s given up: %w", key.Grouped(), ctx.Err())
	}
}

// release returns the outcome of a call that was answered, and the call to the pool.
func (c *call) release() (naming.Result, error) {
	result, err := c.result, c.err
	c.cmd, c.result, c.err, c.durable, c.confirmed, c.then = nil, naming.Result{}, nil, false, false, nil
	c.state.Store(callOpen)
	c.pool.Put(c)
	return result, err
}

// States of a call.
const (
	callOpen int32 = iota
	callAnswered
	callAwaited // nobody answered before the caller began to wait
)
