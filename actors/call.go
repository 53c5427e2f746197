package actors

import (
	"sync"
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
	done   chan struct{} // capacity 1: the grain never waits
	timer  *time.Timer

	durable bool // the command wrote something down
}

var calls = sync.Pool{New: func() any {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &call{done: make(chan struct{}, 1), timer: t}
}}

func newCall(cmd naming.Command) *call {
	c := calls.Get().(*call)
	c.cmd = cmd
	return c
}

// release returns a call that was answered to the pool.
func (c *call) release() {
	c.cmd, c.result, c.err, c.durable = nil, naming.Result{}, nil, false
	calls.Put(c)
}

// answer ends the call; the grain must not touch it afterwards.
func (c *call) answer() { c.done <- struct{}{} }
