// Package v1 is the structure of Nacos 1.x, never a version of the HTTP API. A service has
// clusters, and each cluster a set of ephemeral and a set of persistent instances; an
// instance is ip:port:cluster in one of them. There is no overlay: whoever changes an
// instance, its client by registering or an operator, changes the record itself, and the
// next one to write wins.
//
// Service is a state machine without clock, goroutine or I/O: Step takes a command and
// returns its effects; Tick lets time pass.
//
// Where Nacos 1.4.2 and this package differ, on purpose:
//   - Operators name an instance by ip:port:cluster. PUT, PATCH and metadata/batch change
//     it in both sets if it is in both, and never touch the beat clock: an operator's
//     edit is no sign of life.
//   - Deleting a service that has instances deletes its metadata and keeps the instances
//     (in 1.4.2 they vanish, to come back with their next heartbeats, if they have any).
//   - A service that an operator created stays although it is empty.
package v1
