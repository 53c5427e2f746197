// Package namingtest is what tests of naming and of those who implement or use it share:
//
//   - [Oracle], a registry in one process, made of nothing but the rules, with a clock that
//     the test moves. Fronts are tested against it.
//   - [Run], the one conformance suite that every implementation of [naming.Registry] runs.
//   - Generators of keys, instances, commands and pauses over a small universe, so that
//     random commands meet the same few instances again and again.
//
// It is for tests only: nothing that is shipped imports it. (v1 and v2 name structures here,
// never API versions.)
package namingtest
