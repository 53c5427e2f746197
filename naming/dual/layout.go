package dual

import (
	"time"

	"nactor/naming"
)

// Structure names one of the two structures of a service.
type Structure = naming.Structure

// The structures of Nacos 1.x and 2.0.
const (
	V1 = naming.V1
	V2 = naming.V2
)

// DefaultDelay is how long a change waits for others before it is double written (Nacos's
// interval).
const DefaultDelay = time.Second

// Layout says which structures of a service are kept, and what for. The zero Layout is 2.0
// alone: a server on its own, or one where double write has been closed. A 1.X node has
// {Serves: V1}.
type Layout struct {
	Serves      Structure     // takes the commands, and is what readers are shown; 0: V2
	DoubleWrite bool          // the other structure is kept too, and follows
	Delay       time.Duration // of the double write; 0: DefaultDelay. It means nothing without
}

// alone is the layout that is a bare structure.
var alone = Layout{Serves: V2}

// normal fills in what a Layout leaves out.
func (l Layout) normal() Layout {
	if l.Serves != V1 {
		l.Serves = V2
	}
	switch {
	case !l.DoubleWrite:
		l.Delay = 0
	case l.Delay <= 0:
		l.Delay = DefaultDelay
	}
	return l
}

// Keeps reports whether a structure is kept.
func (l Layout) Keeps(s Structure) bool { return l.DoubleWrite || l.normal().Serves == s }

// String returns "v1", "v2", or "v1, double write to v2" and the reverse.
func (l Layout) String() string {
	l = l.normal()
	if !l.DoubleWrite {
		return l.Serves.String()
	}
	return l.Serves.String() + ", double write to " + l.Serves.Other().String()
}
