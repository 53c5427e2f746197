package namingtest

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Imports checks which packages of ours the package under test depends on, tests aside,
// also through others: only those below the allowed paths ("nactor/naming" allows
// nactor/naming/v2). These arrows are the architecture; see docs/architecture.md.
func Imports(t *testing.T, allowed ...string) {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	deps := strings.Fields(string(out))
	self := deps[len(deps)-1]
	for _, dep := range deps {
		if !strings.HasPrefix(dep, "nactor/") || dep == self {
			continue
		}
		if !slices.ContainsFunc(allowed, func(a string) bool { return dep == a || strings.HasPrefix(dep, a+"/") }) {
			t.Errorf("%s depends on %s, which this room must not know", self, dep)
		}
	}
}
