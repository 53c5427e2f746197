// Package dual is one service in both structures, naming/v1 and naming/v2 (structures,
// never API versions): the one that serves, and for as long as double write is on the other
// one, which follows. [Service] decides when the other catches up, and carries out the
// switch between them. It will be deleted together with naming/v1.
//
// DESIGN.md argues the rules.
package dual
