// Package actors is the workshop: the grains and actors that carry out what package
// naming decides. Each service is a grain that owns the service's state; [Services] finds
// or wakes it and implements [naming.Registry]. The push actor tells 1.x subscribers of
// changes over UDP.
//
// Rules of the house: no blocking call inside Receive; a message is immutable once it is
// sent, except a call, which belongs to whoever holds it; every request has a time-out.
package actors
