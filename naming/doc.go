// Package naming is the rulebook of the registry: what a namespace, a service, an
// instance and a view of them are, which commands change them, and what a reader is
// shown. It uses the standard library only and holds no goroutine, no clock and no I/O,
// so every rule can be tested as a function from input to output.
//
// Two structures implement the rules, naming/v1 (service → cluster → instance, as Nacos
// 1.x keeps it) and naming/v2 (service ← client publications, metadata kept apart, as
// Nacos 2.0 keeps it). Both take the same [Command], return the same [Effects] and are
// shown to readers as the same [View].
//
// Ownership, once for all: a value that has been handed to or received from this package
// is immutable. Whoever wants another value makes a copy first.
package naming
