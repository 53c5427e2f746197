package actorpb

import (
	"reflect"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"nactor/naming"
	"nactor/naming/namingtest"
	"nactor/naming/v2"
	"nactor/replica"
)

// through sends a message over the wire.
func through[M proto.Message](t rapid.TB, m, into M) M {
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := proto.Unmarshal(b, into); err != nil {
		t.Fatal(err)
	}
	return into
}

func TestCommandsTravel(t *testing.T) {
	key := naming.Key{Namespace: "public", Group: "g", Name: "s"}
	rapid.Check(t, func(t *rapid.T) {
		cmd := namingtest.Commands(namingtest.Addrs()).Draw(t, "command")
		pb, ok := FromCommand(7, key, cmd)
		if _, tick := cmd.(naming.Tick); !ok {
			if !tick {
				t.Fatalf("%T does not travel", cmd)
			}
			return
		}
		got := through(t, pb, &Command{})
		if got.Id != 7 || got.Key.Naming() != key {
			t.Fatalf("%v", got)
		}
		if !reflect.DeepEqual(normal(got.Naming()), normal(cmd)) {
			t.Fatalf("got %#v, want %#v", got.Naming(), cmd)
		}
	})
}

// The generator's commands mean the same in both structures; this field does not.
func TestPatchedHealthTravels(t *testing.T) {
	sick := false
	pb, _ := FromCommand(7, naming.Key{Name: "s"}, naming.Patch{Healthy: &sick})
	if c, ok := through(t, pb, &Command{}).Naming().(naming.Patch); !ok || c.Healthy == nil || *c.Healthy || c.Enabled != nil {
		t.Errorf("%+v", c)
	}
}

// normal removes the difference between nil and empty, which means nothing.
func normal(cmd naming.Command) naming.Command {
	if c, ok := cmd.(naming.EditMetadata); ok {
		if len(c.Targets) == 0 {
			c.Targets = nil
		}
		if len(c.Metadata) == 0 {
			c.Metadata = nil
		}
		return c
	}
	if c, ok := cmd.(naming.Patch); ok && c.Metadata != nil && len(*c.Metadata) == 0 {
		c.Metadata = &naming.Metadata{}
		*c.Metadata = nil
		return c
	}
	return cmd
}

func TestViewsTravel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := naming.DefaultRules()
		s := v2.New(naming.Key{Namespace: "n", Group: "g", Name: "s"})
		var before *naming.View
		for i := range rapid.IntRange(1, 20).Draw(t, "commands") {
			s.Step(naming.Env{Now: naming.Instant(i), Rules: &rules, Stamp: uint64(i) + 1}, namingtest.Commands(namingtest.Addrs()).Draw(t, "command"))
			if !s.Exists() {
				continue
			}
			view := s.View(naming.Revision{Activation: 9, Counter: uint64(i) + 1})
			view.Lineage = naming.Lineage{{Activation: 3, Counter: 4}, {Activation: 2, Counter: 1}}
			got := through(t, FromView(view), &View{}).Naming()
			if !reflect.DeepEqual(got.Instances, view.Instances) || !reflect.DeepEqual(got.Meta, view.Meta) ||
				len(got.Overlays) != len(view.Overlays) || got.Revision != view.Revision || !got.Lineage.Equal(view.Lineage) || got.Ephemeral != view.Ephemeral {
				t.Fatalf("got %+v, want %+v", got, view)
			}
			b, err := EncodeDelta(replica.Diff(before, view))
			if err != nil {
				t.Fatal(err)
			}
			d, err := DecodeDelta(b)
			if err != nil {
				t.Fatal(err)
			}
			if applied := d.Apply(before); !reflect.DeepEqual(applied.Instances, view.Instances) || !applied.Lineage.Equal(view.Lineage) {
				t.Fatalf("got %+v, want %+v", applied, view)
			}
			h := naming.Heritage{View: view, Silent: []time.Duration{time.Second}, Removed: []naming.Removed{{Addr: naming.Addr{IP: "1", Port: 2, Cluster: "c"}, Ago: time.Minute, Stamp: 5}}}
			if got := through(t, FromHeritage(h), &Heritage{}).Naming(); !reflect.DeepEqual(got.Silent, h.Silent) || !reflect.DeepEqual(got.Removed, h.Removed) {
				t.Fatalf("got %+v, want %+v", got, h)
			}
			before = view
		}
	})
}

func TestErrorsTravel(t *testing.T) {
	for _, err := range []error{nil, naming.NotFound("no %d", 1), naming.Unavailable("later"), naming.Invalid("bad"), naming.Rejected("no")} {
		want := naming.Result{Revision: naming.Revision{Activation: 1, Counter: 2}, Known: true, Interval: 5 * time.Second}
		got, gotErr := through(t, FromResult(3, want, err), &Reply{}).Naming()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v", got)
		}
		if (err == nil) != (gotErr == nil) || err != nil && (gotErr.Error() != err.Error() || naming.KindOf(gotErr) != naming.KindOf(err)) {
			t.Errorf("got %v, want %v", gotErr, err)
		}
	}
}

// FuzzReplicaDelta: whatever another node sends is refused or leads to a view.
func FuzzReplicaDelta(f *testing.F) {
	base := &naming.View{Key: naming.Key{Namespace: "n", Group: "g", Name: "s"}, Revision: naming.Revision{Activation: 1, Counter: 1},
		Instances: []*naming.Instance{{IP: "1", Port: 1, Cluster: "c"}, {IP: "2", Port: 1, Cluster: "c"}}}
	next := &naming.View{Key: base.Key, Revision: naming.Revision{Activation: 1, Counter: 2}, Instances: base.Instances[1:]}
	b, err := EncodeDelta(replica.Diff(base, next))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{0x0a, 0x00, 0x42, 0x00})
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := DecodeDelta(data)
		if err != nil {
			return
		}
		store := replica.New(func() naming.Instant { return 0 }, nil)
		store.Put(base)
		store.Apply(d)
	})
}
