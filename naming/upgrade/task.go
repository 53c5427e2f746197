package upgrade

import "nactor/naming"

// Content says which part of a service has to be double written.
type Content uint8

// The parts of a service, as Nacos's DoubleWriteContent.
const (
	Metadata Content = 1 << iota
	Instances
	Both = Metadata | Instances
)

func (c Content) String() string {
	return [...]string{"NOTHING", "METADATA", "INSTANCE", "BOTH"}[c&Both]
}

// Action says what has to be done, as Nacos's DoubleWriteAction.
type Action uint8

// What a task does to the other structure of the service.
const (
	Update Action = iota
	Remove
)

func (a Action) String() string { return [...]string{"UPDATE", "REMOVE"}[a&1] }

// Task is what the other structure of a service has to catch up with. The zero value is
// nothing. A task is a reason to look, not a list of changes: it is carried out by [ToV1]
// or [ToV2], which bring over what is there at that time.
type Task struct {
	Action  Action
	Content Content
}

// Pending reports whether there is anything to do.
func (t Task) Pending() bool { return t.Content != 0 }

func (t Task) String() string {
	if !t.Pending() {
		return t.Content.String()
	}
	return t.Action.String() + " " + t.Content.String()
}

// Merge returns one task for an earlier and a later one, as Nacos merges them: two
// contents make both, and a removal wins over an update. The removal of a service that has
// come back since does no harm here; see [Task].
func (t Task) Merge(later Task) Task {
	switch {
	case !t.Pending():
		return later
	case !later.Pending():
		return t
	}
	m := Task{Action: max(t.Action, later.Action), Content: t.Content | later.Content}
	if m.Action == Remove {
		m.Content = Both
	}
	return m
}

// Plan returns the task that the events of a step make. Changes of health count: beats are
// shared by the structures, but the flag is not. Heartbeats themselves make no event.
func Plan(events []naming.Event) Task {
	var t Task
	for _, e := range events {
		switch e.Kind {
		case naming.ServiceRemoved:
			t = t.Merge(Task{Remove, Both})
		case naming.ServiceMetadataChanged:
			t = t.Merge(Task{Update, Metadata})
		default:
			t = t.Merge(Task{Update, Instances})
		}
	}
	return t
}
