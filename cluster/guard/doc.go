// Package guard stands at the ports between nodes. Whoever speaks there can move instances,
// end actors and depose a raft leader, so only nodes of the cluster may, and what they say
// is checked before the libraries behind the ports act on it: those trust every byte.
//
// One secret, the cluster key, proves that a peer is one of us. From it each node derives
// the same certificate for TLS in both directions, and the key that seals gossip. Without
// it the ports speak plain TCP, and only with this machine.
//
//   - [Key] is the secret, [CheckKey] says whether the members can do without.
//   - [Remote] makes the options of Proto.Actor's remote.
//   - [Listener], [Dial] and [Stream] carry everything else, raft first.
//
// Everything that is refused is counted by its reason, and told in one line a minute at most.
// Imports: nothing of this module.
package guard
