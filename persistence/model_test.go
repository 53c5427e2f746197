package persistence

import (
	"os"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"nactor/naming"
)

// Random batches leave what a map would hold, also after a restart.
func TestModel(t *testing.T) {
	keys := []naming.Key{svc, {Namespace: "public", Group: "DEFAULT_GROUP", Name: "s!"}, {Namespace: "p", Group: "g", Name: "s"}}
	make := []func(naming.Key, int) naming.Record{serviceRec, instanceRec, overlayRec}
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		var b *Bolt
		reopen := func() {
			if b != nil {
				if err := b.Close(); err != nil {
					rt.Fatal(err)
				}
			}
			if b, err = Open(Options{Dir: dir}); err != nil {
				rt.Fatal(err)
			}
		}
		reopen()
		defer func() { b.Close() }()
		type place struct {
			kind naming.RecordKind
			key  naming.Key
			addr naming.Addr
		}
		model := map[place]naming.Record{}
		for range rapid.IntRange(1, 8).Draw(rt, "batches") {
			var batch []naming.Record
			for range rapid.IntRange(0, 5).Draw(rt, "records") {
				r := rapid.SampledFrom(make).Draw(rt, "kind")(rapid.SampledFrom(keys).Draw(rt, "key"), rapid.IntRange(0, 3).Draw(rt, "i"))
				at := place{r.Kind, r.Key, r.Addr}
				if r.Delete = rapid.Bool().Draw(rt, "delete"); r.Delete {
					delete(model, at)
				} else {
					model[at] = r
				}
				batch = append(batch, r)
			}
			if err := commit(b, batch...); err != nil {
				rt.Fatal(err)
			}
			if rapid.Bool().Draw(rt, "restart") {
				reopen()
			}
		}
		reopen()
		got := map[place]naming.Record{}
		for s, err := range b.Services() {
			if err != nil {
				rt.Fatal(err)
			}
			if s.Meta != nil {
				got[place{kind: naming.RecordService, key: s.Key}] = naming.Record{Kind: naming.RecordService, Key: s.Key, Service: s.Meta}
			}
			for _, in := range s.Instances {
				got[place{naming.RecordInstance, s.Key, in.Addr()}] = naming.Record{Kind: naming.RecordInstance, Key: s.Key, Addr: in.Addr(), Instance: in}
			}
			for addr, o := range s.Overlays {
				got[place{naming.RecordOverlay, s.Key, addr}] = naming.Record{Kind: naming.RecordOverlay, Key: s.Key, Addr: addr, Overlay: o}
			}
		}
		if !reflect.DeepEqual(got, model) {
			rt.Errorf("%+v, want %+v", got, model)
		}
	})
}
