// Package apitest holds real servers to their HTTP API, request by request: the examples of
// the description of the upgrade, a table of all endpoints, and each kind of write as the
// other nodes of a cluster show it. Official clients are in package conformance.
package apitest
