package switchover_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nactor/naming/upgrade/switchover"
)

func TestOld(t *testing.T) {
	for version, want := range map[string]bool{
		"1.4.2": true, "1.4.2-SNAPSHOT": true, "1": true, "0.8.0": true,
		"2.0.0": false, "2": false, "2.0.3-nactor": false, "3.1.0": false, "10.0.0": false,
		"": false, "?": false, "unknown": false, "v1.4.2": false, "1-4": false,
	} {
		if got := switchover.Old(version); got != want {
			t.Errorf("Old(%q) = %v, want %v", version, got, want)
		}
	}
}

func TestInitial(t *testing.T) {
	s, err := switchover.Decode(nil)
	if err != nil || s != switchover.Initial() || s.Mode != switchover.V1 || s.Closed() || s.Epoch != 0 {
		t.Errorf("nothing in the store is %+v, %v", s, err)
	}
}

// A state that cannot be told from half of one would close double write, which is for good.
func TestDecodeRefuses(t *testing.T) {
	for text, why := range map[string]string{
		`{}`:                               "missing",
		`null`:                             "missing",
		`[]`:                               "cannot unmarshal",
		`{"epoch":1,`:                      "unexpected end",
		`{"mode":"v2","doubleWrite":true}`: "missing",
		`{"epoch":1,"doubleWrite":true}`:   "missing",
		`{"epoch":1,"mode":"","doubleWrite":true}`:                       "missing",
		`{"epoch":1,"mode":"v2"}`:                                        "missing",
		`{"epoch":1,"mode":"v2","doubleWrite":null}`:                     "missing",
		`{"epoch":1,"mode":"v3","doubleWrite":true}`:                     "neither",
		`{"epoch":-1,"mode":"v2","doubleWrite":true}`:                    "cannot unmarshal",
		`{"epoch":1,"mode":"v1","doubleWrite":false}`:                    "cannot be",
		`{"epoch":0,"mode":"v2","doubleWrite":true}`:                     "cannot be",
		`{"epoch":0,"mode":"v1","doubleWrite":false}`:                    "cannot be",
		`{"epoch":1,"mode":"v2","doubleWrite":true,"decidedAt":"today"}`: "parsing time",
		`{"epoch":1,"mode":"v2","doubleWrite":true} {}`:                  "after top-level value",
	} {
		if s, err := switchover.Decode([]byte(text)); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("Decode(%s) = %+v, %v; want an error with %q", text, s, err, why)
		}
	}
}

func TestEncodeDecode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := switchover.State{
			Epoch: rapid.Uint64().Draw(t, "epoch"),
			Mode:  rapid.SampledFrom([]switchover.Mode{switchover.V1, switchover.V2}).Draw(t, "mode"),
			Cause: rapid.String().Draw(t, "cause"), DoubleWrite: rapid.Bool().Draw(t, "doubleWrite"),
			DecidedAt: time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "decidedAt")).UTC(),
		}
		got, err := switchover.Decode(s.Encode())
		switch impossible := s.Mode == switchover.V1 && s.Closed() || s.Epoch == 0 && s.Mode == switchover.V2; {
		case impossible && err == nil:
			t.Fatalf("%+v was read as %+v", s, got)
		case !impossible && (err != nil || got != s):
			t.Fatalf("%+v was read as %+v, %v", s, got, err)
		}
	})
}

// Whatever is in the store: an error, or a state that can be written again, and that is safe
// to go by.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(switchover.Initial().Encode())
	f.Add(switchover.State{Epoch: 7, Mode: switchover.V2, DoubleWrite: true, Cause: "all 3 members are ready", DecidedAt: time.UnixMilli(1)}.Encode())
	f.Add([]byte(`{"epoch":2,"mode":"v2","doubleWrite":false}`))
	f.Add([]byte(`{"Epoch":2,"EPOCH":3,"mode":"v2","MODE":"v1","doublewrite":true,"epoch":null}`))
	f.Add([]byte(`{"epoch":1,"mode":"v2","doubleWrite":true,"decidedAt":"0000-01-01T00:00:00+23:59","cause":"\ud800"}`))
	f.Add([]byte(`{"epoch":18446744073709551616,"mode":"v1","doubleWrite":true}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := switchover.Decode(b)
		if err != nil {
			if s != (switchover.State{}) {
				t.Fatalf("%v, and yet %+v", err, s)
			}
			return
		}
		if s.Mode != switchover.V1 && s.Mode != switchover.V2 || s.Closed() && (s.Mode != switchover.V2 || s.Epoch == 0) {
			t.Fatalf("%q was read as %+v", b, s)
		}
		again, err := switchover.Decode(s.Encode())
		if err != nil || !again.Same(s) || !again.DecidedAt.Equal(s.DecidedAt) || again.Cause != s.Cause {
			t.Fatalf("%+v was read again as %+v, %v", s, again, err)
		}
	})
}

func TestMode(t *testing.T) {
	for _, m := range []switchover.Mode{0, switchover.V1, switchover.V2} {
		b, err := json.Marshal(m)
		var got switchover.Mode
		if err := json.Unmarshal(b, &got); err != nil || got != m {
			t.Errorf("%s was read as %v, %v", b, got, err)
		}
		if err != nil {
			t.Error(err)
		}
	}
}

func TestSame(t *testing.T) {
	s := switchover.State{Epoch: 3, Mode: switchover.V2, DoubleWrite: true}
	told := s
	told.Cause, told.DecidedAt = "another word", time.Unix(1, 0)
	if !s.Same(told) {
		t.Error("the words make no difference")
	}
	for _, o := range []switchover.State{{Epoch: 4, Mode: switchover.V2, DoubleWrite: true}, {Epoch: 3, Mode: switchover.V1, DoubleWrite: true}, {Epoch: 3, Mode: switchover.V2}} {
		if s.Same(o) {
			t.Errorf("%+v is another decision", o)
		}
	}
}

// What the coordinator explains is the caller's: it may be changed, and does not change.
func TestExplanationIsTheCallers(t *testing.T) {
	c := switchover.New(switchover.DefaultRules(), 0)
	c.Members(0, []switchover.Member{{ID: "a", Process: "1", Version: "2.0.3", Up: true}})
	c.Report(0, switchover.Report{Node: "a", Process: "1", Reasons: []string{"one"}, Differing: []switchover.Differing{{Service: "s"}}})
	e := c.Explain(0)
	e.Members[0].Reasons[0], e.Members[0].Differing[0].Service = "mine", "mine"
	*e.Members[0].Ready = true
	if m := c.Explain(0).Members[0]; m.Reasons[0] != "one" || m.Differing[0].Service != "s" || *m.Ready {
		t.Errorf("the coordinator now says %+v", m)
	}
}
