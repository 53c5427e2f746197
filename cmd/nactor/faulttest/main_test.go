package faulttest

import (
	"os"
	"testing"

	"nactor/cmd/nactor/proctest"
)

func TestMain(m *testing.M) {
	os.Exit(func() int {
		code := proctest.Run(m)
		results.print(os.Stdout)
		return code
	}())
}
