// Package faulttest runs clusters of real server processes under load, breaks them, and
// checks that every promise made to a client was kept.
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
//	go test -timeout 60m ./cmd/nactor/faulttest   # everything
//
// A test that fails keeps the homes of its nodes and says where they are.
package faulttest
