package persistence

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"nactor/naming"
)

// What is on disks out there. A payload may gain fields; it must never read differently.
func TestPayloadsAreFrozen(t *testing.T) {
	for _, c := range []struct {
		record       naming.Record
		key, payload string
	}{
		{serviceRec(svc, 1), "public@@DEFAULT_GROUP@@s",
			`{"threshold":0.8,"metadata":{"a":"1"},"selector":{"type":"label","expression":"CONSUMER.label.A = PROVIDER.label.A"},` +
				`"clusters":[{"name":"c","checkPort":81,"useInstancePort":true,"checker":{"type":"HTTP","path":"/p","headers":"a:b|c:d","code":200},"metadata":{"x":"y"}},` +
				`{"name":"d","checker":{"type":"MYSQL","user":"u","password":"p","command":"select 1"}}]}`},
		{naming.Record{Kind: naming.RecordService, Key: svc, Service: &naming.ServiceMeta{}}, "public@@DEFAULT_GROUP@@s", `{}`},
		{instanceRec(svc, 3), "public@@DEFAULT_GROUP@@s\x00c\x0010.0.0.3\x0083", `{"weight":1.5,"enabled":true,"healthy":false,"metadata":{"k":"ü","n":"3"}}`},
		{overlayRec(svc, 3), "public@@DEFAULT_GROUP@@s\x00c\x0010.0.0.3\x0083", `{"weight":3,"enabled":false,"metadata":{"k":"ü","n":"3"}}`},
	} {
		changes, err := plan([]naming.Record{c.record})
		if err != nil {
			t.Fatal(err)
		}
		if string(changes[0].key) != c.key || string(changes[0].payload) != c.payload {
			t.Errorf("%q %s, want %q %s", changes[0].key, changes[0].payload, c.key, c.payload)
		}
	}
	want := []byte{1, 0x37, 0xa9, 0x97, 0xe4, '{', '}'}
	if got := seal([]byte("b"), []byte("k"), []byte("{}")); !bytes.Equal(got, want) {
		t.Errorf("sealed: %x, want %x", got, want)
	}
	if got, want := hash([]byte("b"), []byte("k"), []byte("{}")), uint64(0x44456b574847dbe0); got != want {
		t.Errorf("hash %#x, want %#x", got, want)
	}
}

// The switches are stored under the names of Nacos's API. A store of another version may
// have more of them, or fewer.
func TestStoredSwitches(t *testing.T) {
	s := naming.DefaultSwitches()
	payload, err := marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var names map[string]any
	if err := json.Unmarshal(payload, &names); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"doubleWriteEnabled", "healthCheckEnabled", "clientBeatInterval", "tcpHealthParams", "limitedUrlMap", "overriddenServerStatus"} {
		if _, ok := names[name]; !ok {
			t.Errorf("%s is not among %s", name, payload)
		}
	}
	got := naming.DefaultSwitches()
	if err := decode(bucketSettings, keySwitches, seal(bucketSettings, keySwitches, []byte(`{"checkTimes":7,"new":1}`)), got); err != nil {
		t.Fatal(err)
	}
	if s.CheckTimes = 7; !reflect.DeepEqual(got, s) {
		t.Errorf("%+v, want %+v", got, s)
	}
}

// Any bytes are a value or an error. What is a value is the same after another round.
func FuzzRecord(f *testing.F) {
	for _, r := range []naming.Record{instanceRec(svc, 1), overlayRec(svc, 1), serviceRec(svc, 1)} {
		changes, err := plan([]naming.Record{r})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(changes[0].key), seal(changes[0].bucket, changes[0].key, changes[0].payload))
		f.Add(string(changes[0].key), changes[0].payload)
	}
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		for _, bucket := range [][]byte{bucketServices, bucketInstances, bucketOverlays} {
			_, _ = read(bucket, []byte(key), value) // as it is: mostly a wrong checksum
			r, err := read(bucket, []byte(key), seal(bucket, []byte(key), value))
			if err != nil {
				continue
			}
			changes, err := plan([]naming.Record{r})
			if err != nil {
				continue // readable, though nobody would have written it
			}
			again, err := read(bucket, changes[0].key, seal(bucket, changes[0].key, changes[0].payload))
			if err != nil || !reflect.DeepEqual(again, r) {
				t.Errorf("%+v became %+v: %v", r, again, err)
			}
		}
	})
}

// read reads one record as the boot does.
func read(bucket, key, value []byte) (naming.Record, error) {
	by := savedByKey{}
	var err error
	switch string(bucket) {
	case string(bucketServices):
		err = by.service(key, value)
	case string(bucketInstances):
		err = by.instance(key, value)
	case string(bucketOverlays):
		err = by.overlay(key, value)
	}
	for _, s := range by {
		switch {
		case s.Meta != nil:
			return naming.Record{Kind: naming.RecordService, Key: s.Key, Service: s.Meta}, err
		case len(s.Instances) == 1:
			return naming.Record{Kind: naming.RecordInstance, Key: s.Key, Addr: s.Instances[0].Addr(), Instance: s.Instances[0]}, err
		}
		for addr, o := range s.Overlays {
			return naming.Record{Kind: naming.RecordOverlay, Key: s.Key, Addr: addr, Overlay: o}, err
		}
	}
	return naming.Record{}, err
}

// Any bytes are pages or an error: no panic, no fault, no circle.
func FuzzPages(f *testing.F) {
	file, _ := sample(f, f.TempDir())
	f.Add(0, []byte{})
	f.Add(2*testPage, []byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, at int, patch []byte) {
		g := append([]byte(nil), file...)
		if at < 2*testPage || at >= len(g) {
			return // the meta pages have a checksum, which would end it there
		}
		copy(g[at:], patch)
		p, err := openPages(readerAt(g), int64(len(g)))
		if err != nil {
			t.Fatal(err)
		}
		buckets, err := p.buckets()
		if err != nil {
			return
		}
		for _, header := range buckets {
			_ = p.each(header, func([]byte, []byte) error { return nil })
		}
		_ = p.free()
	})
}

func TestLockHolder(t *testing.T) {
	const locks = "1: FLOCK  ADVISORY  WRITE 1234 fd:01:5678 0 EOF\n2: FLOCK  ADVISORY  WRITE 99 fd:02:5678 0 EOF\n" +
		"3: POSIX  ADVISORY  READ 7 fd:01:77 0 EOF\n4: FLOCK  ADVISORY  WRITE 8 00:2a:78 0 EOF\n5: nonsense\n"
	for _, c := range []struct {
		device string
		inode  uint64
		want   int
	}{
		{"fd:01", 5678, 1234},
		{"fd:02", 5678, 99},
		{"fd:03", 5678, 0}, // one of two: better nobody than the wrong one
		{"fd:01", 77, 0},
		{"fd:01", 78, 8}, // the file system shows another device
		{"fd:01", 1, 0},
	} {
		if got := lockHolder(locks, c.device, c.inode); got != c.want {
			t.Errorf("%s %d: %d, want %d", c.device, c.inode, got, c.want)
		}
	}
}
