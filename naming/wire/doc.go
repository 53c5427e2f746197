// Package wire writes the JSON that Nacos clients see: answers of the HTTP API and bodies
// of pushes, in the shape of Nacos 2.0.3; lists and the catalog also in those that it has
// while the logic of 1.X is in force, and in those of 1.4.2. Functions append to a byte slice
// and return it; nothing reflects. The few JSON parameters that are part of the same
// vocabulary, selector and health checker, are read here too.
//
// Field order follows Nacos's classes. Strings that are not UTF-8 are written with U+FFFD
// in place of the bad bytes, doubles as Java prints them.
package wire
