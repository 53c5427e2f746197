package upgrade_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"nactor/naming"
	"nactor/naming/upgrade"
	"nactor/naming/v1"
	"nactor/naming/v2"
)

var update = flag.Bool("update", false, "write what the scenarios do now into testdata")

// Scenarios are text: commands, a line of dashes, what they print, an empty line. Within a
// file one service lives on from block to block. Run with -update to accept new output.
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
			if got == string(want) {
				return
			}
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			t.Errorf("%s: got\n%s", file, firstDifference(got, string(want)))
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
	key := naming.Key{Namespace: "public", Group: "DEFAULT_GROUP", Name: "s"}
	s := &stage{t: t, one: v1.New(key), two: v2.New(key)}
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
			input += "\n----\n" + strings.TrimSpace(s.out.String())
		}
		out = append(out, strings.TrimSpace(input))
	}
	return strings.Join(out, "\n\n") + "\n"
}

// stage holds both structures of one service.
type stage struct {
	t    *testing.T
	out  bytes.Buffer
	now  naming.Instant
	one  *v1.Service
	two  *v2.Service
	task upgrade.Task // pending for the structure that did not take the last command
}

func (s *stage) line(line string) {
	f := strings.Fields(line)
	switch f[0] {
	case "v1":
		s.step(s.one.Step, f[1:])
	case "v2":
		s.step(s.two.Step, f[1:])
	case "wait":
		d, err := time.ParseDuration(f[1])
		if err != nil {
			s.t.Fatal(err)
		}
		s.now = s.now.Add(d)
	case "copy":
		if line == "copy v1 to v2" {
			upgrade.ToV2(s.now, s.one, s.two)
		} else {
			upgrade.ToV1(s.now, s.two, s.one)
		}
		s.task = upgrade.Task{}
	case "task":
		fmt.Fprintln(&s.out, s.task)
	case "diff":
		s.diff()
	case "show":
		if f[1] == "v1" {
			s.show(v1View(s.one), s.one.Clock)
		} else {
			s.show(v2View(s.two), s.two.Clock)
		}
	default:
		s.t.Fatalf("unknown line %q", line)
	}
}

func v1View(s *v1.Service) *naming.View {
	if !s.Exists() {
		return nil
	}
	return s.View(naming.Revision{})
}

func v2View(s *v2.Service) *naming.View {
	if !s.Exists() {
		return nil
	}
	return s.View(naming.Revision{})
}

func (s *stage) diff() {
	n := 0
	for d := range upgrade.Diff(v1View(s.one), v2View(s.two)) {
		fmt.Fprintln(&s.out, d)
		n++
	}
	if n == 0 {
		fmt.Fprintln(&s.out, "equal")
	}
}

func (s *stage) step(step func(naming.Env, naming.Command) naming.Effects, f []string) {
	rules := naming.DefaultRules()
	e := step(naming.Env{Now: s.now, Rules: &rules}, s.command(f))
	if e.Err != nil {
		fmt.Fprintln(&s.out, "error:", e.Err)
	}
	for _, ev := range e.Events {
		if f[0] == "tick" {
			fmt.Fprint(&s.out, ev.Kind)
			if ev.Instance != nil {
				fmt.Fprintf(&s.out, " %s:%d:%s", ev.Instance.IP, ev.Instance.Port, ev.Instance.Cluster)
			}
			fmt.Fprintln(&s.out)
		}
	}
	s.task = s.task.Merge(upgrade.Plan(e.Events))
}

// command reads "register 1.1.1.1:80:DEFAULT persistent weight=2 a=1" and the like. What
// is neither a flag nor weight= or threshold= is metadata.
func (s *stage) command(f []string) naming.Command {
	verb, rest := f[0], f[1:]
	var addr naming.Addr
	if len(rest) > 0 && strings.Count(rest[0], ":") == 2 {
		parts := strings.Split(rest[0], ":")
		port, err := strconv.Atoi(parts[1])
		if err != nil {
			s.t.Fatal(err)
		}
		addr, rest = naming.Addr{IP: parts[0], Port: port, Cluster: parts[2]}, rest[1:]
	}
	in := &naming.Instance{IP: addr.IP, Port: addr.Port, Cluster: addr.Cluster, Weight: 1, Enabled: true, Healthy: true, Ephemeral: true}
	threshold, md, up := 0.0, map[string]string{}, true
	for _, w := range rest {
		k, v, _ := strings.Cut(w, "=")
		number, _ := strconv.ParseFloat(v, 64)
		switch k {
		case "persistent":
			in.Ephemeral = false
		case "disabled":
			in.Enabled = false
		case "unhealthy":
			in.Healthy, up = false, false
		case "weight":
			in.Weight = number
		case "threshold":
			threshold = number
		default:
			md[k] = v
		}
	}
	in.Metadata = naming.MetadataOf(md)
	meta := naming.ServiceMeta{ProtectThreshold: threshold, Metadata: in.Metadata}
	switch verb {
	case "register":
		return naming.Register{Instance: in}
	case "deregister":
		return naming.Deregister{Addr: addr, Ephemeral: in.Ephemeral}
	case "beat":
		return naming.Beat{Addr: addr}
	case "put":
		return naming.Update{Addr: addr, Ephemeral: in.Ephemeral, Overlay: naming.Overlay{Weight: in.Weight, Enabled: in.Enabled, Metadata: in.Metadata}}
	case "probe":
		return naming.SetHealth{Addr: addr, Healthy: up, Probe: true}
	case "create-service":
		return naming.CreateService{Meta: meta}
	case "update-service":
		return naming.UpdateService{Meta: meta}
	case "remove-service":
		return naming.RemoveService{}
	case "update-cluster":
		checker := naming.HealthChecker{Type: md["checker"], User: md["user"], Password: md["password"]}
		return naming.UpdateCluster{Cluster: naming.ClusterMeta{Name: md["name"], CheckPort: 80, UseInstancePort: true, Checker: checker}}
	case "tick":
		return naming.Tick{}
	}
	s.t.Fatalf("unknown command %q", verb)
	return nil
}

func (s *stage) show(v *naming.View, clock func(naming.Addr, bool) *naming.BeatClock) {
	if v == nil {
		fmt.Fprintln(&s.out, "no service")
		return
	}
	if v.Meta != nil && !v1.Implied(v.Meta) {
		fmt.Fprintf(&s.out, "threshold %v%s\n", v.Meta.ProtectThreshold, pairs(v.Meta.Metadata))
	}
	for _, in := range v.Instances {
		kind, state := "persistent", "healthy"
		if in.Ephemeral {
			kind = "ephemeral"
		}
		if !in.Healthy {
			state = "unhealthy"
		}
		if !in.Enabled {
			state += " disabled"
		}
		fmt.Fprintf(&s.out, "%s:%d:%s %s %s weight %v%s", in.IP, in.Port, in.Cluster, kind, state, in.Weight, pairs(in.Metadata))
		if c := clock(in.Addr(), in.Ephemeral); in.Ephemeral {
			fmt.Fprintf(&s.out, ", last beat %v ago", s.now.Since(c.Last))
		}
		if _, ok := v.Overlays[in.Addr()]; ok {
			fmt.Fprint(&s.out, ", has an overlay")
		}
		fmt.Fprintln(&s.out)
	}
	if len(v.Instances) == 0 {
		fmt.Fprintln(&s.out, "no instances")
	}
}

func pairs(m naming.Metadata) string {
	var b strings.Builder
	for _, p := range m {
		fmt.Fprintf(&b, " %s=%s", p.Key, p.Value)
	}
	return b.String()
}
