package faulttest

import "testing"

// F31: a command that makes a grain panic. Nothing in a normal build makes one do so.
func TestPoisonCommand(t *testing.T) {
	results.skip(t, "F31 poison command", "there is no point in the program where a fault can be planted")
}
