// Package grpc is the front for clients of Nacos 2.x: gRPC on server.port+1000, frames with
// JSON in them, one bidirectional stream for each client over which it is pushed. It only
// translates: what clients publish and subscribe goes to a [naming.Connection], what they ask
// is answered from a [naming.Reader].
//
//	server.go     the gRPC server, how clients come and go, the end
//	check.go      clients that are not there any more, and how clients are sent elsewhere
//	limits.go     how many there may be
//	roster.go     who is connected, as operators are shown it
//	transport.go  one TCP connection and the client that has set itself up on it
//	acceptor.go   which requests are let in, and how they are refused
//	message.go    requests and answers as JSON
//	naming.go     the naming requests
//	push.go       what a client is told without asking
//	agenda.go     what is to be done for which subscription, and when
package grpc
