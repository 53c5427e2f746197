// Package v2 is the structure of Nacos 2.0, never a version of the HTTP API. A service is
// what its clients publish: each client ("ip:port#ephemeral") publishes at most one
// instance to a service. What operators say about an instance is kept apart, as an
// overlay that survives a re-registration, and so is what they say about the service.
//
// Service is a state machine without clock, goroutine or I/O: Step takes a command and
// returns its effects; Tick lets time pass.
package v2
