package namingtest

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nactor/naming"
)

// Readers are shown the same whichever structure serves, as far as both can say the same.
// The common language leaves out, because the structures differ there by design:
//
//   - one ip:port in several clusters (1.x holds them all), by settled addresses;
//   - a registration after an operator's edit (2.0 keeps the edit, 1.x the registration);
//   - edits where an ephemeral and a persistent twin share an address (and in 2.0 the overlay);
//   - edits that take away registered metadata keys (2.0 cannot), so a PUT or PATCH names them all;
//   - registering an unhealthy instance as healthy (1.x keeps the flag until the next beat);
//   - heartbeats of a persistent instance (known in 1.x, unknown in 2.0);
//   - services without an operator's metadata (only 1.x protects those), so each begins with some;
//   - removing a service that has instances; weights between 0 and 0.01.
func TestStructuresAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		one, two := newWorld(V1), newWorld(V2)
		c := common{world: one, edited: map[naming.Addr]bool{}}
		both := func(cmd naming.Command) {
			a, b := one.step(cmd), two.step(cmd)
			if (a.Err == nil) != (b.Err == nil) {
				t.Fatalf("%T: v1 says %v, v2 says %v", cmd, a.Err, b.Err)
			}
			if a.Result.Known != b.Result.Known || a.Result.Interval != b.Result.Interval || len(a.Result.Updated) != len(b.Result.Updated) {
				t.Fatalf("%T: v1 answers %+v, v2 %+v", cmd, a.Result, b.Result)
			}
			if a.Err == nil && !sameEvents(a.Events, b.Events) {
				t.Fatalf("%T: events of v1 %v, of v2 %v", cmd, kinds(a.Events), kinds(b.Events))
			}
			readersAgree(t, one.view(), two.view())
		}
		both(naming.CreateService{Meta: Metas().Draw(t, "meta")})
		history(t, SettledAddrs(), func(cmd naming.Command) {
			for _, cmd := range c.adapt(cmd) {
				both(cmd)
			}
		}, func(d time.Duration) {
			ignore := func(naming.Effects) {}
			one.pass(d, ignore)
			two.pass(d, ignore)
			readersAgree(t, one.view(), two.view())
		})
	})
}

func kinds(events []naming.Event) (ks []naming.EventKind) {
	for _, e := range events {
		ks = append(ks, e.Kind)
	}
	return ks
}

// sameEvents leaves out edits: laying an overlay is an event in 2.0, also where it shows
// nothing new.
func sameEvents(a, b []naming.Event) bool {
	edit := func(e naming.Event) bool { return e.Kind == naming.InstanceMetadataChanged }
	x, y := kinds(slices.DeleteFunc(slices.Clone(a), edit)), kinds(slices.DeleteFunc(slices.Clone(b), edit))
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}

// readersAgree compares what every sort of query shows.
func readersAgree(t *rapid.T, a, b *naming.View) {
	t.Helper()
	if a == nil || b == nil {
		if a != b {
			t.Fatalf("one of them has no service: %s; %s", describe(a), describe(b))
		}
		return
	}
	for _, clusters := range [][]string{nil, {"DEFAULT"}, {"a"}, {"b", "DEFAULT"}, {"none"}} {
		for _, healthyOnly := range []bool{false, true} {
			x, y := a.Select(clusters, healthyOnly), b.Select(clusters, healthyOnly)
			if x.Protected != y.Protected || !slices.EqualFunc(x.Instances, y.Instances, sameInstance) {
				t.Fatalf("clusters %v, healthy only %v: one shows %d (protected %v), the other %d (protected %v)\n%s\n%s",
					clusters, healthyOnly, len(x.Instances), x.Protected, len(y.Instances), y.Protected, describe(a), describe(b))
			}
		}
	}
	if !slices.EqualFunc(a.Instances, b.Instances, sameInstance) {
		t.Fatalf("instances differ:\n%s\n%s", describe(a), describe(b))
	}
}

// common knows which commands mean the same in both structures.
type common struct {
	*world
	edited map[naming.Addr]bool
}

// at returns the instances at an address.
func (c *common) at(addr naming.Addr) (at []*naming.Instance) {
	if v := c.view(); v != nil {
		for _, in := range v.Instances {
			if in.Addr() == addr {
				at = append(at, in)
			}
		}
	}
	return at
}

// adapt turns a command into ones that mean the same in both; none if that cannot be.
func (c *common) adapt(cmd naming.Command) []naming.Command {
	switch x := cmd.(type) {
	case naming.Register:
		if c.edited[x.Instance.Addr()] {
			return nil
		}
		for _, in := range c.at(x.Instance.Addr()) {
			if in.Ephemeral == x.Instance.Ephemeral {
				x.Instance.Healthy = in.Healthy
			}
		}
	case naming.Beat:
		known := false
		for _, in := range c.at(x.Addr) {
			if known = in.Ephemeral; known {
				break
			}
		}
		if !known && (len(c.at(x.Addr)) > 0 || x.Instance != nil && c.edited[x.Addr]) {
			return nil
		}
	case naming.Update:
		at := c.at(x.Addr)
		if len(at) != 1 {
			return nil
		}
		x.Overlay.Metadata = at[0].Metadata.Merge(x.Overlay.Metadata)
		c.edited[x.Addr] = true
		return []naming.Command{x}
	case naming.Patch:
		at := c.at(x.Addr)
		if len(at) != 1 {
			return nil
		}
		if x.Metadata != nil {
			m := at[0].Metadata.Merge(*x.Metadata)
			x.Metadata = &m
		}
		c.edited[x.Addr] = true
		return []naming.Command{x}
	case naming.EditMetadata:
		return c.adaptEdit(x)
	case naming.CreateService:
		return []naming.Command{x} // refused by both
	case naming.RemoveService:
		if c.Len() > 0 {
			return nil
		}
		return []naming.Command{x, naming.CreateService{Meta: naming.ServiceMeta{ProtectThreshold: 0.5}}}
	}
	return []naming.Command{cmd}
}

func (c *common) adaptEdit(x naming.EditMetadata) []naming.Command {
	if x.Remove {
		x.Metadata = slices.DeleteFunc(slices.Clone(x.Metadata), func(p naming.Pair) bool {
			return !slices.ContainsFunc(operatorPairs, func(o naming.Pair) bool { return o.Key == p.Key })
		})
	}
	all := len(x.Targets) == 0
	if all {
		for _, in := range c.view().Instances {
			if len(c.at(in.Addr())) > 1 {
				return nil
			}
			c.edited[in.Addr()] = true
		}
		return []naming.Command{x}
	}
	x.Targets = slices.DeleteFunc(x.Targets, func(a naming.Addr) bool { return len(c.at(a)) != 1 })
	if len(x.Targets) == 0 {
		return nil
	}
	for _, a := range x.Targets {
		c.edited[a] = true
	}
	return []naming.Command{x}
}
