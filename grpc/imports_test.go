package grpc_test

import (
	"testing"

	"nactor/naming/namingtest"
)

func TestImports(t *testing.T) {
	namingtest.Imports(t, "nactor/grpc", "nactor/naming", "nactor/naming/wire")
}
