// Package upgrade is what lies between the structures of Nacos 1.x and 2.0 (naming/v1 and
// naming/v2: structures, never API versions). It brings one structure of a service to what
// the other shows, tells how two pictures of a service differ, digests them, and plans the
// double write. It will be deleted together with naming/v1.
//
// DESIGN.md argues the rules.
package upgrade
