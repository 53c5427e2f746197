package upgrade

import (
	"fmt"
	"time"

	"nactor/actors"
	"nactor/naming/upgrade/switchover"
)

// overdue is how long after its time a double write may still wait before this node is not
// ready for it.
const overdue = 3 * time.Second

// reasons tells why this node is not ready, a sentence each; none when it is.
//
// A double write that waits for its time is no reason: all are carried out before a service
// changes over. In Nacos it is, and a service that changes every second keeps a cluster
// from switching for ever.
func (u *Upgrade) reasons(state switchover.State, d actors.DoubleWrite) []string {
	out := u.Lacks()
	for _, m := range u.topology.Load().Members {
		switch {
		case m.Version == "" && state.Mode == switchover.V1: // it may run 1.X
			out = append(out, fmt.Sprintf("%s has not told its version: it is %s", m.Address, m.Status))
		case switchover.Old(m.Version) && m.Up:
			out = append(out, fmt.Sprintf("%s runs %s", m.Address, m.Version))
		case switchover.Old(m.Version):
			out = append(out, fmt.Sprintf("%s runs %s, and is %s", m.Address, m.Version, m.Status))
		}
	}
	if stored := u.stored.Load(); stored.Epoch > state.Epoch {
		out = append(out, fmt.Sprintf("it has not followed the decision of epoch %d yet", stored.Epoch))
	}
	if d.Oldest > u.Delay+overdue {
		out = append(out, fmt.Sprintf("%d services wait for their double write, the oldest for %v", d.Pending, d.Oldest.Round(100*time.Millisecond)))
	}
	if n := d.Failed; n > 0 {
		out = append(out, fmt.Sprintf("%d services differ between 1.x and 2.0, such as %s", n, d.Differing[0].Service))
	}
	return out
}
