package actors

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"nactor/naming"
)

// Questions matches the answers of other nodes to the questions they were asked.
type Questions struct {
	mu      sync.Mutex
	last    uint64
	waiting map[uint64]chan proto.Message // capacity 1
}

// Bounds of questions.
const (
	AskTime  = 2 * time.Second
	maxAsked = 64 // at once
)

// NewQuestions returns an empty set of questions. They are numbered from anywhere, so that
// an answer to an earlier life of this node answers none of this one's.
func NewQuestions() *Questions {
	return &Questions{last: rand.Uint64() >> 1, waiting: map[uint64]chan proto.Message{}}
}

// Ask sends a question to a node and returns the answer. Kind [naming.KindUnavailable] when
// there is none within [AskTime], or too many questions wait.
func (q *Questions) Ask(ctx context.Context, to string, send func(id uint64)) (proto.Message, error) {
	answer := make(chan proto.Message, 1)
	q.mu.Lock()
	if len(q.waiting) >= maxAsked {
		q.mu.Unlock()
		return nil, naming.Unavailable("%d questions to other nodes are waiting; try again later", maxAsked)
	}
	q.last++
	id := q.last
	q.waiting[id] = answer
	q.mu.Unlock()
	defer func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		delete(q.waiting, id)
	}()
	ctx, cancel := context.WithTimeout(ctx, AskTime)
	defer cancel()
	send(id)
	select {
	case m := <-answer:
		return m, nil
	case <-ctx.Done():
		return nil, naming.Unavailable("node %s did not answer in time: %w", to, ctx.Err())
	}
}

// Answer hands over the answer to a question; one that nobody waits for is dropped.
func (q *Questions) Answer(id uint64, m proto.Message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if c := q.waiting[id]; c != nil {
		delete(q.waiting, id)
		c <- m
	}
}
