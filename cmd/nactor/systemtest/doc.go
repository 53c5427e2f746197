// Package systemtest holds tests of the whole: real server processes on loopback under
// load and under faults, checked from outside.
package systemtest
