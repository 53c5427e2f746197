package http

import (
	"fmt"
	"go/build"
	"os"
	"strings"
	"testing"
)

// Every route and who may use it. A new route is added here by hand, on purpose.
func TestRoutes(t *testing.T) {
	var b strings.Builder
	for _, rt := range routes() {
		fmt.Fprintf(&b, "%-7s%-36s%s\n", rt.method, rt.path, rt.access)
	}
	want, err := os.ReadFile("testdata/routes.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != string(want) {
		t.Errorf("testdata/routes.txt should be:\n%s", got)
	}
	for _, rt := range routes() {
		if rt.method != "GET" && rt.access == public {
			t.Errorf("%s %s changes something and is public", rt.method, rt.path)
		}
	}
}

// The front knows the rulebook and nothing behind it.
func TestImports(t *testing.T) {
	p, err := build.ImportDir(".", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, imp := range append(append(p.Imports, p.TestImports...), p.XTestImports...) {
		ours := strings.HasPrefix(imp, "nactor/") && imp != "nactor/naming" && !strings.HasPrefix(imp, "nactor/naming/")
		if ours || strings.Contains(imp, "protoactor") {
			t.Errorf("http imports %s", imp)
		}
	}
}
