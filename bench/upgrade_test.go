package bench

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		of   []float64
		want float64
	}{{[]float64{7}, 7}, {[]float64{9, 1}, 5}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 100, 2}, 3}} {
		if got := median(tt.of); got != tt.want {
			t.Errorf("median of %v: %v, want %v", tt.of, got, tt.want)
		}
	}
}

// Values are compared with those of the same turn; a base of nothing is left out.
func TestRatios(t *testing.T) {
	if got := ratios([]float64{2, 9, 5, 1}, []float64{4, 3, 0}); !slices.Equal(got, []float64{0.5, 3}) {
		t.Errorf("ratios %v", got)
	}
	if got := spread([]float64{9, 1, 2, 3, 0, 4, 5, 6}); got != "2.00–5.00" {
		t.Errorf("spread %s", got)
	}
	if got := spread(nil); got != "-" {
		t.Errorf("spread of nothing %s", got)
	}
}

func TestParseMachine(t *testing.T) {
	got := parseMachine([]byte("cpu  10 1 20 1000 5 2 3 4 900 900\ncpu0 1 1 1 1 1 1 1 1 1 1\n"))
	if want := (machine{busy: 400 * time.Millisecond, all: 10450 * time.Millisecond}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	for _, bad := range []string{"", "cpu 1 2\n", "cpu a b c d e f g h\n"} {
		if got := parseMachine([]byte(bad)); got != (machine{}) {
			t.Errorf("%q: %+v", bad, got)
		}
	}
}

func TestParseMetrics(t *testing.T) {
	const metrics = `# HELP go_gc_duration_seconds A summary
go_gc_duration_seconds{quantile="0"} 0.0006
go_gc_duration_seconds_count 12
go_gc_heap_live_bytes 4.194304e+06
go_memstats_stack_inuse_bytes 65536
go_goroutines 7
nactor_connections 5
nacos_monitor{module="naming",name="serviceCount"} 3
`
	got, err := parseMetrics([]byte(metrics))
	if err != nil || got[metricHeap] != 4<<20 || got[metricCollections] != 12 || got[metricServices] != 3 {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", strings.ReplaceAll(metrics, "12", "many"), strings.ReplaceAll(metrics, "live", "other")} {
		if _, err := parseMetrics([]byte(bad)); err == nil {
			t.Errorf("no error for %q", bad)
		}
	}
}

// The last check is the last one that any node made before the decision, and the flip that
// of the last node; what belongs to other decisions does not count.
func TestParseFlip(t *testing.T) {
	logs := []string{
		`2026-01-02 10:00:01,000 INFO decided mode=v2 epoch=1 doubleWrite=true cause="x"
2026-01-02 10:00:01,900 INFO follows a decision of the cluster mode=v2 epoch=1 doubleWrite=true took=1ms
2026-01-02 10:00:09,100 INFO upgrade check result true
2026-01-02 10:00:09,150 INFO decided mode=v2 epoch=3 doubleWrite=true cause="x"
2026-01-02 10:00:09,160 INFO follows a decision of the cluster mode=v2 epoch=3 doubleWrite=true took=1ms
2026-01-02 10:00:09,160 INFO Upgrade to 2.0.X
`,
		`2026-01-02 10:00:09,120 INFO upgrade check result false reasons="[127.0.0.3:1 is not ready]"
2026-01-02 10:00:09,190 INFO follows a decision of the cluster mode=v2 epoch=3 doubleWrite=true took=20ms
2026-01-02 10:00:09,190 INFO upgrade check result true
`,
	}
	got, err := parseFlip(logs, 3)
	if err != nil {
		t.Fatal(err)
	}
	at := func(ms int) time.Time {
		return time.Date(2026, 1, 2, 10, 0, 9, ms*int(time.Millisecond), time.Local)
	}
	if want := (flip{check: at(120), decided: at(150), first: at(160), last: at(190)}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	for name, bad := range map[string][]string{
		"no decision":    {logs[1]},
		"no flip":        {logs[0], "\n"},
		"no check":       {logs[0][strings.Index(logs[0], "2026-01-02 10:00:09,150"):]},
		"no time before": {"INFO decided mode=v2 epoch=3 doubleWrite=true\n"},
	} {
		if _, err := parseFlip(bad, 3); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
