// Package simnet is a network in memory for tests that run several nodes in one process in
// virtual time (testing/synctest): gossip packets and streams, ordered messages between
// actors, and everything that can go wrong on their way. It keeps no goroutine that a dead
// host does not end.
package simnet
