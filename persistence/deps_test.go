package persistence

import (
	"go/build"
	"strings"
	"testing"
)

// Of ours this room knows the rulebook only.
func TestImports(t *testing.T) {
	p, err := build.ImportDir(".", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range p.Imports {
		if strings.HasPrefix(path, "nactor/") && path != "nactor/naming" {
			t.Errorf("persistence imports %s", path)
		}
	}
}
