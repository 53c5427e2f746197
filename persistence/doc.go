// Package persistence is what survives: persistent services and instances, metadata,
// switches, namespaces and a few documents. [Store] is the contract; [Bolt] keeps it in one
// bbolt file, for a server on its own; [Raft] keeps that file alike on all members of a
// cluster. DESIGN.md argues why.
//
// # Files
//
// A store is a directory with two files, and two more on a member of a cluster, which no
// other process may use meanwhile: the directory and the databases are locked (flock).
//
// identity.json says whose store it is. A database that is missing or empty while it is
// there was lost, which must not pass for a fresh start:
//
//	{"storeId": "<uuid>", "created": "<RFC 3339>", "schema": 1}
//
// A member of a cluster has "member": true in it as well, and storeId is its id there.
//
// nactor.db is a bbolt database (format version 2) with these buckets and keys, and no
// others:
//
//	meta        schema, store, created, count, sum
//	services    identity                                   → service metadata
//	instances   identity \x00 cluster \x00 ip \x00 port    → persistent instance
//	overlays    identity \x00 cluster \x00 ip \x00 port    → instance metadata
//	settings    "switches"                                 → switches
//	settings    "document/" name                           → document
//	settings    "raft/applied", "raft/configuration",
//	            "raft/origin/" node                        → of a member, raftfsm.go
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
// (payload.go, documents.go), but for raft's.
//
// raft.db is raft's log, term and vote, of the same make: meta, and the buckets
//
//	log         index, 8 bytes big endian                  → entry, raftentry.go
//	stable      name                                       → what raft keeps
//
// raft/snapshots holds snapshots as raft lays them out, the state in each as in
// raftsnapshot.go; raft/damaged those that were found not to be whole. nactor.db.restore is
// a database that is being made of a snapshot, and is worth nothing at start.
//
// # Between members
//
// One port takes raft's messages and what members ask each other beside them; the first
// byte of a connection tells which. raftforward.go and raftcommand.go say what the bytes
// mean. Both, and the log's entries, begin with a version: what comes with a newer one is
// refused, and an entry with a newer one ends the process, since it must not be skipped.
//
// # Schema
//
// 1: the above. A change that this version could not read, or would destroy, gets the next
// number and a paragraph here. A store with a higher number than the program knows is
// refused before anything is written.
package persistence
