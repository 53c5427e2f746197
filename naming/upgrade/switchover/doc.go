// Package switchover decides when a cluster goes from the logic of 1.X to that of 2.0, when
// it goes back, and when double write is closed. It is pure: time and news are handed in,
// what has to be done comes out.
package switchover
