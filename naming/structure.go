package naming

import "context"

// Structure names one of the two structures of a service.
type Structure uint8

// The structures of Nacos 1.x and 2.0.
const (
	V1 Structure = 1
	V2 Structure = 2
)

func (s Structure) String() string {
	if s == V1 {
		return "v1"
	}
	return "v2"
}

// Other returns the structure that s is not.
func (s Structure) Other() Structure { return V1 + V2 - s }

// In carries out a command on the structure that it names, whichever serves: an operator's
// repair. On the one that serves it is the command itself. What it does to the other is not
// written down and shown to no reader, and lasts until the next double write, which comes at
// once when it has made the structures equal. Kind [KindInvalid] where the structure is not
// kept.
type In struct {
	Structure Structure
	Command   Command
}

// Show asks what a structure holds of a service: Result.Shown, nil for nothing. It changes
// nothing.
type Show struct{ Structure Structure }

func (In) isCommand()   {}
func (Show) isCommand() {}

// Structures shows single structures, whichever serves. Error kind [KindUnavailable] when
// the node that has to be asked does not answer before ctx ends.
type Structures interface {
	// ViewIn returns what a structure holds of a service, or nil. Where the structure is not
	// kept that is nothing.
	ViewIn(ctx context.Context, key Key, s Structure) (*View, error)
	// ServicesIn returns the services that a structure has in a namespace, sorted; of all
	// namespaces for "".
	ServicesIn(ctx context.Context, namespace string, s Structure) ([]Key, error)
}
