package node

import (
	"testing"
	"time"

	"nactor/cluster"
)

func TestObsolete(t *testing.T) {
	const patience = 10 * time.Minute
	long := patience + time.Second
	for _, c := range []struct {
		what   string
		v      voter
		voters int
		gone   bool
	}{
		{"it is here", voter{status: cluster.Alive, listed: true, lists: true}, 5, false},
		{"it is doubted, at an address that another one has", voter{status: cluster.Suspect, replaced: true}, 5, false},
		{"an operator has removed it", voter{removed: true, status: cluster.Failed, listed: true, lists: true}, 3, true},
		{"it was removed and is back", voter{removed: true, status: cluster.Alive, listed: true, lists: true}, 3, true},
		{"another one has its place", voter{status: cluster.Failed, replaced: true, listed: true, lists: true}, 3, true},
		{"the same, after the leader was restarted", voter{replaced: true, listed: true, lists: true}, 3, true},
		{"just failed", voter{status: cluster.Failed, lists: true}, 5, false},
		{"just failed, without a list", voter{status: cluster.Failed}, 5, false},
		{"left and listed", voter{status: cluster.Left, listed: true, lists: true}, 5, false},
		{"left and not listed", voter{status: cluster.Left, lists: true}, 3, true},
		{"failed long ago, enough are left", voter{status: cluster.Failed, gone: long, listed: true, lists: true}, 4, true},
		{"failed long ago, one of three", voter{status: cluster.Failed, gone: long, listed: true, lists: true}, 3, false},
		{"failed long ago, one of three, taken off the list", voter{status: cluster.Failed, gone: long, lists: true}, 3, true},
		{"failed long ago, one of three, without a list", voter{status: cluster.Failed, gone: long}, 3, false},
		{"never seen, yet", voter{gone: patience, lists: true}, 5, false},
		{"never seen, enough are left", voter{gone: long, listed: true, lists: true}, 4, true},
		{"never seen, one of three", voter{gone: long, listed: true, lists: true}, 3, false},
		{"never seen, one of three, taken off the list", voter{gone: long, lists: true}, 3, true},
	} {
		if reason := c.v.obsolete(c.voters, patience); (reason != "") != c.gone {
			t.Errorf("%s: %q", c.what, reason)
		}
	}
}

func TestRemovedNodes(t *testing.T) {
	r, err := decodeRemoved(nil, 0)
	if err != nil || r.find("a") != nil {
		t.Fatal(r, err)
	}
	at := time.Date(2026, 5, 4, 13, 1, 2, 0, time.UTC)
	for i, id := range []string{"a", "b", "a"} {
		value, err := r.with([]removedNode{{ID: id, Address: "10.0.0.3:8848", At: at.Add(time.Duration(i) * time.Hour)}})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 && string(value) != `[{"id":"a","address":"10.0.0.3:8848","at":"2026-05-04T13:01:02Z"}]` {
			t.Errorf("the format in the store has changed: %s", value)
		}
		if r, err = decodeRemoved(value, uint64(i+1)); err != nil {
			t.Fatal(err)
		}
	}
	if a := r.find("a"); len(r.list) != 2 || r.version != 3 || a == nil || !a.At.Equal(at.Add(2*time.Hour)) {
		t.Errorf("%+v", r)
	}
	many := make([]removedNode, maxRemoved+5)
	value, err := r.with(many)
	if err != nil {
		t.Fatal(err)
	}
	if r, err = decodeRemoved(value, 4); err != nil || len(r.list) != maxRemoved {
		t.Errorf("%d are kept, %v", len(r.list), err)
	}
	if _, err := decodeRemoved([]byte("{"), 5); err == nil {
		t.Error("what cannot be read is no error")
	}
}
