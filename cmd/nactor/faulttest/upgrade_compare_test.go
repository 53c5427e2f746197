package faulttest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/valyala/fastjson"
)

// tally is what clients know of.
type tally struct {
	services, instances, ephemeral int
	doubts                         int // persistent instances that may be there or not
}

func (u *upgrade) tally() (k tally) {
	services := map[int]bool{}
	u.load.living.Range(func(in, _ any) bool {
		i := in.(*instance)
		services[i.service] = true
		k.instances++
		if !i.persistent {
			k.ephemeral++
		}
		return true
	})
	k.services = len(services)
	u.history.mu.Lock()
	all := slices.Clone(u.history.instances)
	u.history.mu.Unlock()
	for _, in := range all {
		if u.history.doubtful(in) {
			k.doubts++
		}
	}
	return k
}

// about reports whether a number of instances is one that clients know of.
func (k tally) about(n, known int) bool { return n >= known-k.doubts && n <= known+k.doubts }

// compare holds the load still and checks that both structures of all nodes are equal, and
// are what clients know of.
func (u *upgrade) compare() {
	u.t.Helper()
	resume := u.load.quiet(u.t)
	defer resume()
	double := true
	took := eventually(u.t, quietTime, "the structures are equal, and as clients know", func() error {
		want := u.tally()
		own := 0
		for _, n := range u.young() {
			c, err := n.api.counts()
			if err != nil {
				return err
			}
			if err := u.counted(c, want); err != nil {
				return fmt.Errorf("%v: %w: %+v, clients know %+v", n, err, c, want)
			}
			own += c.OwnInstances1
			double = c.DoubleWrite
			x, err := n.api.explain()
			if err != nil {
				return err
			}
			if err := x.equal(); err != nil {
				return fmt.Errorf("%v: %w", n, err)
			}
		}
		if !u.anyOld() && double && !want.about(own, want.instances) {
			return fmt.Errorf("all nodes own %d instances of %d", own, want.instances)
		}
		return nil
	})
	u.t.Logf("%s: equal after %v: %+v", u.t.Name(), short(took), u.tally())
	for _, n := range u.young() {
		if err := n.api.metricsForm(); err != nil {
			u.t.Errorf("%v: metrics as text: %v", n, err)
		}
	}
	u.agree()
	eventually(u.t, 5*time.Second, "all instances are listed", u.complete)
	u.keepsDisabled()
}

// counted tells in what the metrics of a node are not as they should be when all is quiet.
func (u *upgrade) counted(c counts, want tally) error {
	switch {
	case c.Pending != 0:
		return fmt.Errorf("double writes wait")
	case c.DoubleWrite && !want.about(c.Instances1, want.instances):
		return fmt.Errorf("another number of instances in 1.x")
	case c.DoubleWrite && c.Services1 < want.services:
		return fmt.Errorf("too few services in 1.x")
	case !c.DoubleWrite && c.Services1+c.Instances1+c.OwnInstances1+c.OwnServices1 != 0:
		return fmt.Errorf("something is left of 1.x")
	case u.anyOld():
		return nil // what a node of 1.X owns has one structure
	case c.DoubleWrite && c.Instances1 != c.Instances2 || c.EphemeralInsts2+c.PersistInsts2 != c.Instances2:
		return fmt.Errorf("numbers of instances differ")
	case c.EphemeralInsts2 != want.ephemeral || !want.about(c.PersistInsts2, want.instances-want.ephemeral):
		return fmt.Errorf("another number of instances in 2.0")
	case c.DoubleWrite && c.Services1 != c.Services2:
		return fmt.Errorf("numbers of services differ")
	case c.Services2 < want.services || c.Ephemeral2+c.Persistent2 != c.Services2:
		return fmt.Errorf("another number of services in 2.0")
	case c.DoubleWrite && c.Only1+c.Only2 != "":
		return fmt.Errorf("services in one structure only")
	}
	return nil
}

// keepsDisabled checks that instances which no list shows are there, as they were edited.
func (u *upgrade) keepsDisabled() {
	u.t.Helper()
	asked := 0
	u.load.living.Range(func(key, _ any) bool {
		in := key.(*instance)
		if !in.disabled {
			return true
		}
		for _, n := range u.alive() {
			edit := -1
			err := n.api.do(http.MethodGet, "/v1/ns/instance?"+n.api.params(in), nil, readTime, func(body []byte) (err error) {
				edit, err = strconv.Atoi(fastjson.GetString(body, "metadata", editKey))
				return err
			})
			if least, most := in.edited(); err != nil || edit < least || edit > most {
				u.t.Errorf("%v: disabled instance %d of service %d with edit %d of %d to %d: %v", n, in.id, in.service, edit, least, most, err)
			}
		}
		asked++
		return asked < 30
	})
	if asked == 0 {
		u.t.Error("there is no disabled instance")
	}
}

// edited returns between which edits an instance may be: the last that was acknowledged and
// the last that was asked for.
func (in *instance) edited() (least, most int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, w := range in.writes {
		if w.op == edit && w.outcome == acked {
			least = w.edit
		}
	}
	return least, in.edits
}
