package actors_test

import (
	"testing"

	"nactor/naming/namingtest"
)

func TestImports(t *testing.T) {
	namingtest.Imports(t, "nactor/actors", "nactor/naming", "nactor/replica")
}
