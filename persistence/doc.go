// Package persistence is what survives: persistent services and instances, metadata,
// switches and namespaces. [Store] is the contract; [Bolt] keeps it in one bbolt file.
//
// # File format
//
// A store is a directory with two files. nactor.db is a bbolt database with the buckets
//
//	meta       schema, store, created, count, sum
//	services   identity                                   → service metadata
//	instances  identity \x00 cluster \x00 ip \x00 port    → persistent instance
//	overlays   identity \x00 cluster \x00 ip \x00 port    → instance metadata
//	settings   "switches"                                 → switches
//	namespaces id                                         → namespace
//
// identity is namespace@@group@@service. A value outside meta is
//
//	byte 0     record version (1)
//	byte 1..4  CRC-32C, big endian, of bucket \x00 key \x00 payload
//	byte 5..   payload, JSON
//
// meta/count is the number of records, meta/sum the wrapping sum of their 64-bit hashes
// (both 8 bytes big endian), kept in the same transaction as the records: a record that
// was lost, torn or brought back is found at open.
//
// identity.json beside it holds the store's id. A database that is missing or empty while
// identity.json is there was lost, which must not pass for a fresh start.
package persistence
