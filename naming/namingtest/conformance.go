package namingtest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"nactor/naming"
)

// Rig is an implementation under test.
type Rig struct {
	naming.Registry
	naming.Reader
	Model Model // the structure that serves

	// Advance lets time pass for the implementation and returns when all that it brings is
	// shown. nil: time cannot be moved, and what needs it is skipped.
	Advance func(time.Duration)
}

// Run checks that an implementation keeps the rules. start is called once for each
// behaviour and may return the same rig each time: each behaviour has a namespace of its
// own.
func Run(t *testing.T, start func(t *testing.T) Rig) {
	for i, b := range behaviours() {
		t.Run(b.name, func(t *testing.T) {
			r := start(t)
			if b.model != 0 && b.model != r.Model {
				t.Skipf("a behaviour of %v", b.model)
			}
			if b.takesTime && r.Advance == nil {
				t.Skip("time cannot be moved")
			}
			b.run(&suite{T: t, Rig: r, key: naming.Key{Namespace: fmt.Sprintf("conformance-%d", i), Group: "DEFAULT_GROUP", Name: "s"}})
		})
	}
}

// behaviour is one row of the suite.
type behaviour struct {
	name      string
	model     Model // 0: both
	takesTime bool
	run       func(*suite)
}

func behaviours() []behaviour {
	var all []behaviour
	for _, chapter := range [][]behaviour{instanceBehaviours, beatBehaviours, operatorBehaviours, serviceBehaviours, concurrencyBehaviours} {
		all = append(all, chapter...)
	}
	return all
}

// suite is one behaviour under way, on one service.
type suite struct {
	*testing.T
	Rig
	key naming.Key
}

// do carries out a command that must succeed, and checks that it is shown.
func (s *suite) do(cmd naming.Command) naming.Result {
	s.Helper()
	res, err := s.Do(context.Background(), s.key, cmd)
	if err != nil {
		s.Fatalf("%T: %v", cmd, err)
	}
	if v := s.view(); v != nil && v.Revision.Compare(res.Revision) < 0 {
		s.Fatalf("%T: answered with revision %v, shown is %v", cmd, res.Revision, v.Revision)
	}
	return res
}

// refused carries out a command that must fail, and checks that it changed nothing.
func (s *suite) refused(cmd naming.Command, kind naming.Kind, text string) {
	s.Helper()
	before := s.view()
	_, err := s.Do(context.Background(), s.key, cmd)
	if err == nil || naming.KindOf(err) != kind || err.Error() != text {
		s.Fatalf("%T: error %v (kind %d), want %q (kind %d)", cmd, err, naming.KindOf(err), text, kind)
	}
	if after := s.view(); after != before && (before == nil || after == nil || after.Revision != before.Revision) {
		s.Fatalf("%T failed and changed the view", cmd)
	}
}

func (s *suite) view() *naming.View { return s.View(s.key) }

// only returns the one instance of the service.
func (s *suite) only() *naming.Instance {
	s.Helper()
	s.count(1)
	return s.view().Instances[0]
}

// count checks how many instances are shown.
func (s *suite) count(want int) {
	s.Helper()
	got := 0
	if v := s.view(); v != nil {
		got = len(v.Instances)
	}
	if got != want {
		s.Fatalf("%d instances are shown, want %d", got, want)
	}
}

// shown checks what a list query shows of the service, as "ip" or "ip!" for unhealthy.
func (s *suite) shown(healthyOnly bool, want ...string) {
	s.Helper()
	var got []string
	if v := s.view(); v != nil {
		sel := v.Select(nil, healthyOnly)
		for _, in := range sel.Instances {
			name := in.IP
			if !in.Healthy && !sel.Protected {
				name += "!"
			}
			got = append(got, name)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		s.Fatalf("a list query shows %v, want %v", got, want)
	}
}

func ephemeral(ip string) *naming.Instance {
	return &naming.Instance{IP: ip, Port: 80, Cluster: naming.DefaultCluster, Weight: 1, Enabled: true, Healthy: true, Ephemeral: true}
}

func persistent(ip string) *naming.Instance {
	in := ephemeral(ip)
	in.Ephemeral = false
	return in
}

func addr(ip string) naming.Addr { return ephemeral(ip).Addr() }

func md(kv ...string) naming.Metadata {
	m := map[string]string{}
	for i := 0; i < len(kv); i += 2 {
		m[kv[i]] = kv[i+1]
	}
	return naming.MetadataOf(m)
}

func (s *suite) want(what string, got, want any) {
	s.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		s.Fatalf("%s: %v, want %v", what, got, want)
	}
}
