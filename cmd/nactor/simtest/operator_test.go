package simtest

import (
	"fmt"
	"math/rand/v2"
	"time"

	"nactor/naming"
)

// operator registers and removes persistent instances, and knows which of them it was
// promised to find again.
type operator struct {
	w    *world
	rand *rand.Rand
	keys []naming.Key
	want map[spot]bool // acknowledged: there or not; what failed is not known
}

// catchUp is how long a node that slept may take to read what was written meanwhile.
const catchUp = 2 * time.Second

// spot is where a persistent instance may be.
type spot struct {
	key naming.Key
	ip  string
}

const (
	operatorServices = 4
	operatorSpots    = 6 // a service
)

func (w *world) newOperator() *operator {
	o := &operator{w: w, rand: rand.New(rand.NewPCG(w.seed, 500)), want: map[spot]bool{}}
	for i := range operatorServices {
		o.keys = append(o.keys, serviceKey(fmt.Sprintf("p%d", i)))
	}
	return o
}

// run changes something now and then until stop is closed.
func (o *operator) run(stop <-chan struct{}) {
	for {
		select {
		case <-time.After(time.Duration(1+o.rand.IntN(15)) * time.Second):
		case <-stop:
			return
		}
		nodes := o.w.serving()
		if len(nodes) == 0 {
			continue
		}
		at := spot{o.keys[o.rand.IntN(len(o.keys))], fmt.Sprintf("10.2.0.%d", 1+o.rand.IntN(operatorSpots))}
		in := instance(at.ip, false)
		var cmd naming.Command = naming.Register{Instance: in}
		there := o.rand.IntN(3) > 0
		if !there {
			cmd = naming.Deregister{Addr: in.Addr()}
		}
		n := nodes[o.rand.IntN(len(nodes))]
		if _, err := o.w.request(n, at.key, cmd); err != nil {
			delete(o.want, at)
			o.w.trace("operator %T %v %s at %s: %v", cmd, at.key.Name, at.ip, n.name, err)
			// It may still be carried out; what is asked next must not overtake it.
			time.Sleep(lingering)
			continue
		}
		o.w.trace("operator %T %s %s at %s", cmd, at.key.Name, at.ip, n.name)
		if sky := o.w.weather(); !o.w.majority(n.name) || sky.slept(time.Now().Add(-catchUp)) {
			// A request that changes nothing is answered without asking the store. Who is cut
			// off, or has slept, may go by old data then.
			delete(o.want, at)
			continue
		}
		o.want[at] = there
	}
}

// check holds every node against what was acknowledged, once the operator has stopped.
func (o *operator) check() {
	for at, there := range o.want {
		for _, n := range o.w.serving() {
			if shown := n.shows(at.key, at.ip, false) != nil; shown != there {
				o.w.trace("VIOLATION I4: %s shows persistent %s %s: %v, acknowledged: %v", n.name, at.key.Name, at.ip, shown, there)
				for _, n := range o.w.serving() {
					o.w.trace("  %s; written down: %v", n.describe(at.key), n.store.written(at.key))
				}
				o.w.t.Logf("what happened to it:\n%s", o.w.linesWith(at.key.Name+" "+at.ip))
				o.w.t.Errorf("I4: %s shows persistent instance %s of %s: %v; acknowledged was %v", n.name, at.ip, at.key.Name, shown, there)
			}
		}
	}
	o.w.t.Logf("%d persistent instances are as acknowledged", len(o.want))
}
