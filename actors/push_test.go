package actors_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nactor/actors"
	"nactor/naming"
	"nactor/replica"
)

// pushRig is a push actor over a replica whose views the test puts itself.
type pushRig struct {
	views    *replica.Store
	push     *actors.Push
	switches atomic.Pointer[naming.Switches]
	padding  string // makes packets large
	counter  uint64
}

const pushDelay = 20 * time.Millisecond

func startPush(t *testing.T) *pushRig {
	t.Helper()
	c := startCluster(t, nil)
	r := &pushRig{}
	r.switches.Store(naming.DefaultSwitches())
	r.views = replica.New(actors.NewClock().Now, func(n replica.Notice) { r.push.Notify(n) })
	var err error
	r.push, err = actors.StartPush(c.System(), actors.PushConfig{
		Logger: quiet, Views: r.views, Subscribers: r.views, Switches: r.switches.Load,
		Delay: pushDelay, AckTimeout: 100 * time.Millisecond, Bind: "127.0.0.1",
		Packet: func(dst []byte, v *naming.View, clusters string, _ int64, _ time.Time, ref int64) []byte {
			return fmt.Appendf(dst, `{"type":"dom","data":"%d %s%s","lastRefTime":%d}`, v.Revision.Counter, clusters, r.padding, ref)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.push.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *pushRig) change() uint64 {
	r.counter++
	r.views.Put(&naming.View{Key: key, Revision: naming.Revision{Activation: 1, Counter: r.counter}})
	return r.counter
}

type pushed struct {
	Type string
	Data string
	Ref  int64 `json:"lastRefTime"`
	from netip.AddrPort
	gzip bool
}

// client is a UDP subscriber.
type client struct {
	*net.UDPConn
	t *testing.T
}

func newClient(t *testing.T) *client {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &client{conn, t}
}

func (c *client) subscriber(clusters string) naming.Subscriber {
	return naming.Subscriber{Addr: c.LocalAddr().(*net.UDPAddr).AddrPort(), Clusters: clusters}
}

func (c *client) receive(within time.Duration) (pushed, bool) {
	c.t.Helper()
	buf := make([]byte, 65536)
	c.SetReadDeadline(time.Now().Add(within))
	n, from, err := c.ReadFromUDPAddrPort(buf)
	if err != nil {
		return pushed{}, false
	}
	p := pushed{from: from}
	b := buf[:n]
	if b[0] == 0x1f {
		p.gzip = true
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			c.t.Fatal(err)
		}
		if b, err = io.ReadAll(z); err != nil {
			c.t.Fatal(err)
		}
	}
	if err := json.Unmarshal(b, &p); err != nil {
		c.t.Fatalf("packet %q: %v", b, err)
	}
	return p, true
}

func (c *client) ack(p pushed, format string) {
	c.t.Helper()
	if _, err := c.WriteToUDPAddrPort(fmt.Appendf(nil, format, p.Ref), p.from); err != nil {
		c.t.Fatal(err)
	}
}

const (
	stringAck = `{"type":"push-ack","lastRefTime":"%d","data":""}`
	numberAck = `{"type": "push-ack", "lastRefTime": %d, "data": ""}`
)

func TestPushAndAck(t *testing.T) {
	for _, format := range []string{stringAck, numberAck} {
		r, c := startPush(t), newClient(t)
		r.change()
		r.views.Subscribe(key, c.subscriber("a,b"))
		p, ok := c.receive(5 * time.Second)
		if !ok || p.Type != "dom" || p.Data != "1 a,b" || p.Ref <= 0 || p.Ref >= 1<<53 || p.gzip {
			t.Fatalf("first push: %+v %v", p, ok)
		}
		c.ack(p, format)
		eventually(t, func() bool { return r.push.Stats().Acked == 1 })
		if p, ok := c.receive(300 * time.Millisecond); ok {
			t.Fatalf("an acknowledged packet came again: %+v", p)
		}
		if s := r.push.Stats(); s.Sent != 1 || s.Failed != 0 || s.MaxCost <= 0 {
			t.Errorf("stats %+v", s)
		}
	}
}

func TestPushIsRepeatedOnce(t *testing.T) {
	r, c := startPush(t), newClient(t)
	r.change()
	r.views.Subscribe(key, c.subscriber(""))
	first, ok := c.receive(5 * time.Second)
	second, again := c.receive(5 * time.Second)
	if !ok || !again || first.Ref != second.Ref {
		t.Fatalf("first %+v, repeated %+v", first, second)
	}
	eventually(t, func() bool { return r.push.Stats().Failed == 1 })
	if p, ok := c.receive(300 * time.Millisecond); ok {
		t.Errorf("sent a third time: %+v", p)
	}
}

// The first change of a burst is pushed at once, and the newest state when the delay is over.
func TestBurstIsFewPushesAndTheNewestState(t *testing.T) {
	r, c := startPush(t), newClient(t)
	r.change()
	r.views.Subscribe(key, c.subscriber(""))
	p, _ := c.receive(5 * time.Second)
	c.ack(p, stringAck)
	eventually(t, func() bool { return r.push.Stats().Acked == 1 })
	begin := time.Now()
	last := uint64(0)
	for range 100 {
		last = r.change()
	}
	delays := time.Since(begin) / pushDelay
	for want := fmt.Sprintf("%d ", last); p.Data != want; {
		var ok bool
		if p, ok = c.receive(5 * time.Second); !ok {
			t.Fatalf("after a burst: %+v, want state %q", p, want)
		}
		c.ack(p, stringAck)
	}
	s := r.push.Stats()
	if most := int64(3 + delays); s.Sent > most {
		t.Errorf("%d packets, want %d at most", s.Sent, most)
	}
	eventually(t, func() bool { return r.push.Stats().Acked >= 2 }) // what a newer state has replaced does not count
}

func TestNewerStateReplacesTheOneUnderWay(t *testing.T) {
	r, c := startPush(t), newClient(t)
	r.change()
	r.views.Subscribe(key, c.subscriber(""))
	if _, ok := c.receive(5 * time.Second); !ok {
		t.Fatal("no push")
	}
	r.change() // the first is not acknowledged yet
	for {
		p, ok := c.receive(5 * time.Second)
		if !ok {
			t.Fatal("the newer state was not pushed")
		}
		if p.Data == "2 " {
			c.ack(p, stringAck)
			break
		}
	}
	eventually(t, func() bool { return r.push.Stats().Acked == 1 })
	if p, ok := c.receive(300 * time.Millisecond); ok {
		t.Errorf("the replaced packet came again: %+v", p)
	}
}

func TestManySubscribersAreAllPushed(t *testing.T) {
	r := startPush(t)
	r.change()
	clients := make([]*client, 50)
	for i := range clients {
		clients[i] = newClient(t)
		r.views.Subscribe(key, clients[i].subscriber(""))
	}
	for i, c := range clients {
		p, ok := c.receive(5 * time.Second)
		if !ok {
			t.Fatalf("client %d was not pushed", i)
		}
		c.ack(p, stringAck)
	}
	eventually(t, func() bool { return r.push.Stats().Acked == int64(len(clients)) })
}

func TestLargePushIsCompressedAndTooLargeIsNotSent(t *testing.T) {
	r, c := startPush(t), newClient(t)
	r.padding = strings.Repeat("x", 2000)
	r.change()
	r.views.Subscribe(key, c.subscriber(""))
	if p, ok := c.receive(5 * time.Second); !ok || !p.gzip {
		t.Fatalf("%v, gzip %v", ok, p.gzip)
	} else {
		c.ack(p, stringAck)
	}
	eventually(t, func() bool { return r.push.Stats().Acked == 1 })
	random := make([]byte, 0, 200_000)
	for i := range 40_000 {
		random = fmt.Appendf(random, "%x", i*2654435761)
	}
	r.padding = string(random)
	r.change()
	eventually(t, func() bool { return r.push.Stats().Oversized == 1 })
}

func TestUnknownServiceIsNotPushedAsEmpty(t *testing.T) {
	r, c := startPush(t), newClient(t)
	r.views.Subscribe(key, c.subscriber(""))
	if p, ok := c.receive(200 * time.Millisecond); ok {
		t.Fatalf("pushed %+v", p)
	}
	r.change() // known now, and empty
	if _, ok := c.receive(5 * time.Second); !ok {
		t.Error("a service that is known to be empty was not pushed")
	}
}

func TestPushSwitchedOff(t *testing.T) {
	r, c := startPush(t), newClient(t)
	off := *naming.DefaultSwitches()
	off.PushEnabled = false
	r.switches.Store(&off)
	r.change()
	r.views.Subscribe(key, c.subscriber(""))
	if p, ok := c.receive(200 * time.Millisecond); ok {
		t.Errorf("pushed %+v", p)
	}
}

func TestGarbageAcks(t *testing.T) {
	r, c := startPush(t), newClient(t)
	r.change()
	r.views.Subscribe(key, c.subscriber(""))
	p, ok := c.receive(5 * time.Second)
	if !ok {
		t.Fatal("no push")
	}
	for _, b := range []string{"", "x", "{}", `{"type":"push-ack"}`, `{"type":"push-ack","lastRefTime":{}}`, `{"type":"push-ack","lastRefTime":"x"}`, `[]`, strings.Repeat("[", 1900)} {
		if _, err := c.WriteToUDPAddrPort([]byte(b), p.from); err != nil {
			t.Fatal(err)
		}
	}
	c.ack(p, stringAck)
	eventually(t, func() bool { return r.push.Stats().Acked == 1 })
}
