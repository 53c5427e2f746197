package grpc

import (
	"fmt"
	"net"
	"time"

	"nactor/grpc/grpcpb"
)

const (
	checkEvery = 500 * time.Millisecond
	// A client that was not heard of for idleTime is asked for a sign of life, and ejected when
	// it gives none within detectTime (Nacos: KEEP_ALIVE_TIME). One that has not read for idleTime
	// what it is sent is ejected too.
	idleTime   = 20 * time.Second
	detectTime = 3 * time.Second
	// limitsEvery is how often clients are counted against the limits (Nacos: 3 s), in checks.
	limitsEvery = 6
)

// check finds clients that are not there any more or too many, and what has changed for all.
func (s *Server) check() {
	t := time.NewTicker(checkEvery)
	defer t.Stop()
	pushing := s.cfg.Switches().PushEnabled
	for round := 1; ; round++ {
		select {
		case <-t.C:
		case <-s.quit:
			return
		}
		by1X, were := s.cfg.By1X(), pushing
		pushing = s.cfg.Switches().PushEnabled
		now := time.Now()
		for _, c := range s.all() {
			switch {
			case !by1X && c.refused.Swap(false):
				// The clients of some SDKs do not try again by themselves what was refused.
				c.reset("", "")
			case !were && pushing:
				c.poke()
			}
			c.watch(now)
		}
		if round%limitsEvery == 0 {
			for _, c := range s.excess() {
				c.reset("", "")
			}
		}
	}
}

// watch asks an idle client for a sign of life, and ejects one that gives none.
func (c *client) watch(now time.Time) {
	if since := c.sending.Load(); since != 0 && now.Sub(time.Unix(0, since)) > idleTime {
		c.eject("a client that does not read what it is sent is disconnected", now)
		return
	}
	switch idle := c.transport.idle(now); {
	case idle < idleTime:
		c.detecting.Store(0)
	case c.detecting.CompareAndSwap(0, now.UnixNano()):
		c.control(c.server.numbered(typeDetection, nil))
	case now.Sub(time.Unix(0, c.detecting.Load())) > detectTime:
		c.eject("a client that gives no sign of life is disconnected", now)
	}
}

func (c *client) eject(why string, now time.Time) {
	c.server.cfg.Logger.Info(why, "connection", c.transport.id, "app", c.app, "version", c.version, "idle", c.transport.idle(now).Round(time.Second))
	c.transport.close()
	c.server.leave(c)
}

// reset tells a client to connect again, to another server: the one at ip and port, or any
// that it knows when they are empty.
func (c *client) reset(ip, port string) {
	c.told.Store(true)
	c.control(c.server.resetMessage(ip, port))
}

func (s *Server) resetMessage(ip, port string) *grpcpb.Payload {
	var rest []byte
	if ip != "" {
		rest = fmt.Appendf(nil, `,"serverIp":%q,"serverPort":%q`, ip, port)
	}
	return s.numbered(typeReset, rest)
}

// Redirect is where a client is sent: an address "ip:port" with the HTTP port of a server;
// empty, or no such address: anywhere else.
type Redirect string

// split returns the two halves, or nothing. What is no address is passed over, as in Nacos.
func (r Redirect) split() (ip, port string) {
	ip, port, err := net.SplitHostPort(string(r))
	if err != nil {
		return "", ""
	}
	return ip, port
}

// numbered returns a message that the client has to answer. rest is JSON members, each after a
// comma.
func (s *Server) numbered(kind string, rest []byte) *grpcpb.Payload {
	body := fmt.Appendf(nil, `{"headers":{},"requestId":"%d","module":"internal"`, s.requests.Add(1))
	return frame(kind, append(append(body, rest...), '}'))
}
