// Package persistence is what survives: persistent services and instances, metadata,
// switches and namespaces. [Store] is the contract; [Bolt] keeps it in one bbolt file.
// DESIGN.md argues why.
//
// # Files
//
// A store is a directory with two files, which no other process may use meanwhile: both
// the directory and the database are locked (flock).
//
// identity.json says whose store it is. A database that is missing or empty while it is
// there was lost, which must not pass for a fresh start:
//
//	{"storeId": "<uuid>", "created": "<RFC 3339>", "schema": 1}
//
// nactor.db is a bbolt database (format version 2) with these buckets and keys, and no
// others:
//
//	meta        schema, store, created, count, sum
//	services    identity                                   → service metadata
//	instances   identity \x00 cluster \x00 ip \x00 port    → persistent instance
//	overlays    identity \x00 cluster \x00 ip \x00 port    → instance metadata
//	settings    "switches"                                 → switches
//	namespaces  id                                         → namespace
//
// identity is namespace@@group@@service, port is decimal. Every value is
//
//	byte 0      record version: 1
//	byte 1..4   CRC-32C, big endian, of bucket \x00 key \x00 payload
//	byte 5..    payload
//
// In meta the payload is
//
//	schema      8 bytes big endian: 1
//	store       the store's id, text
//	created     RFC 3339, text
//	count       8 bytes big endian: how many records the other buckets hold
//	sum         8 bytes big endian: the wrapping sum of their hashes
//
// where a record's hash is the 64-bit FNV-1a of bucket \x00 key \x00 value. Count and sum
// are written in the transaction that changes the records. Elsewhere the payload is JSON
// (payload.go).
//
// # Schema
//
// 1: the above. A change that this version could not read, or would destroy, gets the next
// number and a paragraph here. A store with a higher number than the program knows is
// refused before anything is written.
package persistence
