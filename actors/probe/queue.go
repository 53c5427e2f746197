package probe

import (
	"container/heap"
	"time"
)

// queue holds the targets that wait for their next check, the earliest first. Its length is
// bounded by what is watched.
type queue struct{ heap dueHeap }

func (q *queue) push(t *target, due time.Duration) {
	t.due = due
	heap.Push(&q.heap, t)
}

// first returns the earliest target, or nil.
func (q *queue) first() *target {
	if len(q.heap) == 0 {
		return nil
	}
	return q.heap[0]
}

// remove takes t out; it need not be in.
func (q *queue) remove(t *target) {
	if t.index >= 0 {
		heap.Remove(&q.heap, t.index)
	}
}

type dueHeap []*target

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].due < h[j].due }

func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *dueHeap) Push(x any) {
	t := x.(*target)
	t.index = len(*h)
	*h = append(*h, t)
}

func (h *dueHeap) Pop() any {
	last := len(*h) - 1
	t := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	t.index = -1
	return t
}
