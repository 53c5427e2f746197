// Package conformance runs official Nacos clients against the real server: the Go SDK 1.x
// (gosdk), the Node SDK (node) and the Java client (java). Each has a small runner that
// obeys commands given as lines of JSON; the scenarios are written once, here.
//
//	make conformance                          all clients that this machine can run
//	NACTOR_ADDR=host:port go test ./...       against a server that is already running
package conformance
