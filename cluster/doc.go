// Package cluster says who is here and who owns what. It stands between the membership of
// the nodes and Proto.Actor: a ClusterProvider tells the framework who its members are,
// an IdentityLookup decides where the grain of an identity lives and brings it to life
// there. It knows nothing of naming.
//
// A standalone node is a cluster of one: the same machinery, no port that a stranger
// could speak to.
package cluster
