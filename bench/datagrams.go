package bench

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// datagrams are subscribers of 1.x that share a socket: they query services again and again, and
// are pushed over UDP.
type datagrams struct {
	conn  *net.UDPConn
	told  func(service []byte)
	reads sync.WaitGroup
}

// renewEvery is how often 1.x clients query what they are subscribed to (a subscription lasts
// for 10 s).
const renewEvery = 5 * time.Second

// receive begins to take pushes; told is called with the JSON of each service.
func receive(told func(service []byte)) (*datagrams, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, fmt.Errorf("listen for pushes over UDP: %w", err)
	}
	_ = conn.SetReadBuffer(4 << 20) // what the system allows of it is enough
	d := &datagrams{conn: conn, told: told}
	d.reads.Go(d.read)
	return d, nil
}

func (d *datagrams) read() {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := d.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return // closed
		}
		packet := buf[:n]
		if z, err := gzip.NewReader(bytes.NewReader(packet)); err == nil {
			if packet, err = io.ReadAll(z); err != nil {
				continue
			}
		}
		var push struct {
			Data        string
			LastRefTime json.Number
		}
		if json.Unmarshal(packet, &push) != nil {
			continue
		}
		d.told([]byte(push.Data))
		_, _ = d.conn.WriteToUDPAddrPort(fmt.Appendf(nil, `{"type":"push-ack","lastRefTime":"%s","data":""}`, push.LastRefTime), from)
	}
}

// subscribe queries services at a node, and does so again until ctx ends, a part after the other.
func (d *datagrams) subscribe(ctx context.Context, addr string, fleet Fleet) error {
	const parts = 100
	port := fmt.Sprintf("udpPort=%d", d.conn.LocalAddr().(*net.UDPAddr).Port)
	query := func(from, to int) error {
		o, err := Load{Addr: addr, Connections: 1, Count: to - from, Request: func(i int) []byte {
			return []byte(strings.Replace(string(fleet.List(from+i)), "udpPort=0", port, 1))
		}}.Run(ctx)
		return first(err, o.FirstError)
	}
	if err := query(0, fleet.Services); err != nil {
		return fmt.Errorf("subscribe at %s over HTTP: %w", addr, err)
	}
	d.reads.Go(func() {
		t := time.NewTicker(renewEvery / parts)
		defer t.Stop()
		for part := 0; ; part = (part + 1) % parts {
			select {
			case <-t.C:
			case <-ctx.Done():
				return
			}
			from, to := part*fleet.Services/parts, (part+1)*fleet.Services/parts
			if to > from && query(from, to) != nil {
				return // what is not pushed any more counts as lost
			}
		}
	})
	return nil
}

// close ends all. The context of subscribe must have ended.
func (d *datagrams) close() {
	d.conn.Close()
	d.reads.Wait()
}
