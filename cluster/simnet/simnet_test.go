package simnet

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"nactor/naming/namingtest"
)

func TestImports(t *testing.T) { namingtest.Imports(t) }

// listener notes the numbers that arrive at a host.
type listener struct {
	*Host
	got []int64
}

func listen(n *Network, name string) *listener {
	l := &listener{Host: n.Boot(name)}
	l.Open("in", func(_ string, m proto.Message) { l.got = append(l.got, m.(*wrapperspb.Int64Value).Value) })
	return l
}

// numbers sends the numbers from low up to high.
func (l *listener) numbers(to string, low, high int64) {
	for i := low; i < high; i++ {
		l.Send(to, "in", wrapperspb.Int64(i))
	}
}

func (l *listener) expect(t *testing.T, what string, want ...int64) {
	t.Helper()
	time.Sleep(time.Second)
	synctest.Wait()
	if !slices.Equal(l.got, want) {
		t.Errorf("%s: got %v, want %v", what, l.got, want)
	}
	l.got = nil
}

func TestMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(1)
		a, b := listen(n, "a"), listen(n, "b")
		n.Delay(time.Millisecond, 10*time.Millisecond)
		a.numbers("b", 0, 5)
		b.expect(t, "in order, whatever the jitter", 0, 1, 2, 3, 4)

		n.CutOneWay("a", "b")
		a.numbers("b", 0, 2)
		b.numbers("a", 0, 2)
		b.expect(t, "cut one way")
		a.expect(t, "the other way", 0, 1)

		n.Heal()
		a.numbers("b", 0, 2)
		n.Cut("a", "b")
		b.expect(t, "on its way when cut")
		n.Mend("a", "b")

		n.Pause("b")
		a.numbers("b", 0, 2)
		b.expect(t, "paused")
		n.Resume("b")
		b.expect(t, "resumed", 0, 1)

		n.Silence("a", "b")
		a.numbers("b", 0, 2)
		b.expect(t, "silenced")
		n.Heal()

		n.Drop(1)
		a.numbers("b", 0, 2)
		b.expect(t, "everything lost")
		n.Heal()

		a.numbers("b", 0, 2)
		n.Break("a", "b")
		b.expect(t, "broken")
	})
}

func TestKill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(1)
		a, b := listen(n, "a"), listen(n, "b")
		var lost []string
		b.OnLost(func(name string) { lost = append(lost, name) })
		b.numbers("a", 0, 1)
		a.expect(t, "alive", 0)
		if b.Refused("a") || !n.Connected("a", "b") {
			t.Error("a living host refuses")
		}

		a.numbers("b", 0, 1)
		a.Kill()
		a.numbers("b", 1, 2)
		b.expect(t, "sent before the end", 0)
		if !b.Refused("a") || n.Connected("a", "b") {
			t.Error("a dead host does not refuse")
		}
		if !slices.Equal(lost, []string{"a"}) {
			t.Errorf("told of %v", lost)
		}
		n.Cut("a", "b")
		if b.Refused("a") {
			t.Error("one that is cut off refuses")
		}
		n.Heal()

		again := listen(n, "a")
		b.numbers("a", 3, 4)
		again.expect(t, "the next life", 3)
		again.numbers("b", 0, 1)
		again.Crash()
		b.expect(t, "on its way when the machine crashed")
	})
}

func TestStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(1)
		a, b := n.Boot("a"), n.Boot("b")
		conn, err := a.DialTimeout(b.IP()+":1", time.Second)
		if err != nil {
			t.Fatal(err)
		}
		far := <-b.StreamCh()
		go conn.Write([]byte("x"))
		buf := make([]byte, 1)
		if _, err := far.Read(buf); err != nil || buf[0] != 'x' {
			t.Errorf("%q, %v", buf, err)
		}
		n.Cut("a", "b")
		if _, err := conn.Write([]byte("y")); err != nil {
			t.Errorf("a cut is told: %v", err)
		}
		begun := time.Now()
		if _, err := a.DialTimeout(b.IP()+":1", time.Second); err == nil || time.Since(begun) != time.Second {
			t.Errorf("a dial through a cut: %v after %v", err, time.Since(begun))
		}
		n.Heal()
		b.Kill()
		if _, err := conn.Read(buf); err == nil {
			t.Error("the connection outlives its end")
		}
		if _, err := a.DialTimeout(b.IP()+":1", time.Second); err == nil {
			t.Error("a dead host answers")
		}
		a.Kill()
	})
}
