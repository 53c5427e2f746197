// Package simtest runs whole clusters in one process in virtual time, breaks them, and
// checks what clients were promised. Its tests of hand-written scenarios run always;
// make sim runs random faults, a seed each.
package simtest
