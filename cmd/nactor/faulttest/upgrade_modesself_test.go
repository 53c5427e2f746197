package faulttest

import (
	"slices"
	"testing"
	"time"
)

// The watcher of the modes finds what is wrong, and nothing else.
func TestModes(t *testing.T) {
	// say is a sample: a node, a time, whether it goes by 2.0, the epoch that it knows.
	say := func(node int, when float64, upgraded bool, epoch int) modeSample {
		mode := map[bool]string{true: "v2", false: "v1"}[epoch%2 == 1]
		return modeSample{node: node, call: at(when), ret: at(when + 0.01), upgraded: upgraded, epoch: epoch, mode: mode, double: true}
	}
	// both has two nodes say something every 100 ms; the second changes later by a time.
	both := func(behind float64) (out []modeSample) {
		for i := range 60 {
			when := float64(i) / 10
			out = append(out, say(0, when, when >= 2, map[bool]int{true: 1}[when >= 2]), say(1, when+0.05, when >= 2+behind, map[bool]int{true: 1}[when >= 2+behind]))
		}
		return out
	}
	for name, c := range map[string]struct {
		samples  []modeSample
		troubles []trouble
		absences []absence
		apart    time.Duration // about
		wrong    bool
	}{
		"together":                   {samples: both(0)},
		"a little apart":             {samples: both(0.5), apart: 500 * time.Millisecond},
		"too long apart":             {samples: both(1.5), apart: 1500 * time.Millisecond, wrong: true},
		"apart, and cut":             {samples: both(1.5), troubles: []trouble{{from: at(1), to: at(3), side: map[int]int{1: 1}}}},
		"apart long after the cut":   {samples: both(3), troubles: []trouble{{from: at(0), to: at(0.5), side: map[int]int{1: 1}}}, apart: 3 * time.Second, wrong: true},
		"apart, and down":            {samples: both(1.5), absences: []absence{{node: 1, from: at(1), to: at(4)}}},
		"an epoch goes back":         {samples: []modeSample{say(0, 1, true, 3), say(0, 2, true, 1)}, wrong: true},
		"an epoch means two things":  {samples: []modeSample{say(0, 1, true, 1), {node: 1, call: at(2), ret: at(2), upgraded: true, epoch: 1, mode: "v1", double: true}}, wrong: true},
		"one that explains nothing":  {samples: []modeSample{say(0, 1, true, 3), {node: 0, call: at(2), ret: at(2), upgraded: true, epoch: -1}}},
		"a node that has gone":       {samples: append([]modeSample{say(2, 0, false, 0)}, both(0)...)},
		"a third one is never heard": {samples: slices.Concat(both(0), []modeSample{say(2, 7, true, 1)})},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHistory()
			h.troubles, h.absences = c.troubles, c.absences
			m := &modes{history: h, samples: c.samples}
			slices.SortStableFunc(m.samples, func(a, b modeSample) int { return int(a.ret - b.ret) })
			wrong, apart := m.verdict()
			if (len(wrong) > 0) != c.wrong || apart < c.apart-modeEvery || apart > c.apart+modeEvery {
				t.Errorf("wrong: %v, apart for %v", wrong, apart)
			}
		})
	}
}
