package persistence

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nactor/naming"
)

func TestBeforeThereIsACluster(t *testing.T) {
	c := &testCluster{t: t, addrs: map[string]string{}}
	n := c.add(t.TempDir(), func(o *RaftOptions) { o.Patience = 100 * time.Millisecond })
	if err := commitTo(n, instanceRec(svc, 1)); naming.KindOf(err) != naming.KindUnavailable || !strings.Contains(err.Error(), "not a member of a cluster yet") {
		t.Error(err)
	}
	if n.HasState() || n.CaughtUp() || n.IsLeader() || len(n.Peers()) != 0 || n.VerifyLeader() == nil {
		t.Errorf("%+v", n.Status())
	}
	if _, ok := n.Leader(); ok {
		t.Error("there is a leader")
	}
	me := Server{n.NodeID(), n.addr}
	for what, servers := range map[string][]Server{
		"nobody": nil, "others": {{"x", "a:1"}}, "twice": {me, me}, "no address": {me, {"x", ""}}, "no id": {me, {"", "a:1"}},
	} {
		if err := n.Bootstrap(servers); naming.KindOf(err) != naming.KindInvalid {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := n.Bootstrap([]Server{me}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a write", func() bool { return commitTo(n, instanceRec(svc, 1)) == nil })
	eventually(t, "caught up", n.CaughtUp)
	if err := n.Remove(t.Context(), me.ID); naming.KindOf(err) != naming.KindInvalid {
		t.Errorf("the last one: %v", err)
	}
	if s := n.Status(); s.State != "Leader" || s.Leader != me || s.Term == 0 || s.AppliedIndex == 0 || s.CommitIndex < s.AppliedIndex || !reflect.DeepEqual(s.Peers, []Server{me}) || s.Err != nil {
		t.Errorf("%+v", s)
	}
}

// Batches of a node are made in order; every caller gets one answer; a full queue, and what
// is too large, are refused at once.
func TestQueueOfAMember(t *testing.T) {
	c := newTestCluster(t, 3, func(o *RaftOptions) { calm(o); o.Patience = 20 * time.Second }) // megabytes, under the race detector
	n := c.follower()
	mustCommitTo(t, n, instanceRec(svc, 0))
	var large []naming.Record
	for i := range 10 {
		r := instanceRec(svc, i)
		r.Instance.Metadata = naming.MetadataOf(map[string]string{"k": strings.Repeat("x", 1<<20)})
		large = append(large, r)
	}
	if err := commitTo(n, large...); naming.KindOf(err) != naming.KindInvalid {
		t.Errorf("a large batch: %v", err)
	}
	mustCommitTo(t, n, large[:5]...)

	held, release := make(chan struct{}), make(chan struct{})
	n.Commit(nil, func(error) { close(held); <-release })
	<-held
	const more = 9
	var last, ok, refused atomic.Int64
	var answers sync.WaitGroup
	answers.Add(queueLength + more)
	for i := range queueLength + more {
		r := serviceRec(svc, i)
		n.Commit([]naming.Record{r}, func(err error) {
			switch {
			case err == nil:
				if int(last.Swap(int64(i))) > i {
					t.Error("answers are out of order")
				}
				ok.Add(1)
			case naming.KindOf(err) == naming.KindUnavailable:
				refused.Add(1)
			default:
				t.Error(err)
			}
			answers.Done()
		})
	}
	if refused.Load() != more {
		t.Errorf("%d were refused at once, want %d", refused.Load(), more)
	}
	close(release)
	answers.Wait()
	if ok.Load() != queueLength {
		t.Errorf("%d were written", ok.Load())
	}
	s, _ := n.Saved(svc)
	if want := serviceRec(svc, queueLength-1).Service; !reflect.DeepEqual(s.Meta, want) {
		t.Errorf("%+v is not the last one's", s.Meta)
	}
}

// A follower without space takes nothing, harms nothing, and comes back by itself.
func TestFullDiskOfAFollower(t *testing.T) {
	var full sync.Map
	c := newTestCluster(t, 3, func(o *RaftOptions) {
		dir := o.Dir
		o.Fatal = func(err error) { t.Errorf("fatal: %v", err) }
		o.FreeSpace = func(string) (int64, error) {
			if _, ok := full.Load(dir); ok {
				return 1, nil
			}
			return 1 << 40, nil
		}
	})
	leader, n := c.leader(), c.follower()
	mustCommitTo(t, leader, instanceRec(svc, 1))
	c.agree(servicesOn(t, leader))
	full.Store(n.dir, true)
	for i := range 10 {
		mustCommitTo(t, leader, instanceRec(svc, 10+i))
	}
	if s, _ := n.Saved(svc); len(s.Instances) != 1 {
		t.Errorf("it took %d", len(s.Instances)-1)
	}
	if err := commitTo(n, instanceRec(svc, 2)); !strings.Contains(fmt.Sprint(err), "disk is full") {
		t.Error(err)
	}
	full.Delete(n.dir)
	c.agree(servicesOn(t, leader))
}

func TestSaved(t *testing.T) {
	b := open(t, t.TempDir())
	near := svc
	near.Name += "!"
	mustCommit(t, b, instanceRec(svc, 1), instanceRec(svc, 2), overlayRec(svc, 3), instanceRec(near, 4), serviceRec(near, 1))
	want := services(t, b)
	for _, k := range []naming.Key{svc, near} {
		if got, ok := b.Saved(k); !ok || !reflect.DeepEqual(got, want[k]) {
			t.Errorf("%+v, want %+v", got, want[k])
		}
	}
	if got, ok := b.Saved(naming.Key{Namespace: "a", Group: "b", Name: "c"}); ok {
		t.Errorf("%+v", got)
	}
	closeStore(t, b)
	if _, ok := b.Saved(svc); ok {
		t.Error("a closed store reads")
	}
}

func TestDocuments(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	b := open(t, dir)
	var told []uint64
	b.OnDocument(func(name string, value []byte, version uint64) { told = append(told, version) })
	for i := range uint64(3) {
		if v, err := b.PutDocument(ctx, "d", i, []byte{byte(i)}); v != i+1 || err != nil {
			t.Fatal(v, err)
		}
	}
	for _, v := range []uint64{0, 2, 9} {
		if _, err := b.PutDocument(ctx, "d", v, nil); !errors.Is(err, ErrConflict) {
			t.Errorf("version %d: %v", v, err)
		}
	}
	for _, d := range []struct {
		name string
		size int
	}{{"", 0}, {strings.Repeat("x", maxDocumentName+1), 0}, {"a\x00", 0}, {"e", maxDocument + 1}} {
		if _, err := b.PutDocument(ctx, d.name, 0, make([]byte, d.size)); naming.KindOf(err) != naming.KindInvalid {
			t.Errorf("%.9q, %d bytes: %v", d.name, d.size, err)
		}
	}
	if !reflect.DeepEqual(told, []uint64{1, 2, 3}) {
		t.Error(told)
	}
	closeStore(t, b)
	b = open(t, dir)
	if value, v, err := b.Document("d"); v != 3 || len(value) != 1 || value[0] != 2 || err != nil {
		t.Error(value, v, err)
	}
	if _, v, err := b.Document("e"); v != 0 || err != nil {
		t.Error(v, err)
	}
	closeStore(t, b)
	if _, err := b.PutDocument(ctx, "d", 3, nil); naming.KindOf(err) != naming.KindUnavailable {
		t.Error(err)
	}
}
