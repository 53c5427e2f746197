// Package wire writes the JSON that Nacos clients see: the answers of the HTTP API and the
// bodies of pushes. Everything appends to a byte slice; nothing reflects.
package wire
