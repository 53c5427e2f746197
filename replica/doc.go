// Package replica is this node's reading room: the newest view of every service, who
// watches it, and when the watchers are to be told. Everything that a query answers comes
// from here, without asking the service's owner.
package replica
