package grpc

import (
	"testing"

	"go.uber.org/goleak"
)

// Nothing that the front starts outlives it.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
