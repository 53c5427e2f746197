package upgrade

import (
	"reflect"
	"testing"
	"time"

	"nactor/naming/upgrade/switchover"
)

// All that a node says of itself arrives. A word of an older node, which does not know the
// field, is that it expects 1.X: what closes nothing.
func TestReportOnTheWire(t *testing.T) {
	want := switchover.Report{
		Node: "n", Process: "p", Applied: switchover.Initial(), Round: 7, Ready: true, Reasons: []string{"one", "two"}, Without1X: true,
		Services: 3, Pending: 2, OldestPending: time.Second, Differing: []switchover.Differing{{Service: "s", Differences: []string{"d"}}},
	}
	for field := range reflect.TypeFor[switchover.Report]().Fields() {
		if reflect.ValueOf(want).FieldByIndex(field.Index).IsZero() {
			t.Errorf("the test does not set %s", field.Name)
		}
	}
	m := toReport(want)
	got, err := fromReport("n", m)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
	m.Without_1X = false
	if got, err := fromReport("n", m); err != nil || got.Without1X {
		t.Errorf("got %+v, %v", got, err)
	}
}
