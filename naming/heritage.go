package naming

import "time"

// Heritage is the state of a service on its way from one owner to another.
type Heritage struct {
	View    *View
	Silent  []time.Duration // since the last beat, in the order of View.Instances; empty: not known
	Granted []bool          // in the same order: no beat was heard in that life, Silent is by an earlier one's word; empty: none
	Removed []Removed       // ephemeral instances that were withdrawn not long ago
}

// Removed is an ephemeral instance that was deregistered. Another owner that did not hear
// of it forgets the instance too, unless it has heard of it since.
type Removed struct {
	Addr
	Ago   time.Duration
	Stamp uint64 // of the step that removed it
}
