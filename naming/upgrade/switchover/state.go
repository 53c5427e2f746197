package switchover

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Mode is the logic that a cluster goes by.
type Mode uint8

// The modes.
const (
	V1 Mode = 1 // the 1.x structure serves
	V2 Mode = 2 // the 2.0 structure serves
)

// String returns "v1" or "v2", or "" for the zero mode, which is not known.
func (m Mode) String() string {
	if m == 0 {
		return ""
	}
	return "v" + strconv.Itoa(int(m))
}

// MarshalText implements [encoding.TextMarshaler].
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (m *Mode) UnmarshalText(b []byte) error {
	switch string(b) {
	case "":
		*m = 0
	case "v1":
		*m = V1
	case "v2":
		*m = V2
	default:
		return fmt.Errorf("mode %q is neither v1 nor v2", b)
	}
	return nil
}

// State is what a cluster has decided. The store holds it; each change is a new epoch.
type State struct {
	Epoch       uint64    `json:"epoch"`
	Mode        Mode      `json:"mode"`
	DoubleWrite bool      `json:"doubleWrite"`
	DecidedAt   time.Time `json:"decidedAt,omitzero"` // zero: nothing was decided yet
	Cause       string    `json:"cause"`
}

// Initial is the state of a cluster that has not decided anything yet.
func Initial() State {
	return State{Mode: V1, DoubleWrite: true, Cause: "a new cluster begins with the logic of 1.X"}
}

// Closed reports whether double write has been closed, which is for good.
func (s State) Closed() bool { return !s.DoubleWrite }

// Same reports whether both are the same decision.
func (s State) Same(o State) bool {
	return s.Epoch == o.Epoch && s.Mode == o.Mode && s.DoubleWrite == o.DoubleWrite
}

// next returns the state after a decision.
func (s State) next(mode Mode, doubleWrite bool, at time.Time, cause string) State {
	return State{Epoch: s.Epoch + 1, Mode: mode, DoubleWrite: doubleWrite, DecidedAt: at.UTC().Truncate(time.Millisecond), Cause: cause}
}

// Encode returns the state as the store holds it.
func (s State) Encode() []byte {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // the type has nothing that could fail
	}
	return b
}

// Decode is the inverse of Encode. Nothing at all is the initial state. What is missing or
// cannot be is an error: half a state would close double write, which is for good.
func Decode(b []byte) (State, error) {
	if len(b) == 0 {
		return Initial(), nil
	}
	var s State
	must := struct {
		*State
		Epoch       *uint64 `json:"epoch"`
		DoubleWrite *bool   `json:"doubleWrite"`
	}{State: &s}
	if err := json.Unmarshal(b, &must); err != nil {
		return State{}, fmt.Errorf("read the state of the upgrade: %w", err)
	}
	if must.Epoch == nil || s.Mode == 0 || must.DoubleWrite == nil {
		return State{}, errors.New("read the state of the upgrade: epoch, mode or doubleWrite is missing")
	}
	s.Epoch, s.DoubleWrite = *must.Epoch, *must.DoubleWrite
	if first := Initial(); s.Mode == V1 && s.Closed() || s.Epoch == 0 && (s.Mode != first.Mode || s.Closed()) {
		return State{}, fmt.Errorf("read the state of the upgrade: mode %s with double write %v at epoch %d cannot be", s.Mode, s.DoubleWrite, s.Epoch)
	}
	return s, nil
}

// Old reports whether a Nacos version is below 2.0. One that is not known is not: Nacos
// downgrades by it, and so whenever it has not heard of a member yet.
func Old(version string) bool {
	n, ok := major(version)
	return ok && n < 2
}

// known reports whether a version tells 1.X from 2.X.
func known(version string) bool {
	_, ok := major(version)
	return ok
}

func major(version string) (int, bool) {
	s, _, _ := strings.Cut(version, ".")
	n, err := strconv.Atoi(s)
	return n, err == nil
}
