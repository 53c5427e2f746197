package faulttest

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"text/tabwriter"
	"time"
)

// results is the table that ends the output.
var results table

type table struct {
	mu   sync.Mutex
	rows []row
}

// row is one figure of one fault.
type row struct {
	fault, what, measured, limit string
	verdict                      string
}

const (
	passed  = "pass"
	failed  = "FAIL"
	skipped = "SKIPPED"
)

func (tb *table) add(r row) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	tb.rows = append(tb.rows, r)
}

// expect notes a figure and fails the test if it is not as it should be.
func (tb *table) expect(t testing.TB, ok bool, fault, what, measured, limit string) {
	t.Helper()
	r := row{fault, what, measured, limit, passed}
	if !ok {
		r.verdict = failed
		t.Errorf("%s: %s: %s, limit %s", fault, what, measured, limit)
	}
	tb.add(r)
}

// skip notes that a fault cannot be caused here, and skips the test.
func (tb *table) skip(t testing.TB, fault, why string) {
	t.Helper()
	tb.add(row{fault, why, "", "", skipped})
	t.Skipf("SKIPPED: %s: %s", fault, why)
}

func (tb *table) print(w io.Writer) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	if len(tb.rows) == 0 {
		return
	}
	fmt.Fprintln(w)
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "FAULT\tWHAT\tMEASURED\tLIMIT\tRESULT")
	for _, r := range tb.rows {
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\n", r.fault, r.what, r.measured, r.limit, r.verdict)
	}
	out.Flush()
}

// spread is a series of times in order.
type spread []time.Duration

func newSpread(times []time.Duration) spread {
	s := slices.Clone(times)
	slices.Sort(s)
	return s
}

// at returns the time that a share of all stays below.
func (s spread) at(share float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	return s[min(len(s)-1, int(share*float64(len(s))))]
}

func (s spread) max() time.Duration { return s.at(1) }

func (s spread) String() string {
	return fmt.Sprintf("median %v, max %v (%d)", short(s.at(0.5)), short(s.max()), len(s))
}

// short rounds a time to what is worth reading.
func short(d time.Duration) time.Duration {
	switch {
	case d > 10*time.Second:
		return d.Round(100 * time.Millisecond)
	case d > 100*time.Millisecond:
		return d.Round(10 * time.Millisecond)
	case d > time.Millisecond:
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(time.Microsecond)
}
