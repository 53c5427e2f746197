// Package node is the fuse box: the only package that imports every room. It wires a node
// and boots it, for the server command and for tests alike.
package node
