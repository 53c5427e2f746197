// Package heritage is what owners of one service do that did not know of each other: a
// member handed the service over, or a partition healed. It merges what they heard, of each
// instance the later word, and it brings an owner's durable part to what the store holds.
//
// Both structures (naming/v1 and naming/v2: structures, never API versions) use it, through
// [Service].
package heritage
