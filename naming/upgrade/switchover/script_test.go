package switchover_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"nactor/naming"
	"nactor/naming/upgrade/switchover"
)

var update = flag.Bool("update", false, "write what the scenarios do now into testdata")

// Scenarios are text: commands, a line of dashes, what they print, an empty line. A file is
// the life of one coordinator, which "coordinator" begins anew. Run with -update to accept
// new output. The commands:
//
//	members a=2.0.3 b#2=1.4.2:down c=?   who is here; #2: its second process; ?: no version
//	ready a b [epoch=1]                  regular reports that say ready
//	without a b                          from now on these expect no 1.X; nobody: all do
//	answer a b [round=7]                 answers to the last question, or to another
//	refuse a [epoch=1] [round=7] why     a report that says not ready
//	store 1 v2 on                        what the store holds
//	failed, close, step, pass 5s, explain
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(want))
			switch {
			case got == string(want):
			case *update:
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			default:
				t.Errorf("%s: got\n%s", file, firstDifference(got, string(want)))
			}
		})
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range g {
		if i >= len(w) || g[i] != w[i] {
			return fmt.Sprintf("line %d: %q\nwant    %q", i+1, g[i], append(w, make([]string, len(g))...)[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}

func play(t *testing.T, text string) string {
	s := &stage{t: t, c: switchover.New(switchover.DefaultRules(), 0)}
	var out []string
	for block := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		input, _, _ := strings.Cut(block, "\n----")
		s.out.Reset()
		ran := false
		for line := range strings.SplitSeq(input, "\n") {
			if line != "" && !strings.HasPrefix(line, "#") {
				s.line(line)
				ran = true
			}
		}
		if ran {
			input += "\n----\n" + strings.TrimRight(s.out.String(), "\n")
		}
		out = append(out, strings.TrimSpace(input))
	}
	return strings.Join(out, "\n\n") + "\n"
}

// stage has one coordinator and its clock.
type stage struct {
	t       *testing.T
	out     bytes.Buffer
	c       *switchover.Coordinator
	now     naming.Instant
	asked   uint64
	without []string // ids of members that expect no 1.X
}

// at is the time for people.
func (s *stage) at() time.Time { return time.Unix(1_600_000_000, 0).Add(time.Duration(s.now)) }

func (s *stage) line(line string) {
	f := strings.Fields(line)
	switch verb, rest := f[0], f[1:]; verb {
	case "coordinator":
		s.c = switchover.New(switchover.DefaultRules(), s.asked)
	case "members":
		s.c.Members(s.now, s.members(rest))
	case "ready":
		s.report(rest, 0, true)
	case "without":
		s.without = rest
	case "answer":
		s.report(rest, s.asked, true)
	case "refuse":
		s.report(rest, 0, false)
	case "store":
		epoch, mode := s.number(rest[0]), switchover.Mode(0)
		if err := mode.UnmarshalText([]byte(rest[1])); err != nil {
			s.t.Fatal(err)
		}
		s.c.Committed(s.now, switchover.State{Epoch: epoch, Mode: mode, DoubleWrite: rest[2] == "on", Cause: "as told", DecidedAt: s.at()})
	case "failed":
		s.c.Failed(s.now)
	case "pass":
		d, err := time.ParseDuration(rest[0])
		if err != nil {
			s.t.Fatal(err)
		}
		s.now = s.now.Add(d)
	case "close":
		switch st, err := s.c.Close(s.now, s.at()); {
		case err != nil:
			kind := map[naming.Kind]string{naming.KindInvalid: "invalid:", naming.KindUnavailable: "unavailable:"}[naming.KindOf(err)]
			fmt.Fprintln(&s.out, kind, err)
		case st == nil:
			fmt.Fprintln(&s.out, "closed already")
		default:
			s.commit(st)
		}
	case "step":
		s.step()
	case "explain":
		b, err := json.MarshalIndent(s.c.Explain(s.now), "", "  ")
		if err != nil {
			s.t.Fatal(err)
		}
		fmt.Fprintln(&s.out, string(b))
	default:
		s.t.Fatalf("unknown line %q", line)
	}
}

func (s *stage) number(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// who reads "b#2": the second process of b.
func who(text string) (id, process string) {
	id, process, ok := strings.Cut(text, "#")
	if !ok {
		process = "1"
	}
	return id, process
}

func (s *stage) members(words []string) (out []switchover.Member) {
	for _, w := range words {
		name, version, _ := strings.Cut(w, "=")
		version, status, down := strings.Cut(version, ":")
		id, process := who(name)
		if version == "?" {
			version = ""
		}
		out = append(out, switchover.Member{ID: id, Address: id + ":8848", Process: process, Version: version, Status: status, Up: !down})
	}
	return out
}

func (s *stage) report(words []string, round uint64, ready bool) {
	st, _ := s.c.State()
	epoch := st.Epoch
	var from, why []string
	for _, w := range words {
		key, value, ok := strings.Cut(w, "=")
		switch {
		case ok && key == "epoch":
			epoch = s.number(value)
		case ok && key == "round":
			round = s.number(value)
		case !ready && len(from) > 0:
			why = append(why, w)
		default:
			from = append(from, w)
		}
	}
	for _, f := range from {
		r := switchover.Report{Applied: switchover.Initial(), Round: round, Ready: ready, Services: 3}
		r.Node, r.Process = who(f)
		r.Without1X = slices.Contains(s.without, r.Node)
		r.Applied.Epoch = epoch
		if epoch > 0 {
			r.Applied = st
			r.Applied.Epoch = epoch
		}
		if len(why) > 0 {
			r.Reasons = []string{strings.Join(why, " ")}
		}
		s.c.Report(s.now, r)
	}
}

// step prints what is to be done, and where the cluster stands.
func (s *stage) step() {
	a := s.c.Step(s.now, s.at())
	if a.Ask != 0 {
		s.asked = a.Ask
		fmt.Fprintln(&s.out, "ask", a.Ask)
	}
	s.commit(a.Commit)
	if a.Follow {
		fmt.Fprintln(&s.out, "remind those who have not followed")
	}
	if a.Settled != nil {
		fmt.Fprintf(&s.out, "all follow epoch %d after %v\n", a.Settled.Epoch, a.Took)
	}
	fmt.Fprintln(&s.out, s.c.Phase())
	for _, w := range s.c.WaitsFor(s.now) {
		fmt.Fprintln(&s.out, " ", w)
	}
}

func (s *stage) commit(st *switchover.State) {
	if st != nil {
		on := map[bool]string{true: "on", false: "off"}[st.DoubleWrite]
		fmt.Fprintf(&s.out, "commit %d %s %s: %s\n", st.Epoch, st.Mode, on, st.Cause)
	}
}
