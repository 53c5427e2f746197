//go:build !faultpoints

package node

// faultPoint is where tests make a node fail; see faultpoint_on.go.
var faultPoint func(string)
