package faulttest

import (
	"net"
	"testing"
	"time"
)

// F20: a node runs out of file descriptors. It lives, and answers once some are free.
func TestFileDescriptors(t *testing.T) {
	if testing.Short() {
		t.Skip("short: limits are left out")
	}
	const fault = "F20 64 file descriptors"
	c := newCluster(t, loopback{}, 3)
	poor := c.nodes[2]
	poor.spec.Prefix = []string{"sh", "-c", `ulimit -n 64; exec "$0" "$@"`}
	c.start()
	// The clients keep to the others: their own connections would be too many.
	c.await(10 * time.Second)
	r := &run{cluster: c, t: t, fault: fault}
	r.load = startLoad(t, c.history, usual, c.nodes[:2])
	r.load.steady()
	r.steady = c.history.now()
	r.traffic(2 * time.Second)
	r.well()

	var held []net.Conn
	for range 200 {
		conn, err := net.DialTimeout("tcp4", poor.addr, dialTime)
		if err != nil {
			break // the queue of the system is full too
		}
		conn.Write([]byte("GET /nacos/v1/ns/instance/list?serviceName=" + serviceName(0) + " HTTP/1.1\r\n"))
		held = append(held, conn)
	}
	r.traffic(5 * time.Second)
	select {
	case <-poor.server.Ended():
		t.Error("the server has ended")
	default:
	}
	for _, conn := range held {
		conn.Close()
	}
	took := eventually(t, 30*time.Second, "it answers again", func() error { _, err := poor.api.list(0); return err })
	r.expect(len(held) > 64 && took <= 2*time.Second, "freed → answers again", short(took).String(), "≤ 2s")
	again := r.await(30 * time.Second)
	r.expect(again <= 10*time.Second, "freed → members agree", short(again).String(), "≤ 10s")
	r.end()
}
