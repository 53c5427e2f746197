package grpc

import (
	"container/heap"
	"time"

	"nactor/naming"
)

const (
	ackTime   = 5 * time.Second // for a client to answer a push (Nacos: nacos.naming.push.pushTaskTimeout)
	retryTime = time.Second     // then, until the state is pushed again (pushTaskRetryDelay)

	// A change after a quiet time is pushed at once. What changes soon after a push is gathered
	// for as long as a connection takes that carries pushRate of each service: not less than
	// minGather, not more than the push window (Nacos gathers always, and for all of it). So
	// small services are pushed soon, and a large one that changes all the time does not fill
	// the network.
	minGather         = 10 * time.Millisecond
	pushRate          = 1 << 20 // bytes a second
	defaultPushWindow = 500 * time.Millisecond
)

// gather returns for how long changes of a service are gathered after a push of size bytes.
func gather(size int, window time.Duration) time.Duration {
	return min(max(minGather, time.Duration(size)*time.Second/pushRate), window)
}

// subscription is what a client is to be told of a service: the newest state, however many
// there were.
type subscription struct {
	key      naming.Key
	clusters string
	dirty    bool      // there is a newer state
	pushed   string    // id of the push that waits for an answer
	sent     time.Time // when it was pushed
	until    time.Time // it waits until then
	calm     time.Time // the next is not pushed before
	last     int64     // lastRefTime of what it was told, ms
	place    int       // in the agenda; -1: nothing is to be done
}

// at returns when something is to be done.
func (s *subscription) at() time.Time {
	if s.pushed != "" {
		return s.until
	}
	return s.calm
}

// agenda holds the subscriptions of a client for which something is to be done, the next one
// first: a client may have thousands. It implements [heap.Interface].
type agenda []*subscription

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].at().Before(a[j].at()) }
func (a agenda) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].place, a[j].place = i, j
}

func (a *agenda) Push(s any) {
	sub := s.(*subscription)
	sub.place = len(*a)
	*a = append(*a, sub)
}

func (a *agenda) Pop() any {
	last := len(*a) - 1
	sub := (*a)[last]
	(*a)[last] = nil
	*a = (*a)[:last]
	sub.place = -1
	return sub
}

// put gives a subscription the place that its state asks for.
func (a *agenda) put(s *subscription) {
	switch wanted := s.pushed != "" || s.dirty; {
	case wanted && s.place < 0:
		heap.Push(a, s)
	case wanted:
		heap.Fix(a, s.place)
	case s.place >= 0:
		heap.Remove(a, s.place)
	}
}
