// Package conformance runs official Nacos clients against the real server: the Go SDKs 1.x
// (gosdk) and 2.x (gosdk2), those for Node (node), Python (python) and Rust (rust), and the Java
// client (java). Each has a small runner; the scenarios are written once, here.
//
//	make conformance                          all clients that this machine can run
//	make conformance-rust                     the one for Rust, which it builds; the other takes it from then on
//	NACTOR_ADDR=host:port[,…] go test ./...   against a server or cluster that is already running
//
// A runner reads requests, a line of JSON each, and answers with replies and events, in any
// order; it ends when its input does, at once and without deregistering anything:
//
//	{"id":1,"op":"create","client":"c","args":{"servers":"host:port,…","namespace":"","dir":"/tmp/x"}}
//	{"id":1,"ok":{"sdk":"1.1.6","hosts":[…],"services":[…]}}
//	{"id":2,"error":"text"}
//	{"event":"push","client":"c","service":"s","group":"g","hosts":[…],"at":1700000000000}
//
// The operations are create, register, deregister, list (all instances), select (healthy
// ones if args.healthy), subscribe, unsubscribe, services and close. Each reply tells the
// version of the SDK as the SDK or its package says it; the suite checks it against the name
// of the client.
package conformance
