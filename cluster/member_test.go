package cluster

import (
	"testing"
	"time"
)

// A node that has died and the one that took its place have one address.
func TestAtFindsWhoIsUp(t *testing.T) {
	dead := &Member{ID: "a", Process: "a-1", Host: "10.0.0.1", HTTPPort: 8848, Status: Failed}
	up := &Member{ID: "b", Process: "b-1", Host: "10.0.0.1", HTTPPort: 8848, Status: Alive}
	late := &Member{ID: "c", Process: "c-1", Host: "10.0.0.1", HTTPPort: 8848, Status: Left}
	if got := newMembers([]*Member{dead, up, late}).At("10.0.0.1:8848"); got != up {
		t.Errorf("%+v", got)
	}
	if got := newMembers([]*Member{dead}).At("10.0.0.1:8848"); got != dead {
		t.Errorf("%+v", got)
	}
	if got := newMembers([]*Member{dead}).At("10.0.0.2:8848"); got != nil {
		t.Errorf("%+v", got)
	}
}

// When a member last was alive does not move while it is dead, whatever happens to others.
func TestSeen(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	var known *Members
	for i, step := range []struct {
		process string
		status  Status
		want    time.Time
	}{
		{"a-1", Failed, time.Time{}}, // nobody here has seen it alive
		{"a-2", Alive, at(1)},
		{"a-2", Alive, at(2)},
		{"a-2", Suspect, at(3)},
		{"a-2", Failed, at(3)},
		{"a-2", Failed, at(3)},
		{"a-2", Alive, at(6)},
		{"a-3", Failed, time.Time{}},
	} {
		m := &Member{ID: "a", Process: step.process, Status: step.status}
		m.Seen = seen(known, m, at(i))
		if !m.Seen.Equal(step.want) {
			t.Errorf("step %d: %v, want %v", i, m.Seen, step.want)
		}
		known = newMembers([]*Member{m})
	}
}
