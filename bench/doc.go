// Package bench is the track: a load generator for a running server, and Go benchmarks of
// the whole path from the socket to the grain. Speed is told as a ratio: the same client
// sends the same requests to a bare fasthttp handler that answers the same number of
// bytes, in turns with the server under test, in one run on one machine. What double write
// costs is told likewise: clusters with it and without it run side by side.
package bench
