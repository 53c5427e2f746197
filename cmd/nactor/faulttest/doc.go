// Package faulttest tests faults and upgrades of real clusters: it runs server processes
// under load, breaks or replaces them, and checks that every promise made to a client was
// kept.
//
// A scenario starts a [cluster], puts a [load] on it that registers, beats, deregisters and
// lists on all nodes, waits until all is well, causes a fault, waits until all is well
// again, and has the [check] compare each list that any node showed with what was
// acknowledged before. What was measured is gathered in one table, which ends the output of
// go test.
//
// Cuts of the network need a network namespace for each node: root and nft. What a machine
// cannot do is skipped, and the table says so.
//
//	go test -short ./cmd/nactor/faulttest         # what CI runs
//	go test -timeout 60m ./cmd/nactor/faulttest   # all faults
//
// An [upgrade] is a run in which nodes of 1.X (the same program, started as one) and of 2.X
// replace each other. It also watches by which logic each node goes, all the time, counts
// the decisions of the cluster, and compares the two structures when all is quiet. Where a
// node has to fail at one point of the way, its process is built with the tag faultpoints
// and told by NACTOR_FAULT.
//
//	go test -timeout 90m -run '^TestUpgrade' ./cmd/nactor/faulttest -args -upgrade
//
// A test that fails keeps the homes of its nodes and says where they are.
package faulttest
