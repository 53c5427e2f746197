// Package upgrade carries a cluster from the logic of 1.X to that of 2.0 and back. On each
// node it checks whether the node is ready, votes, and has the services follow what the
// store says was decided. One node, whichever owns it, has the coordinator, a grain: it
// collects the votes, decides, and writes the decision to the store. What is decided is in
// package switchover; this one is its hands.
package upgrade
