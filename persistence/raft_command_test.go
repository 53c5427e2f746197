package persistence

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/raft"
	"go.etcd.io/bbolt"
	"pgregory.net/rapid"

	"nactor/naming"
)

// newMachine makes a state machine of its own, without fsync.
func newMachine(t testing.TB, dir string) *machine {
	t.Helper()
	id := newIdentity()
	if err := createFile(dir, databaseFile, id, recordBuckets); err != nil {
		t.Fatal(err)
	}
	m := &machine{
		dir: dir, path: filepath.Join(dir, databaseFile), id: id, start: 1, options: bbolt.Options{NoSync: true},
		fatal: func(err error) { t.Errorf("fatal: %v", err) }, changed: func(applied) {}, logger: slog.New(slog.DiscardHandler),
	}
	if err := openMachine(m); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.close() })
	return m
}

// state is all that a database holds.
func (m *machine) state(t testing.TB) map[string]string {
	t.Helper()
	out := map[string]string{}
	if err := m.view(func(tx *bbolt.Tx) error {
		for _, bucket := range recordBuckets {
			if err := tx.Bucket(bucket).ForEach(func(k, v []byte) error {
				out[string(bucket)+"/"+string(k)] = string(v)
				return nil
			}); err != nil {
				return err
			}
		}
		books, err := openLedger(tx)
		out["books"] = fmt.Sprint(books.count, books.sum)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// sink is a snapshot in memory.
type sink struct{ bytes.Buffer }

func (*sink) ID() string    { return "sink" }
func (*sink) Cancel() error { return nil }
func (*sink) Close() error  { return nil }

func (m *machine) persist(t testing.TB) []byte {
	t.Helper()
	s, err := m.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Release()
	out := &sink{}
	if err := s.Persist(out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func encodeCommand(o origin, batches ...batch) []byte {
	var encoded [][]byte
	for _, b := range batches {
		encoded = append(encoded, appendBatch(nil, b))
	}
	return appendCommand(nil, o, encoded)
}

func TestCommandRoundTrip(t *testing.T) {
	changes, err := plan([]naming.Record{instanceRec(svc, 1), serviceRec(svc, 2), {Kind: naming.RecordOverlay, Key: svc, Addr: overlayRec(svc, 3).Addr, Delete: true}})
	if err != nil {
		t.Fatal(err)
	}
	want := command{origin{"node", 3, 9}, []batch{
		{changes, []expect{{bucketSettings, keySwitches, 77}, {bucketNamespaces, []byte("n"), 0}}},
		{[]change{{bucketSettings, documentKey("d"), []byte("x")}}, []expect{}},
	}}
	b := encodeCommand(want.origin, want.batches...)
	got, err := decodeCommand(b)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v %v, want %+v", got, err, want)
	}
	for i := range b {
		if _, err := decodeCommand(b[:i]); err == nil {
			t.Errorf("%d bytes of %d were read", i, len(b))
		}
	}
	if _, err := decodeCommand(append(b, 0)); err == nil {
		t.Error("a byte too many was read")
	}
	var newer newerCommand
	if _, err := decodeCommand([]byte{commandVersion + 1}); !errors.As(err, &newer) || !strings.Contains(err.Error(), "upgrade") {
		t.Error(err)
	}
	for what, c := range map[string]batch{
		"raft's own":      {changes: []change{{bucketSettings, keyApplied, []byte("x")}}},
		"no bucket":       {changes: []change{{bucketMeta, []byte("schema"), []byte("x")}}},
		"no key":          {changes: []change{{bucketSettings, nil, []byte("x")}}},
		"no such place":   {changes: []change{{bucketServices, []byte("x"), []byte("x")}}},
		"no address":      {changes: []change{{bucketInstances, []byte("a@@b@@c"), []byte("x")}}},
		"a very long key": {changes: []change{{bucketSettings, bytes.Repeat([]byte("x"), 40000), []byte("x")}}},
	} {
		if _, err := decodeCommand(encodeCommand(origin{"n", 1, 1}, c)); err == nil {
			t.Errorf("%s was read", what)
		}
	}
}

// The bytes of format 1: a member of another version has to read them.
func TestCommandGolden(t *testing.T) {
	got := fmt.Sprintf("%x", encodeCommand(origin{"n1", 2, 300}, batch{
		[]change{{bucketServices, []byte("a@@b@@c"), []byte("{}")}, {bucket: bucketNamespaces, key: []byte("x")}},
		[]expect{{bucketSettings, keySwitches, 1}},
	}))
	const want = "01" + "026e31" + "02" + "ac02" + "01" +
		"01" + "04" + "08" + "7377697463686573" + "0000000000000001" +
		"02" + "01" + "07" + "61404062404063" + "02" + "7b7d" + "85" + "01" + "78"
	if got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// Whatever sequence of commands, doubled, replayed and cut into other transactions: machines
// hold the same, also one that was made of a snapshot in between.
func TestMachineIsDeterministic(t *testing.T) {
	records := []func(naming.Key, int) naming.Record{serviceRec, instanceRec, overlayRec}
	rapid.Check(t, func(rt *rapid.T) {
		one, two, three := newMachine(t, t.TempDir()), newMachine(t, t.TempDir()), newMachine(t, t.TempDir())
		var log []*raft.Log
		numbers := map[string]uint64{}
		for i := range rapid.IntRange(1, 12).Draw(rt, "entries") {
			e := &raft.Log{Index: uint64(i + 1), Term: 1}
			switch rapid.IntRange(0, 5).Draw(rt, "type") {
			case 0:
				e.Type, e.Data = raft.LogConfiguration, raft.EncodeConfiguration(raft.Configuration{})
			case 1:
				e.Data = rapid.SliceOf(rapid.Byte()).Draw(rt, "garbage")
				if len(e.Data) > 0 {
					e.Data[0] %= commandVersion + 1
				}
			case 2:
				if len(log) > 0 { // sent twice
					*e = *log[rapid.IntRange(0, len(log)-1).Draw(rt, "again")]
					e.Index = uint64(i + 1)
					break
				}
				fallthrough
			default:
				var batches []batch
				for range rapid.IntRange(1, 3).Draw(rt, "batches") {
					r := rapid.SampledFrom(records).Draw(rt, "kind")(svc, rapid.IntRange(0, 3).Draw(rt, "i"))
					r.Delete = rapid.Bool().Draw(rt, "delete")
					changes, err := plan([]naming.Record{r})
					if err != nil {
						rt.Fatal(err)
					}
					b := batch{changes: changes}
					if rapid.Bool().Draw(rt, "expects") {
						b.expects = []expect{{changes[0].bucket, changes[0].key, rapid.SampledFrom([]uint64{0, 1}).Draw(rt, "sum")}}
					}
					batches = append(batches, b)
				}
				node := rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "node")
				numbers[node]++
				e.Data = encodeCommand(origin{node, 1, numbers[node]}, batches...)
			}
			log = append(log, e)
		}
		for _, e := range log {
			one.Apply(e)
		}
		for rest := log; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(rt, "together")
			two.ApplyBatch(rest[:n])
			if rapid.Bool().Draw(rt, "replay") {
				two.ApplyBatch(log[:len(log)-len(rest)+n])
			}
			rest = rest[n:]
		}
		half := rapid.IntRange(0, len(log)).Draw(rt, "half")
		other := newMachine(t, t.TempDir())
		if half > 0 {
			other.ApplyBatch(log[:half])
		}
		if err := three.Restore(io.NopCloser(bytes.NewReader(other.persist(t)))); err != nil {
			rt.Fatal(err)
		}
		three.ApplyBatch(log)
		want := one.state(t)
		if got := two.state(t); !reflect.DeepEqual(got, want) {
			rt.Errorf("cut otherwise: %v, want %v", got, want)
		}
		if got := three.state(t); !reflect.DeepEqual(got, want) {
			rt.Errorf("after a snapshot: %v, want %v", got, want)
		}
		if !bytes.Equal(one.persist(t), three.persist(t)) {
			rt.Error("snapshots differ")
		}
		for _, m := range []*machine{one, two, three, other} {
			if err := m.close(); err != nil {
				rt.Error(err)
			}
			if _, err := verify(m.path); err != nil {
				rt.Error(err)
			}
		}
	})
}

// A snapshot that is not whole is refused, and the database stays as it was.
func TestDamagedStreamIsRefused(t *testing.T) {
	from, to := newMachine(t, t.TempDir()), newMachine(t, t.TempDir())
	changes, err := plan(batchOf(0, 20))
	if err != nil {
		t.Fatal(err)
	}
	from.Apply(&raft.Log{Index: 1, Term: 1, Data: encodeCommand(origin{"a", 1, 1}, batch{changes: changes})})
	to.Apply(&raft.Log{Index: 1, Term: 1, Data: encodeCommand(origin{"b", 1, 1}, batch{changes: changes[:3]})})
	sound, before := from.persist(t), to.state(t)
	refuse := func(what string, b []byte, want error) {
		t.Helper()
		if err := to.Restore(io.NopCloser(bytes.NewReader(b))); !errors.Is(err, want) {
			t.Errorf("%s: %v", what, err)
		}
		if !reflect.DeepEqual(to.state(t), before) {
			t.Fatalf("%s: the database was changed", what)
		}
	}
	for n := 0; n < len(sound); n += 1 + len(sound)/60 {
		refuse(fmt.Sprint("cut at ", n), sound[:n], ErrCorrupt)
		b := bytes.Clone(sound)
		if b[n] ^= 4; n != len(snapshotMagic) {
			refuse(fmt.Sprint("bit of ", n), b, ErrCorrupt)
		}
	}
	refuse("more", append(bytes.Clone(sound), 0), ErrCorrupt)
	newer := bytes.Clone(sound)
	newer[len(snapshotMagic)] = snapshotVersion + 1
	refuse("newer", newer, ErrNewer)
	if err := to.Restore(io.NopCloser(bytes.NewReader(sound))); err != nil || !reflect.DeepEqual(to.state(t), from.state(t)) {
		t.Errorf("sound: %v", err)
	}
}

// Whoever reads while a snapshot takes the place of the database gets an answer, and a
// snapshot that is being written holds nobody up.
func TestReadDuringRestore(t *testing.T) {
	m := newMachine(t, t.TempDir())
	changes, err := plan(batchOf(0, 50))
	if err != nil {
		t.Fatal(err)
	}
	m.Apply(&raft.Log{Index: 1, Term: 1, Data: encodeCommand(origin{"a", 1, 1}, batch{changes: changes})})
	stream := m.persist(t)
	held, err := m.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		done := make(chan error, 1)
		go func() {
			_, ok, err := readSaved(m.view, svc)
			if !ok && err == nil {
				err = errors.New("it is not there")
			}
			done <- err
		}()
		if err := m.Restore(io.NopCloser(bytes.NewReader(stream))); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	out := &sink{}
	if err := held.Persist(out); err != nil || !bytes.Equal(out.Bytes(), stream) {
		t.Errorf("the snapshot from before: %v", err)
	}
	held.Release()
}

func FuzzRaftCommand(f *testing.F) {
	changes, err := plan([]naming.Record{instanceRec(svc, 1), serviceRec(svc, 2), overlayRec(svc, 3)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(encodeCommand(origin{"node", 1, 1}, batch{changes: changes}))
	f.Add(encodeCommand(origin{"node", 2, 7}, batch{changes[:1], []expect{{bucketSettings, keySwitches, 0}}}, batch{changes: []change{{bucketSettings, documentKey("d"), []byte("{}")}}}))
	f.Add([]byte{commandVersion, 1, 'n', 1, 1, 0xff, 0xff, 0xff, 0xff, 0x0f})
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := decodeCommand(data)
		if err != nil {
			return
		}
		again, err := decodeCommand(encodeCommand(c.origin, c.batches...))
		if err != nil || !reflect.DeepEqual(again.origin, c.origin) || len(again.batches) != len(c.batches) {
			t.Fatalf("%+v %v, was %+v", again, err, c)
		}
		sub := filepath.Join(dir, fmt.Sprintf("%x", hash(nil, nil, data)))
		if err := makeDir(sub); err != nil {
			t.Fatal(err)
		}
		m := newMachine(t, sub)
		if answers := m.ApplyBatch([]*raft.Log{{Index: 5, Term: 2, Data: data}}); answers[0] != nil {
			t.Fatal(answers[0])
		}
		want := m.state(t)
		if err := m.Restore(io.NopCloser(bytes.NewReader(m.persist(t)))); err != nil {
			t.Fatal(err)
		}
		if got := m.state(t); !reflect.DeepEqual(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	})
}

func TestForwardFrames(t *testing.T) {
	var b bytes.Buffer
	if err := writeFrame(&b, request(opAddVoter, "id", "host:1")); err != nil {
		t.Fatal(err)
	}
	sound := slices.Clone(b.Bytes())
	if body, err := readFrame(bytes.NewReader(sound), 100); err != nil || !bytes.Equal(body, request(opAddVoter, "id", "host:1")) {
		t.Errorf("%q %v", body, err)
	}
	for i := range sound {
		if _, err := readFrame(bytes.NewReader(sound[:i]), 100); err == nil {
			t.Errorf("%d bytes were read", i)
		}
		bad := slices.Clone(sound)
		bad[i] ^= 1
		if _, err := readFrame(bytes.NewReader(bad), 100); err == nil {
			t.Errorf("a wrong byte %d was read", i)
		}
	}
	if _, err := readFrame(bytes.NewReader(sound), 5); err == nil {
		t.Error("a frame over the limit was read")
	}
	for _, err := range []error{nil, errNotLeader, naming.Invalid("a"), naming.Unavailable("b"), errors.New(strings.Repeat("c", 10000))} {
		got := readAnswer(answer(err))
		if (got == nil) != (err == nil) || naming.KindOf(err) == naming.KindInvalid != (naming.KindOf(got) == naming.KindInvalid) || errors.Is(err, errNotLeader) != errors.Is(got, errNotLeader) {
			t.Errorf("%v became %v", err, got)
		}
	}
	for _, b := range [][]byte{nil, {1}, {9, 0}} {
		if readAnswer(b) == nil {
			t.Errorf("%v is no answer", b)
		}
	}
}
