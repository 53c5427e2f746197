package faulttest

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"time"
)

// plant starts a node again with a fault that waits in its process: point=action. It
// reports false, and starts the node without, if that is met at the start already.
func (u *upgrade) plant(n *node, fault string) bool {
	u.t.Helper()
	u.since = time.Now()
	n.stop(20 * time.Second)
	n.fault = fault
	n.launch()
	n.fault = "" // the next process has none
	d := &doomed{n: n, action: fault[strings.IndexByte(fault, '=')+1:]}
	early := false
	eventually(u.t, readyTime, fmt.Sprintf("%v is ready", n), func() error {
		if early = d.happened(); early {
			return nil
		}
		return n.api.do("GET", "/v1/console/health/readiness", nil, readTime, nil)
	})
	if !early {
		u.traffic(5 * checkEvery) // what a node does once it is there
		early = d.happened()
	}
	if early {
		n.server.Kill()
		u.launch(n)
		return false
	}
	n.served()
	u.await(10 * time.Second)
	return true
}

// doomed is a node that ends or stands still at its planted fault.
type doomed struct {
	u      *upgrade
	n      *node
	action string
	over   func() // of a node that stands still
	hit    bool
}

// doom notes that the fault of a node may strike from now on.
func (u *upgrade) doom(n *node, action string) *doomed {
	d := &doomed{u: u, n: n, action: action, over: func() {}}
	if action == "stop" {
		d.over = u.history.begin(trouble{side: map[int]int{n.id: 1}, settle: healed, asleep: true})
	}
	u.history.leaves(n.id, action != "stop")
	return d
}

// happened reports whether the fault has struck.
func (d *doomed) happened() bool {
	if d.action != "stop" {
		return d.n.ended()
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", d.n.server.Pid()))
	// pid (name) state; the name may hold anything.
	return err == nil && bytes.HasPrefix(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" T"))
}

// struck waits until the fault has struck.
func (d *doomed) struck(within time.Duration) time.Time {
	d.u.t.Helper()
	eventually(d.u.t, within, fmt.Sprintf("%v meets its fault", d.n), func() error {
		if !d.happened() {
			return fmt.Errorf("end of its log:\n%s", d.n.tail(namingLog, 1000))
		}
		return nil
	})
	d.fell()
	return time.Now()
}

func (d *doomed) fell() { d.hit, d.n.up = true, false }

// back has the node go on, or starts it again. Another fault is not planted.
func (d *doomed) back() {
	d.u.t.Helper()
	switch {
	case !d.hit:
		d.u.history.returns(d.n.id)
	case d.action == "stop":
		d.n.server.Resume()
		d.n.served()
	default:
		d.u.launch(d.n)
	}
	d.over()
}
