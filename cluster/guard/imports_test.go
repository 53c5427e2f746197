package guard_test

import (
	"testing"

	"nactor/naming/namingtest"
)

func TestImports(t *testing.T) { namingtest.Imports(t) }
